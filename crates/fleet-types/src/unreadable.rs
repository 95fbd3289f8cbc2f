//! Records of Neon's that could not be read, as the screen *Engine* names them.

use serde::{Deserialize, Serialize};

use super::Time;

/// A record in an answer of Neon's that could not be read, or not wholly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnreadableRecord {
    /// The call whose answer held it.
    pub route: String,
    /// Its id, as far as that can be read.
    pub record: String,
    /// What is wrong with it.
    pub problem: String,
    /// How often it was met.
    pub times: i64,
    pub first_seen_at: Time,
    pub last_seen_at: Time,
}
