//! What must always hold, and whether it does.

use serde::{Deserialize, Serialize};

use super::Time;

/// One look at all that must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    pub started_at: Time,
    pub finished_at: Time,
    /// An operator's e-mail, `command line`, or the duty.
    pub by: String,
    pub checks: Vec<Check>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Lower case with hyphens; stays the same from version to version.
    pub name: String,
    /// What must hold, in a sentence.
    pub statement: String,
    pub verdict: CheckVerdict,
    /// What breaks it, bounded.
    pub evidence: Vec<String>,
    /// What was looked at, or why it could not be.
    pub note: Option<String>,
    pub checked_at: Time,
    /// When it was first seen broken, and has not been seen whole since.
    pub violated_since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    Holds,
    /// It could not be checked.
    Unknown,
    Violated,
}

impl CheckVerdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Unknown => "unknown",
            Self::Violated => "violated",
        }
    }
}

impl Examination {
    /// The worst of its checks. One without checks has found out nothing.
    pub fn verdict(&self) -> CheckVerdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(CheckVerdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(verdicts: &[CheckVerdict]) -> CheckVerdict {
        let at = Time::UNIX_EPOCH;
        let check = |verdict: &CheckVerdict| Check {
            name: String::from("counts-agree"),
            statement: String::new(),
            verdict: *verdict,
            evidence: Vec::new(),
            note: None,
            checked_at: at,
            violated_since: None,
        };
        let checks = verdicts.iter().map(check).collect();
        Examination { started_at: at, finished_at: at, by: String::new(), checks }.verdict()
    }

    #[test]
    fn a_violation_outweighs_what_could_not_be_checked() {
        use CheckVerdict::{Holds, Unknown, Violated};
        assert_eq!(examined(&[Holds, Holds]), Holds);
        assert_eq!(examined(&[Holds, Unknown]), Unknown);
        assert_eq!(examined(&[Unknown, Violated, Holds]), Violated);
        assert_eq!(examined(&[]), Unknown);
    }
}
