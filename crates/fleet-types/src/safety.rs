//! Safe mode: this ledger may not know who owns what.

use serde::{Deserialize, Serialize};

use super::Time;

/// What the signs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SafeModeReason {
    /// The ledger is older than what Neon shows, or a second one has begun to write.
    Older,
    /// A second ledger with this installation's id goes on writing.
    Second,
}

/// Since when, why, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SafeMode {
    pub since: Time,
    pub reason: SafeModeReason,
    /// What was seen.
    pub evidence: String,
    /// Databases that were made since are handed out.
    pub hands_out: bool,
    /// Databases that are kept until somebody decides.
    pub withheld: i64,
}

impl SafeMode {
    pub fn sentence(&self) -> &'static str {
        match self.reason {
            SafeModeReason::Older => {
                "Safe mode: this ledger is older than what Neon shows. It was restored from a backup, or a second ledger with its id is running."
            }
            SafeModeReason::Second => "Safe mode: a second ledger with the id of this installation is running.",
        }
    }

    /// What Flotilla does, and what an operator should do.
    pub fn doing(&self) -> String {
        let claims = if self.hands_out {
            "Claims are served from databases that were made since."
        } else {
            "Nothing is handed out until it is clear that no second ledger is running."
        };
        let then = match self.reason {
            SafeModeReason::Older => "Run `flotilla ledger repair`: it shows what can be rebuilt from Neon.",
            SafeModeReason::Second => {
                "Stop the copy; before it runs again, make it an installation of its own with `flotilla ledger new-identity`, on the copy, never here. Then run `flotilla ledger repair` here."
            }
        };
        format!("Nothing is deleted. {} databases are withheld. {claims} {then}", self.withheld)
    }
}
