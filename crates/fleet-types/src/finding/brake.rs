//! The brake: nothing is done about findings that are too many at once.

use serde::{Deserialize, Serialize};

use super::FindingKind;
use crate::Time;

/// Too much looked wrong at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brake {
    pub set_at: Time,
    pub due: i64,
    pub cap: i64,
    /// How many of each kind were due.
    pub kinds: Vec<(FindingKind, i64)>,
}

impl Brake {
    /// What happened, in one sentence.
    pub fn sentence(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
        format!(
            "{} findings were due at once ({}); at most {} are acted on in one pass.",
            self.due,
            kinds.join(", "),
            self.cap
        )
    }
}
