//! What a call to Neon is for. It decides who waits when calls are short, and labels the counters.

/// From the most to the least urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A signup waits because the pool is empty.
    WaitingClaim,
    /// A person at the console waits.
    Support,
    /// Making the databases of the pool.
    Refill,
    /// Bringing quota, compute settings and endpoints to what the ledger wants; deleting what was released.
    Apply,
    /// Observing the fleet.
    Sync,
    /// Comparing Neon's inventory with the ledger.
    Reconcile,
    /// Changes of many databases at once.
    Bulk,
}

impl Class {
    /// Somebody is waiting: such a call goes before all others in the line for the budget. Among the rest the first
    /// come is the first served; there are no shares by class yet.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::WaitingClaim | Self::Support)
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
