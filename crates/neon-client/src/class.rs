//! What a call to Neon is for. It decides who goes first when calls are short, and labels the counters.

use std::fmt;

/// From the most to the least urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody outside waits for a project that has yet to be made.
    WaitingClaim,
    /// A person who looks at a project waits.
    Support,
    /// Making projects ahead of demand.
    Refill,
    /// Bringing quota, compute settings and endpoints to what is wanted; deleting.
    Apply,
    /// Observing all projects.
    Sync,
    /// Comparing Neon's inventory with one's own books.
    Reconcile,
    /// Changes of many projects at once.
    Bulk,
}

impl Class {
    pub const ALL: [Self; 7] =
        [Self::WaitingClaim, Self::Support, Self::Refill, Self::Apply, Self::Sync, Self::Reconcile, Self::Bulk];

    /// Somebody is waiting: such a call goes before all others, and may take the reserve of the burst.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::WaitingClaim | Self::Support)
    }

    /// Its part when several classes wait at once, against the weights of those that wait too. A class without calls leaves
    /// its part to the others, so these numbers say who yields to whom and never leave a permit unused.
    pub fn weight(self) -> u32 {
        match self {
            // Among the urgent ones: a customer and a colleague at the phone are worth the same.
            Self::WaitingClaim | Self::Support => 50,
            // Running out is what customers would notice, so it comes first among what nobody waits for.
            Self::Refill => 40,
            // A quota that somebody has lowered, a suspension, a deletion: promised, and soon missed.
            Self::Apply => 30,
            // 750 pages of a fleet of 300,000 take 7½ minutes on this part alone: as fresh as the screens promise.
            Self::Sync => 15,
            // Finds what is wrong for days; an hour more does not matter.
            Self::Reconcile => 10,
            // Planned, with an end that the screen foretells.
            Self::Bulk => 5,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitingClaim => "waiting_claim",
            Self::Support => "support",
            Self::Refill => "refill",
            Self::Apply => "apply",
            Self::Sync => "sync",
            Self::Reconcile => "reconcile",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
