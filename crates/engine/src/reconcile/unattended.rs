//! Proof that nobody holds a project that no row knows: nobody can have been told its connection, nobody has been active in it, nothing is in it. Only
//! what is proven so may go into the pool, and only that is deleted without a person, few in a day. Whatever is not waits for a person, with what was seen.

use chrono::TimeDelta;

use super::remediate::Step;
use crate::{
    Inner,
    contents::{LookError, contents},
    explain::NEAR,
    look::{AFTER_A_FAILURE, TRIES},
};
use fleet_types::Time;
use ledger::{Backoff, DueFinding, LedgerError};
use neon_client::{NeonClient, Project};

/// When the day's deletions are used up.
const TOMORROW: Backoff = Backoff { base_seconds: 3_600.0, cap_seconds: 3_600.0, counts: false };

/// Why it is not proven that nobody holds it.
pub(super) enum Unproven {
    /// Somebody may, in a sentence.
    Held(String),
    Unseen(LookError),
}

impl Inner {
    /// `None` when the project may be deleted by itself.
    pub(super) async fn why_not_by_itself(
        &self,
        neon: &NeonClient,
        due: &DueFinding,
        project: &Project,
    ) -> Result<Option<Step>, LedgerError> {
        if self.ledger.deletions_left(&self.settings.findings).await? <= 0 {
            let why = "As many projects as may be were deleted by the engine within 24 hours; the next waits.";
            return Ok(Some(Step::Postponed(String::from(why), TOMORROW)));
        }
        Ok(self.why_held(neon, due, project).await?.map(|unproven| match unproven {
            Unproven::Held(why) => Step::Handed(why, None),
            Unproven::Unseen(LookError::Neon(error)) if error.is_worth_retrying() => Step::Failed(error),
            // Slow today is not used: a person is asked when it stays so.
            Unproven::Unseen(error) if error.is_passing() && due.attempts + 1 < TRIES => {
                Step::Postponed(error.to_string(), AFTER_A_FAILURE)
            }
            Unproven::Unseen(error) => {
                Step::Handed(format!("It could not be looked into, so it is not proven to be empty: {error}"), None)
            }
        }))
    }

    /// `None` when nobody holds the project. The one rule for what enters the pool, and for what is deleted without a person.
    pub(super) async fn why_held(
        &self,
        neon: &NeonClient,
        due: &DueFinding,
        project: &Project,
    ) -> Result<Option<Unproven>, LedgerError> {
        if let Some(doubt) = self.ledger.doubt_about(&project.name, project.created_at).await? {
            return Ok(Some(Unproven::Held(String::from(doubt.sentence()))));
        }
        if let Some(at) = self.foreign_activity(project, due.probed_at) {
            let at = at.format("%Y-%m-%d %H:%M");
            let why = format!("It was active at {at} UTC, after it had been made: somebody may use it.");
            return Ok(Some(Unproven::Held(why)));
        }
        self.ledger.note_probe(due).await?;
        Ok(match contents(neon, &project.id).await {
            Ok(None) => None,
            Ok(Some(what)) => Some(Unproven::Held(format!("{what} It may hold somebody's data."))),
            Err(error) => Some(Unproven::Unseen(error)),
        })
    }

    /// When somebody else was active in it last.
    fn foreign_activity(&self, project: &Project, probed_at: Option<Time>) -> Option<Time> {
        let lasts = TimeDelta::from_std(self.settings.own_activity_lasts).unwrap_or(TimeDelta::MAX);
        project.last_active_at.filter(|at| !is_own_activity(*at, project.created_at, probed_at, lasts))
    }
}

/// A project is active by itself when it is made, and when the engine has looked into it: `lasts` from then on. Neon tells whole seconds, by a clock that need
/// not be the ledger's.
fn is_own_activity(at: Time, created_at: Time, probed_at: Option<Time>, lasts: TimeDelta) -> bool {
    at <= created_at + lasts || probed_at.is_some_and(|probed| probed - NEAR <= at && at <= probed + lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_look_is_no_use_though_neon_tells_whole_seconds() {
        let at = |milliseconds: i64| Time::from_timestamp_millis(1_800_000_000_000 + milliseconds).expect("a time");
        let (created, lasts) = (at(-90_000_000), TimeDelta::seconds(600));
        let is_own = |active, probed| is_own_activity(at(active), created, probed, lasts);
        assert!(is_own(7_000, Some(at(7_400))), "told as the second in which it began");
        assert!(is_own(600_000, Some(at(7_400))), "until it falls asleep by itself");
        assert!(!is_own(-90_000, Some(at(7_400))), "before the engine came");
        assert!(!is_own(610_000, Some(at(7_400))), "after its compute slept");
        assert!(!is_own(7_000, None), "the engine has never looked");
        assert!(is_own(-89_500_000, None), "as it was made");
    }
}
