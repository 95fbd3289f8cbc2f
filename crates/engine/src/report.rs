//! What a run of a duty did.

use serde_json::{Value, json};

use ledger::{DutyOutcome, LedgerError};

#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was done, in the words of the duty: `("created", 3)`.
    pub done: Vec<(&'static str, u64)>,
    /// Left for a later run, because it was not possible yet.
    pub postponed: u64,
    /// Given up, or the run itself broke off.
    pub failed: u64,
    /// The last thing that went wrong.
    pub error: Option<String>,
    /// More is due at once: run again without waiting for the timer.
    pub more_is_due: bool,
}

impl Report {
    pub fn idle() -> Self {
        Self::default()
    }

    pub fn done(what: &'static str, count: u64) -> Self {
        Self { done: vec![(what, count)], ..Self::default() }
    }

    /// The ledger did not answer: the run broke off.
    pub fn ledger_failed(error: &LedgerError) -> Self {
        tracing::warn!(error = error as &dyn std::error::Error, "a duty broke off: the ledger did not do as asked");
        Self { failed: 1, error: Some(error.to_string()), ..Self::default() }
    }

    pub fn count(&mut self, what: &'static str) {
        match self.done.iter_mut().find(|(name, _)| *name == what) {
            Some((_, count)) => *count += 1,
            None => self.done.push((what, 1)),
        }
    }

    /// What another part of the same run did.
    pub fn add(&mut self, other: Self) {
        self.done.extend(other.done);
        self.postponed += other.postponed;
        self.failed += other.failed;
        self.error = self.error.take().or(other.error);
        self.more_is_due |= other.more_is_due;
    }

    pub fn outcome(&self) -> DutyOutcome {
        let did = self.done.iter().any(|(_, count)| *count > 0);
        match (did, self.postponed, self.failed) {
            (false, 0, 0) => DutyOutcome::Idle,
            (_, 0, 0) => DutyOutcome::Done,
            (false, _, 1..) => DutyOutcome::Failed,
            _ => DutyOutcome::Partial,
        }
    }

    /// One sentence: `created 3, postponed 1: the project is busy`.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> =
            self.done.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what} {count}")).collect();
        for (what, count) in [("postponed", self.postponed), ("failed", self.failed)] {
            if count > 0 {
                parts.push(format!("{what} {count}"));
            }
        }
        let text = if parts.is_empty() { String::from("nothing to do") } else { parts.join(", ") };
        match &self.error {
            Some(error) => format!("{text}: {error}"),
            None => text,
        }
    }

    /// With the id under which the run logged.
    pub(super) fn to_json(&self, run_id: &str) -> Value {
        let done: serde_json::Map<String, Value> =
            self.done.iter().map(|(what, count)| ((*what).to_owned(), json!(count))).collect();
        json!({ "run_id": run_id, "summary": self.summary(), "done": done, "postponed": self.postponed, "failed": self.failed, "error": self.error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_sentence() {
        let mut report = Report::idle();
        assert_eq!((report.outcome(), report.summary().as_str()), (DutyOutcome::Idle, "nothing to do"));
        report.count("created");
        report.count("created");
        assert_eq!((report.outcome(), report.summary().as_str()), (DutyOutcome::Done, "created 2"));
        report.postponed = 1;
        report.error = Some(String::from("busy"));
        assert_eq!(
            (report.outcome(), report.summary().as_str()),
            (DutyOutcome::Partial, "created 2, postponed 1: busy")
        );
    }

    #[test]
    fn a_run_that_only_failed_is_failed() {
        let report = Report { failed: 1, ..Report::idle() };
        assert_eq!(report.outcome(), DutyOutcome::Failed);
    }
}
