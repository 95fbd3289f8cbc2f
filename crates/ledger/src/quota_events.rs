//! Which events say what a database's quota and compute shall be, and which of them are somebody's decision.

use sqlx::PgConnection;
use uuid::Uuid;

use super::LedgerError;

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

/// The same of the suspend timeout, as far as no plan says it.
pub(super) const TIMEOUT_DECISIONS: [&str; 3] = ["database.claimed", "database.template", "database.suspend_timeout"];
/// The same of the compute's size.
pub(super) const SIZE_DECISIONS: [&str; 2] = ["database.claimed", "database.template"];

/// Whoever changes one limit has all of them sent, and those that they do not mean may be newer on Neon than here.
pub(super) async fn refuse_forgotten(db: &mut PgConnection, id: Uuid) -> Result<(), LedgerError> {
    let has_forgotten = sqlx::query_scalar!(
        r#"SELECT state = 'claimed' AND may_have_forgotten_quota(id, $2) AS "has_forgotten!" FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
        id,
        &QUOTA_DECISIONS.map(String::from)[..]
    )
    .fetch_optional(db)
    .await?;
    match has_forgotten {
        Some(true) => Err(LedgerError::Conflict(String::from(
            "Nothing was saved: this ledger was found to be old, and the quota that the database has on Neon may be newer. It can be changed once Neon was seen to have the same (refresh the database, or wait for a sweep), `flotilla ledger repair --apply` has taken what Neon has, or somebody has decided on Problems, where it has drifted.",
        ))),
        _ => Ok(()),
    }
}
