//! What the checks share: a project of their own, and calls that have a bound, an end, and heed a stop.
//!
//! Whatever is shown of an answer goes through [`Trial::shown`]: passwords, connection strings and what would tell whose account it is are not.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::verdict::{Untried, in_words, untried};
use neon_client::{Call, Class, NeonClient, NeonError, RawAnswer, Route, presentable, project};

/// What the names of all projects of such checks begin with. Neither the engine nor a repair of any installation takes such a name for a database's or a mark.
pub(super) const PREFIX: &str = "flotilla-neon-check-";
/// One call, its wait for the budget included.
const CALL_DEADLINE: Duration = Duration::from_secs(20);
/// All checks together, without what was asked for as a further wait.
const TIME: Duration = Duration::from_secs(600);
/// All checks together, likewise.
pub(super) const CALLS: u32 = 250;
/// How long is waited for Neon to show what was done.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// In the order of [`quota`].
pub(super) const QUOTAS: [&str; 5] =
    ["active_time_seconds", "compute_time_seconds", "written_data_bytes", "data_transfer_bytes", "logical_size_bytes"];
const STOPPED: &str = "the check was stopped before";

/// The project of this run.
#[derive(Clone, Debug)]
pub(super) struct OwnProject {
    pub id: String,
    pub branch: String,
    pub endpoint: String,
}

/// Found after so many looks.
pub(super) struct Found<T> {
    pub value: T,
    looks: u32,
    after: Duration,
}

impl<T> Found<T> {
    pub fn is_at_once(&self) -> bool {
        self.looks == 1
    }

    pub fn in_words(&self) -> String {
        match self.looks {
            1 => String::from("at the first look"),
            looks => format!("at look {looks}, after {}", in_words(self.after)),
        }
    }
}

