//! What is left on Neon is deleted: the project of this run whatever happened, and those of earlier runs that could not do so.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};

use super::trial::{PREFIX, Trial, is_name};
use neon_client::{Call, NeonError, RawAnswer, Route, project};

/// How long is tried to delete the project. Deaf to a stop: a second one ends the process.
const TIME: Duration = Duration::from_secs(90);
/// How often, where Neon says that repeating does not help.
const REFUSALS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Longer than any run takes with all its waits: what is older belongs to none that goes on.
const LONGEST_RUN: TimeDelta = TimeDelta::hours(2);
/// Deleted at a start.
const MOST_LEFTOVERS: usize = 20;

/// Why the project is not deleted yet.
struct Obstacle {
    why: String,
    may_pass: bool,
}

impl From<NeonError> for Obstacle {
    fn from(error: NeonError) -> Self {
        Self { why: error.to_string(), may_pass: error.is_worth_retrying() }
    }
}

/// Projects of earlier runs.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub deleted: u32,
    /// Names of those that are left alone, and why.
    pub spared: Vec<String>,
}

impl Trial {
    /// Deletes the project, if there may be one.
    ///
    /// # Errors
    /// With what is left, and what to do about it.
    pub async fn clean_up(&mut self) -> Result<(), String> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        let (mut problem, mut refusals) = (String::new(), 0);
        while self.may_exist && start.elapsed() < TIME && refusals < REFUSALS {
            match self.delete_own().await {
                Ok(()) => self.may_exist = false,
                Err(Obstacle { why, may_pass }) => {
                    problem = why;
                    refusals += u32::from(!may_pass);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        if !self.may_exist {
            return Ok(());
        }
        let id = self.project.as_ref().map(|own| format!(" ({})", own.id)).unwrap_or_default();
        Err(format!(
            "The project {}{id} may still be on Neon: {problem}. Delete it in Neon's console; or run the check again in two hours, which deletes what an earlier one has left.",
            self.name
        ))
    }

    async fn delete_own(&mut self) -> Result<(), Obstacle> {
        let id = match &self.project {
            Some(own) => own.id.clone(),
            None => self.lost_id().await?,
        };
        Ok(self.delete(&id).await?)
    }

    /// The creation's answer was lost: Neon may have the project under its name, or have it in a moment.
    async fn lost_id(&mut self) -> Result<String, Obstacle> {
        let answer = self.named(&self.name.clone()).await?;
        let found =
            answer.body["projects"].as_array().into_iter().flatten().find(|item| item["name"] == self.name.as_str());
        let id = found.and_then(|item| item["id"].as_str()).map(str::to_owned);
        let why = "the answer to its creation was lost, and it is not in the list so far";
        id.ok_or_else(|| Obstacle { why: why.to_owned(), may_pass: true })
    }

    async fn delete(&mut self, id: &str) -> Result<(), NeonError> {
        match self.answer_of(Call::to(Route::DELETE_PROJECT, &[id])).await {
            Ok(_) | Err(NeonError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes what earlier runs have left, by its name and age.
    ///
    /// # Errors
    /// When Neon does not tell its list: then nothing can be checked either.
    pub async fn delete_leftovers(&mut self) -> Result<Leftovers, NeonError> {
        let answer = self.named(PREFIX).await?;
        let mut found = Leftovers::default();
        let items = answer.body["projects"].as_array().cloned().unwrap_or_default();
        for item in items.iter().take(MOST_LEFTOVERS) {
            let (Some(id), Some(name)) = (item["id"].as_str(), item["name"].as_str()) else { continue };
            if !is_name(name) {
                continue;
            }
            let made_at = item["created_at"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
            if made_at.is_none_or(|at| at > Utc::now() - LONGEST_RUN) {
                found.spared.push(format!("{name}: younger than two hours, so another check may be using it"));
                continue;
            }
            match self.delete(id).await {
                Ok(()) => found.deleted += 1,
                Err(why) => found.spared.push(format!("{name}: {why}")),
            }
        }
        Ok(found)
    }

    async fn named(&mut self, text: &str) -> Result<RawAnswer, NeonError> {
        self.answer_of(self.list().with("limit", project::MAX_PAGE).with("search", text)).await
    }

    /// The answer to a call that the bounds of the checks do not concern.
    async fn answer_of(&mut self, call: Call<'_>) -> Result<RawAnswer, NeonError> {
        self.calls += 1;
        let mut answer = self.neon.raw(call).await?;
        answer.error.take().map_or(Ok(answer), Err)
    }
}
