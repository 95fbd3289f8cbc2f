//! Which events say what a database's quota shall be, and which of them are somebody's decision.

/// The events that change what is wanted of a database's quota. The id of the last one is the quota's revision.
pub(super) const QUOTA_EVENTS: [&str; 6] = [
    "database.quota",
    "database.claimed",
    "database.template",
    "database.given_back",
    "database.taken_back",
    "database.plan",
];
/// The events after which it is this ledger's own word what the quota shall be: what was forgotten lies before them. Somebody has decided about this one
/// database; that its plan was rolled out, or its override has expired, is nobody's decision.
pub(super) const QUOTA_DECISIONS: [&str; 7] = [
    "database.quota",
    "database.claimed",
    "database.template",
    "database.given_back",
    "database.taken_back",
    "database.quota_reapplied",
    "database.override_ended",
];
