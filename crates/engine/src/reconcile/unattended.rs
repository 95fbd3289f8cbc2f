//! Proof that a project which no row knows may be deleted without a person: nobody has used it, nothing is in it, and few are deleted in a day.
//! Whatever is not proven waits for a person, with what was seen.

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
        if self.ledger.may_have_forgotten(project.created_at).await? {
            let why = "It was made before this ledger was found to be old: somebody may have been told its connection since, and has not used it yet. Compare with your platform's records.";
            return Ok(Some(Step::Handed(String::from(why), None)));
        }
        if let Some(at) = self.foreign_activity(project, due.probed_at) {
            let why = format!(
                "It was active at {} UTC, after it had been made: somebody may use it.",
                at.format("%Y-%m-%d %H:%M")
            );
            return Ok(Some(Step::Handed(why, None)));
        }
        self.ledger.note_probe(due).await?;
        Ok(match contents(neon, &project.id).await {
            Ok(None) => None,
            Ok(Some(what)) => Some(Step::Handed(format!("{what} It may hold somebody's data."), None)),
            Err(LookError::Neon(error)) if error.is_worth_retrying() => Some(Step::Failed(error)),
            // Slow today is not used: a person is asked when it stays so.
            Err(error) if error.is_passing() && due.attempts + 1 < TRIES => {
                Some(Step::Postponed(error.to_string(), AFTER_A_FAILURE))
            }
            Err(error) => Some(Step::Handed(
                format!("It could not be looked into, so it is not proven to be empty: {error}"),
                None,
            )),
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
