//! How far a finding is, and how it ended.

use serde::{Deserialize, Serialize};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// Seen, not yet confirmed by a second complete sweep.
    Suspected,
    /// Confirmed; waits until it is due.
    Quarantined,
    /// Something is being done.
    Acting,
    /// Nothing is done without a person's decision.
    NeedsOperator,
    /// A person has decided that it may stay.
    Ignored,
    Resolved,
}

impl FindingStatus {
    pub const ALL: [Self; 6] =
        [Self::NeedsOperator, Self::Acting, Self::Quarantined, Self::Suspected, Self::Ignored, Self::Resolved];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Quarantined => "quarantined",
            Self::Acting => "acting",
            Self::NeedsOperator => "needs_operator",
            Self::Ignored => "ignored",
            Self::Resolved => "resolved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// For a badge.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeedsOperator => "needs you",
            other => other.as_str(),
        }
    }

    /// Somebody or something still has to do with it.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Ignored | Self::Resolved)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The project was deleted on Neon.
    Deleted,
    /// The row was retired; the pool has replaced it.
    Replaced,
    /// The ledger knows the project now.
    Adopted,
    /// The project was brought back on Neon.
    Recovered,
    /// Neon has the ledger's quota again.
    Reapplied,
    /// The ledger has taken over Neon's quota.
    Accepted,
    /// The owner has it again.
    TakenBack,
    /// It was not so any more.
    Gone,
}

impl Resolution {
    const ALL: [Self; 8] = [
        Self::Deleted,
        Self::Replaced,
        Self::Adopted,
        Self::Recovered,
        Self::Reapplied,
        Self::Accepted,
        Self::TakenBack,
        Self::Gone,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Adopted => "adopted",
            Self::Recovered => "recovered",
            Self::Reapplied => "reapplied",
            Self::Accepted => "accepted",
            Self::TakenBack => "taken_back",
            Self::Gone => "gone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == text)
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Self::Deleted => "The project was deleted on Neon.",
            Self::Replaced => "The database was retired, and the pool replaces it.",
            Self::Adopted => "The ledger knows the project now.",
            Self::Recovered => "The project was brought back on Neon.",
            Self::Reapplied => "Neon has the ledger's quota again.",
            Self::Accepted => "The ledger has taken over Neon's quota.",
            Self::TakenBack => "The owner has the database again.",
            Self::Gone => "It was not so any more when it was looked at again.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FindingKind;

    #[test]
    fn every_word_is_read_back() {
        assert!(FindingKind::ALL.into_iter().all(|kind| FindingKind::parse(kind.as_str()) == Some(kind)));
        assert!(FindingStatus::ALL.into_iter().all(|status| FindingStatus::parse(status.as_str()) == Some(status)));
        assert!(Resolution::ALL.into_iter().all(|how| Resolution::parse(how.as_str()) == Some(how)));
    }
}
