//! Whether Neon's list of operations explains why a database was active that nobody holds. Neon checks idle computes now and then (`check_availability`) and
//! applies settings; both start the compute and let it fall asleep again. A start that nothing explains was somebody's connection.

use chrono::TimeDelta;

use fleet_types::Time;
use neon_client::Operation;

/// Operations of Neon for which a compute is started without a connection.
const CAUSES: [&str; 3] = ["check_availability", "apply_config", "apply_storage_config"];
const START: &str = "start_compute";
/// Times of Neon are told in seconds, and what belongs together may be this far apart.
pub(super) const NEAR: TimeDelta = TimeDelta::seconds(60);

/// What is known of the activity before Neon is asked.
pub(super) struct Known<'a> {
    /// Activity until then is accounted for.
    pub settled: Time,
    /// When the engine itself connected to it since.
    pub probed_at: &'a [Time],
    /// How long a compute may be active that nobody uses, until it falls asleep by itself.
    pub lasts: TimeDelta,
    /// So many operations were asked for.
    pub asked_for: usize,
}

/// What these operations leave unexplained, in a sentence. `operations` are the newest, newest first.
pub(super) fn unexplained(operations: &[Operation], last_active: Option<Time>, known: &Known<'_>) -> Option<String> {
    let oldest = operations.iter().map(|operation| operation.created_at).min();
    if operations.len() >= known.asked_for && oldest.is_none_or(|oldest| oldest > known.settled) {
        return Some(String::from(
            "Neon's list of its operations does not reach back to when it was last proven to be new.",
        ));
    }
    let causes: Vec<(Time, Time)> = operations
        .iter()
        .filter(|operation| CAUSES.contains(&operation.action.as_str()))
        .map(|operation| (operation.created_at, operation.updated_at))
        .chain(known.probed_at.iter().map(|at| (*at, *at)))
        .collect();
    let follows =
        |at: Time, lasts: TimeDelta| causes.iter().any(|(began, ended)| *began - NEAR <= at && at <= *ended + lasts);
    let starts = operations.iter().filter(|operation| operation.action == START).map(|operation| operation.created_at);
    if let Some(at) = starts.filter(|at| *at > known.settled).find(|at| !follows(*at, NEAR)) {
        return Some(format!("Its compute was started at {} UTC, and not by Neon itself.", minute(at)));
    }
    let at = last_active.filter(|at| *at > known.settled && !follows(*at, known.lasts))?;
    Some(format!("It was active at {} UTC, and no operation of Neon explains that.", minute(at)))
}

fn minute(at: Time) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    fn operation(action: &str, seconds: i64) -> Operation {
        Operation {
            action: action.to_owned(),
            status: String::from("finished"),
            created_at: at(seconds),
            updated_at: at(seconds + 1),
        }
    }

    fn judge(operations: &[Operation], last_active: i64, probed_at: &[Time]) -> Option<String> {
        let known = Known { settled: at(0), probed_at, lasts: TimeDelta::minutes(10), asked_for: 10 };
        unexplained(operations, Some(at(last_active)), &known)
    }

    fn check(seconds: i64) -> [Operation; 3] {
        [
            operation("suspend_compute", seconds + 2),
            operation("check_availability", seconds + 1),
            operation("start_compute", seconds),
        ]
    }

    #[test]
    fn a_check_by_neon_explains_the_start_and_the_activity_around_it() {
        assert_eq!(judge(&check(5_000), 5_002, &[]), None);
        assert_eq!(judge(&[check(9_000), check(5_000)].concat(), 9_300, &[]), None, "until it falls asleep by itself");
    }

    #[test]
    fn a_connection_before_or_after_a_check_is_somebodys() {
        for own in [2_000, 8_000] {
            let operations = [check(5_000).as_slice(), &[operation("start_compute", own)]].concat();
            assert!(judge(&operations, 5_002, &[]).is_some_and(|why| why.contains("not by Neon itself")), "{own}");
        }
    }

    #[test]
    fn activity_without_any_operation_is_somebodys() {
        assert!(judge(&[], 5_000, &[]).is_some_and(|why| why.contains("no operation")));
        assert!(judge(&check(5_000), 5_700, &[]).is_some(), "long after the check");
        assert_eq!(judge(&[operation("start_compute", -300)], -290, &[]), None, "what was settled before");
    }

    #[test]
    fn the_engines_own_connection_is_no_use() {
        assert_eq!(judge(&[operation("start_compute", 5_000)], 5_003, &[at(5_000)]), None);
        assert!(judge(&[operation("start_compute", 5_000)], 5_003, &[at(7_000)]).is_some());
    }

    #[test]
    fn a_list_that_does_not_reach_back_explains_nothing() {
        let operations: Vec<Operation> = (1..=10).map(|n| operation("check_availability", 10_000 - n)).collect();
        assert!(judge(&operations, 9_999, &[]).is_some_and(|why| why.contains("reach back")));
    }
}