pub(super) struct Trial {
    pub(super) neon: NeonClient,
    pub name: String,
    pub region: String,
    /// How long to wait further for what Neon counts late.
    pub wait: Duration,
    pub project: Option<OwnProject>,
    /// Neon may have it: from before the creation is sent until its deletion is confirmed.
    pub may_exist: bool,
    /// The answer to the creation. Holds passwords.
    pub creation: Value,
    /// The newest that Neon has told.
    pub password: Value,
    pub rate_limit_headers: BTreeSet<String>,
    pub calls: u32,
    most_calls: u32,
    ends: Instant,
    stop: CancellationToken,
    hidden: Vec<(String, &'static str)>,
}

impl Trial {
    pub fn new(neon: &NeonClient, region: &str, wait: Duration, stop: CancellationToken) -> Self {
        let minutes = u32::try_from(wait.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        let mut trial = Self {
            neon: neon.with_class(Class::Support).with_deadline(CALL_DEADLINE),
            name: new_name(),
            region: region.to_owned(),
            wait,
            project: None,
            may_exist: false,
            creation: Value::Null,
            password: Value::Null,
            rate_limit_headers: BTreeSet::new(),
            calls: 0,
            most_calls: CALLS.saturating_add(minutes),
            ends: Instant::now() + TIME + wait,
            stop,
            hidden: Vec::new(),
        };
        trial.hide(trial.name.clone(), "(its name)");
        trial.hide(neon.org_id().unwrap_or_default(), "(the organisation)");
        trial
    }

    /// What has to be there for a check of a project.
    pub fn project(&self) -> Result<OwnProject, Untried> {
        self.project.clone().map_or_else(|| untried("there is no project to try it on"), Ok)
    }

    /// The organisation: as it is set, or as Neon has named it.
    pub fn org_id(&self) -> Option<String> {
        let told = self.creation["project"]["org_id"].as_str();
        self.neon.org_id().or(told).map(str::to_owned)
    }

    /// Makes the project. Once sent, its answer is waited for whatever happens: it alone tells the id.
    pub async fn create(&mut self) -> Result<RawAnswer, Untried> {
        self.admit()?;
        let (name, region) = (self.name.clone(), self.region.clone());
        let mut project = json!({
            "name": name, "region_id": region, "pg_version": 17, "store_passwords": true,
            "branch": {"database_name": project::DATABASE_NAME, "role_name": project::ROLE_NAME},
            "default_endpoint_settings": {"autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 0.25},
            "settings": {"quota": quota()},
        });
        if let Some(org_id) = self.neon.org_id() {
            project["org_id"] = json!(org_id);
        }
        self.may_exist = true;
        let outcome = self.neon.raw(Call::to(Route::CREATE_PROJECT, &[]).json(json!({ "project": project }))).await;
        let error = match &outcome {
            Ok(answer) => answer.error.as_ref(),
            Err(error) => Some(error),
        };
        self.may_exist = error.is_none_or(NeonError::may_have_been_carried_out);
        let answer = outcome.map_err(|error| Untried(self.shown(&error.to_string())))?;
        if answer.is_success() {
            self.remember(&answer.body);
        }
        Ok(answer)
    }

    fn remember(&mut self, body: &Value) {
        self.creation = body.clone();
        self.password = body["roles"][0]["password"].clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let [id, branch, endpoint] =
            [&body["project"]["id"], &body["branch"]["id"], &body["endpoints"][0]["id"]].map(text);
        for connection in body["connection_uris"].as_array().into_iter().flatten() {
            self.hide(text(&connection["connection_uri"]), "[hidden]");
        }
        for role in body["roles"].as_array().into_iter().flatten() {
            self.hide(text(&role["password"]), "[hidden]");
        }
        self.hide(&id, "(its id)");
        self.hide(&endpoint, "(its endpoint)");
        self.hide(&branch, "(its branch)");
        self.hide(text(&body["project"]["org_id"]), "(the organisation)");
        self.project = (!id.is_empty()).then_some(OwnProject { id, branch, endpoint });
    }

    /// Makes a call. What says something about Neon's health or the key, and nothing about what is tried, is no answer.
    pub async fn call(&mut self, call: Call<'_>) -> Result<RawAnswer, Untried> {
        self.admit()?;
        let answer = match self.stop.run_until_cancelled(self.neon.raw(call)).await {
            None => return untried(STOPPED),
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return untried(self.shown(&error.to_string())),
        };
        self.rate_limit_headers.extend(answer.headers_with(&["ratelimit", "rate-limit", "retry-after"]));
        match &answer.error {
            Some(NeonError::RateLimited { .. } | NeonError::Unavailable { .. } | NeonError::Server { .. }) => {
                untried(format!("Neon answered {}", self.shown(&answer.in_words())))
            }
            Some(NeonError::Unauthorised { status: 401, .. }) => untried("Neon does not accept the API key (401)"),
            _ => Ok(answer),
        }
    }

    /// Makes a call that changes something, again while the project is busy.
    pub async fn change(&mut self, call: Call<'_>) -> Result<RawAnswer, Untried> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.call(call.clone()).await?;
            if !matches!(answer.error, Some(NeonError::Locked { .. })) || Instant::now() >= until {
                return Ok(answer);
            }
            self.pause(FIRST_PAUSE * 2).await?;
        }
    }

    /// Makes a call without whose success nothing can be tried.
    pub async fn done(&mut self, call: Call<'_>) -> Result<RawAnswer, Untried> {
        let answer = self.change(call).await?;
        match answer.is_success() {
            true => Ok(answer),
            false => untried(format!("Neon refused what it takes: {}", self.shown(&answer.in_words()))),
        }
    }

    /// Asks until there is something, with pauses that grow; `None` if there is nothing for half a minute.
    pub async fn poll<T>(
        &mut self,
        mut ask: impl AsyncFnMut(&mut Self) -> Result<Option<T>, Untried>,
    ) -> Result<Option<Found<T>>, Untried> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        for looks in 1.. {
            if let Some(value) = ask(self).await? {
                return Ok(Some(Found { value, looks, after: start.elapsed() }));
            }
            if start.elapsed() >= PATIENCE {
                break;
            }
            self.pause(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(None)
    }

    pub async fn pause(&self, time: Duration) -> Result<(), Untried> {
        self.stop.run_until_cancelled(sleep(time)).await.map_or_else(|| untried(STOPPED), Ok)
    }

    /// The projects that a search finds, of the first page.
    pub async fn search(&mut self, text: &str) -> Result<Vec<Value>, Untried> {
        let call = self.list().with("limit", project::MAX_PAGE).with("search", text);
        let mut answer = self.done(call).await?;
        match answer.body["projects"].take() {
            Value::Array(projects) => Ok(projects),
            _ => untried("Neon's answer has no list of projects"),
        }
    }

    /// A call for the list of projects.
    pub fn list(&self) -> Call<'static> {
        Call::to(Route::LIST_PROJECTS, &[]).with_some("org_id", self.org_id().as_deref())
    }

    /// The project, as Neon tells it now.
    pub async fn read(&mut self) -> Result<Value, Untried> {
        let own = self.project()?;
        let mut answer = self.done(Call::to(Route::GET_PROJECT, &[&own.id])).await?;
        Ok(answer.body["project"].take())
    }

    /// What Neon said, fit for a report that is sent elsewhere.
    pub fn shown(&self, text: &str) -> String {
        let hide = |text: String, (secret, word): &(String, &'static str)| text.replace(secret.as_str(), word);
        presentable(&self.hidden.iter().fold(text.to_owned(), hide))
    }

    /// From now on this is shown as that word.
    pub fn hide(&mut self, secret: impl Into<String>, word: &'static str) {
        let secret = secret.into();
        if !secret.is_empty() {
            self.hidden.push((secret, word));
        }
    }

    fn admit(&mut self) -> Result<(), Untried> {
        if self.stop.is_cancelled() {
            return untried(STOPPED);
        }
        if Instant::now() >= self.ends {
            return untried("the time for all checks was over before");
        }
        if self.calls >= self.most_calls {
            return untried("the calls for all checks were used up before");
        }
        self.calls += 1;
        Ok(())
    }
}

/// A name of the form of all such projects.
pub(super) fn new_name() -> String {
    let random = uuid::Uuid::now_v7().as_u128() as u64;
    format!("{PREFIX}{random:016x}")
}

/// Whether it is exactly of that form.
pub(super) fn is_name(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 16 && rest.bytes().all(is_hex))
}

/// The quota that the project is made with: far from what a few minutes use, and each limit another number.
pub(super) fn quota() -> Value {
    json!({"active_time_seconds": 360_000, "compute_time_seconds": 90_000, "written_data_bytes": 5_000_000_000_i64,
           "data_transfer_bytes": 6_000_000_000_i64, "logical_size_bytes": 536_870_912})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_form_are_of_a_check() {
        assert!(is_name(&new_name()) && new_name() != new_name());
        for other in [PREFIX, "flotilla-neon-check-0123456789abcde", "flotilla-neon-check-0123456789ABCDEF", "x"] {
            assert!(!is_name(other), "{other}");
        }
        assert!(
            !is_name("flotilla-neon-check-0123456789abcdef0") && !is_name("my-flotilla-neon-check-0123456789abcdef")
        );
    }
}
