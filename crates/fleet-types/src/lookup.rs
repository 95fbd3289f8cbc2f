//! Answers of the look-up box.

use serde::{Deserialize, Serialize};

use super::DatabaseRow;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookupAnswer {
    /// What was searched for; nothing where the paste names no database. Never a secret.
    pub searched: Option<String>,
    /// Best first, at most [`LOOKUP_HITS`].
    pub hits: Vec<LookupHit>,
    /// More exist than are listed.
    pub more: bool,
}

/// Hits listed at most.
pub const LOOKUP_HITS: usize = 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookupHit {
    pub database: DatabaseRow,
    /// Which field matched, in words: `e-mail`, `owner id`, `organisation`, `project id`, `endpoint`, `database id`.
    pub field: String,
    /// Its value.
    pub value: String,
}
