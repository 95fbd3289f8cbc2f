//! What is wrong, in one word, and what it means.

use serde::{Deserialize, Serialize};

/// What is wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A living database whose project is not on Neon.
    Ghost,
    /// Deleted in the ledger, alive on Neon.
    Zombie,
    /// Named by us, and no row of the ledger knows it.
    Orphan,
    /// A second project with the name of one of our databases.
    Twin,
    /// On its way to the pool for too long, or failed with a project that its row does not know.
    HalfBorn,
    /// The quota on Neon is another than the one that Neon had confirmed.
    Drifted,
    /// A project that is not named by us.
    Stray,
}

impl FindingKind {
    /// Worst first.
    pub const ALL: [Self; 7] =
        [Self::Ghost, Self::Drifted, Self::Zombie, Self::Orphan, Self::Twin, Self::HalfBorn, Self::Stray];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Zombie => "zombie",
            Self::Orphan => "orphan",
            Self::Twin => "twin",
            Self::HalfBorn => "half-born",
            Self::Drifted => "drifted",
            Self::Stray => "stray",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// For the head of a group.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Ghost => "Ghosts",
            Self::Zombie => "Zombies",
            Self::Orphan => "Orphans",
            Self::Twin => "Twins",
            Self::HalfBorn => "Half-born",
            Self::Drifted => "Drifted",
            Self::Stray => "Strays",
        }
    }

    /// What is wrong.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ghost => "The ledger has the database, Neon does not have its project.",
            Self::Zombie => "The ledger says deleted, but the project still lives on Neon.",
            Self::Orphan => "The project has one of our names, but no row of the ledger knows it.",
            Self::Twin => "A second project has the name of one of our databases.",
            Self::HalfBorn => {
                "A database has been on its way to the pool for too long, or its project is not known to its row."
            }
            Self::Drifted => "The quota on Neon is not the one that the ledger wants and Neon had confirmed.",
            Self::Stray => "The project is not named by us. It is counted and never touched.",
        }
    }

    /// Whether acting on it deletes a project on Neon.
    pub fn ends_in_deletion(self) -> bool {
        matches!(self, Self::Orphan | Self::Twin | Self::Zombie)
    }
}
