//! Why a project that no row of the ledger knows may be somebody's, though nothing is in it.

use serde::{Deserialize, Serialize};

/// What speaks for it. Such a project never goes into the pool, and is never deleted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The name has an owner in it.
    Named,
    /// The name is none that this installation gives.
    Unsigned,
    /// It was made before this ledger was found to have forgotten things.
    Forgotten,
}

impl Doubt {
    /// For an operator.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Named => "Its name on Neon says that somebody holds it.",
            Self::Unsigned => {
                "Its name is none that this installation of Flotilla gives: somebody has renamed it, or another one may have handed it out."
            }
            Self::Forgotten => {
                "It was made before this ledger was found to be old: somebody may have been told its connection since, and has not used it yet. Compare with your platform's records."
            }
        }
    }
}
