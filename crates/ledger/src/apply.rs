//! Applying: desired state that Neon has not yet confirmed.

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    By, FoundOwner, Ledger, LedgerError, NewEvent,
    events::insert_event,
    quota_events::{QUOTA_DECISIONS, SIZE_DECISIONS, TIMEOUT_DECISIONS},
};
use fleet_types::{EndpointAction, Quota};

/// A row whose desired state is to be taken to Neon, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueChange {
    pub id: Uuid,
    pub lease: Uuid,
    pub pool_id: i32,
    pub project_id: String,
    pub endpoint_id: String,
    /// `None` where Neon's may be the newer one ([`Ledger::may_have_forgotten_quota`]): it is not sent, and a person decides.
    pub quota: Option<Quota>,
    /// Of the compute, at least and at most, in CU. `None` where Neon's may be the newer one, as with the quota.
    pub size: Option<(f64, f64)>,
    /// The same of the timeout.
    pub suspend_timeout_seconds: Option<i32>,
    /// How far back Neon shall be able to restore, if that differs from what it has confirmed.
    pub history_retention_seconds: Option<i32>,
    pub revision: i64,
    /// The project's settings (quota) differ from what Neon has confirmed.
    pub settings_differ: bool,
    /// So do the endpoint's compute settings.
    pub compute_differs: bool,
    pub endpoint_action: Option<EndpointAction>,
    pub reset: Option<DueReset>,
    pub attempts: i32,
    /// Of the request that asked for it last, as the event says.
    pub request_id: Option<String>,
    /// The name that the ledger gave the project, and whose it is if it is claimed.
    pub project_name: String,
    pub owner: Option<FoundOwner>,
}

/// A new password that is asked for.
#[derive(Clone, Debug)]
pub struct DueReset {
    pub branch_id: String,
    pub role: String,
    /// What is stored: if Neon was asked before, what Neon had until then.
    pub sealed: Vec<u8>,
    pub asked_before: bool,
}

impl Ledger {
    /// Leases rows that are due; none before it is certain that this ledger is the newest, and the only one: an older one would take changes back that were
    /// made after it, and a copy's are not the owner's.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_changes(&self, limit: i64, lease_seconds: f64) -> Result<Vec<DueChange>, LedgerError> {
        self.take_changes(None, limit, lease_seconds).await
    }

    /// Leases this row, due or not. `None` when nothing is desired of it, somebody else holds it, or that is not certain.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_change(&self, id: Uuid, lease_seconds: f64) -> Result<Option<DueChange>, LedgerError> {
        Ok(self.take_changes(Some(id), 1, lease_seconds).await?.pop())
    }

    async fn take_changes(
        &self,
        only: Option<Uuid>,
        limit: i64,
        lease_seconds: f64,
    ) -> Result<Vec<DueChange>, LedgerError> {
        let (lease, proof) = (Uuid::now_v7(), self.proof());
        let rows = sqlx::query!(
            r#"WITH due AS (
                 SELECT id FROM databases
                 WHERE may_change_neon($5, $6)
                   AND state IN ('available', 'claimed') AND origin <> 'copied' AND (wanted_revision <> applied_revision OR wanted_endpoint IS NOT NULL)
                   AND CASE WHEN $1::uuid IS NULL THEN next_attempt_at <= now() ELSE id = $1 END
                   AND (lease_until IS NULL OR lease_until < now())
                 ORDER BY next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE databases AS d SET lease_until = now() + make_interval(secs => $3), leased_by = $4 FROM due WHERE d.id = due.id
               RETURNING d.id, d.pool_id, d.neon_project_id AS "project_id!", d.neon_endpoint_id AS "endpoint_id!", d.quota_logical_size_bytes,
                         d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes, d.quota_transfer_bytes, d.min_cu, d.max_cu,
                         d.suspend_timeout_seconds, d.wanted_revision, d.wanted_revision <> d.applied_revision AS "settings_differ!",
                         d.state = 'claimed' AND may_have_forgotten_quota(d.id, $7) AS "has_forgotten!",
                         CASE WHEN d.retention_revision > d.applied_revision THEN d.history_retention_seconds END AS history_retention_seconds,
                         d.compute_revision > d.applied_revision AS "compute_differs!",
                         d.state = 'claimed' AND may_have_forgotten_compute(d.id, ARRAY['min_cu', 'max_cu'], $8) AS "has_forgotten_size!",
                         d.state = 'claimed' AND may_have_forgotten_compute(d.id, ARRAY['suspend_timeout_seconds'], $9) AS "has_forgotten_timeout!",
                         d.wanted_endpoint, d.attempts,
                         d.neon_branch_id, d.role_name, d.password_reset_asked_at IS NOT NULL AS "asked_before!",
                         CASE WHEN d.password_reset_wanted_at IS NOT NULL THEN d.sealed_credentials END AS sealed,
                         (SELECT request_id FROM events WHERE database_id = d.id AND (via <> 'engine' OR kind = 'database.claimed')
                            AND kind NOT IN ('database.revealed', 'database.credentials_disclosed', 'owner.changed') ORDER BY id DESC LIMIT 1) AS request_id,
                         d.neon_project_name AS project_name, CASE WHEN d.state = 'claimed' AND d.origin = 'pool' THEN d.owner_id END AS owner_id, d.plan,
                         (SELECT email FROM owners WHERE id = d.owner_id) AS email"#,
            only,
            limit,
            lease_seconds,
            lease,
            proof.replica,
            proof.nonce,
            &QUOTA_DECISIONS.map(String::from)[..],
            &SIZE_DECISIONS.map(String::from)[..],
            &TIMEOUT_DECISIONS.map(String::from)[..]
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| DueChange {
                id: row.id,
                lease,
                pool_id: row.pool_id,
                project_id: row.project_id,
                endpoint_id: row.endpoint_id,
                quota: (!row.has_forgotten).then_some(Quota {
                    logical_size_bytes: row.quota_logical_size_bytes,
                    active_time_seconds: row.quota_active_seconds,
                    compute_time_seconds: row.quota_compute_seconds,
                    written_data_bytes: row.quota_written_bytes,
                    data_transfer_bytes: row.quota_transfer_bytes,
                }),
                size: (!row.has_forgotten_size).then_some((row.min_cu, row.max_cu)),
                suspend_timeout_seconds: (!row.has_forgotten_timeout).then_some(row.suspend_timeout_seconds),
                history_retention_seconds: row.history_retention_seconds,
                revision: row.wanted_revision,
                settings_differ: row.settings_differ,
                compute_differs: row.compute_differs,
                endpoint_action: match row.wanted_endpoint.as_deref() {
                    Some("suspend") => Some(EndpointAction::Suspend),
                    Some("resume") => Some(EndpointAction::Resume),
                    _ => None,
                },
                reset: (|| {
                    let (branch_id, role, sealed) = (row.neon_branch_id?, row.role_name?, row.sealed?);
                    Some(DueReset { branch_id, role, sealed, asked_before: row.asked_before })
                })(),
                attempts: row.attempts,
                request_id: row.request_id,
                project_name: row.project_name,
                owner: (|| Some(FoundOwner { id: row.owner_id?, email: row.email?, plan: row.plan? }))(),
            })
            .collect())
    }

    /// Neon has confirmed everything in `row`. What was asked for meanwhile stays due. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_applied(&self, row: &DueChange, done: &Parts, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        if !record_parts(&mut tx, row, done).await? {
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE databases SET applied_revision = $2, applied_at = now(), lease_until = NULL, leased_by = NULL, attempts = 0, next_attempt_at = now(),
                    last_error = NULL, last_error_at = NULL WHERE id = $1",
            row.id,
            row.revision
        )
        .execute(&mut *tx)
        .await?;
        let mut after = done.in_words();
        if row.settings_differ {
            let told = match row.quota {
                Some(_) => "confirmed by Neon",
                None => "not sent: Neon's quota may be newer than this ledger",
            };
            after.insert(String::from("settings"), json!(told));
        }
        tell(&mut tx, row, after, by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Neon has not taken all of `row`. What it has is not told again with the rest, which stays due: each call may lock the project against the next, and a
    /// compute is stopped once. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_taken(&self, row: &DueChange, done: &Parts, by: &By) -> Result<bool, LedgerError> {
        if *done == Parts::default() {
            return Ok(true);
        }
        let mut tx = self.db.begin().await?;
        if !record_parts(&mut tx, row, done).await? {
            return Ok(false);
        }
        let after = done.in_words();
        if !after.is_empty() {
            tell(&mut tx, row, after, by).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// What Neon has taken of a change, but for the project's settings, which are told with every try.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    pub compute: bool,
    pub history: bool,
    pub endpoint_action: Option<EndpointAction>,
    /// Sealed, with the new password.
    pub credentials: Option<Vec<u8>>,
}

impl Parts {
    fn in_words(&self) -> serde_json::Map<String, Value> {
        let endpoint = self.endpoint_action.map(|action| match action {
            EndpointAction::Suspend => "suspended",
            EndpointAction::Resume => "started",
        });
        let password = self.credentials.as_ref().map(|_| "changed");
        let words = [("endpoint", endpoint), ("password", password)];
        words.into_iter().filter_map(|(name, text)| Some((String::from(name), json!(text?)))).collect()
    }
}

/// What is done is wanted no more, unless it was asked for anew meanwhile. `false` when the lease was lost.
async fn record_parts(db: &mut PgConnection, row: &DueChange, done: &Parts) -> Result<bool, sqlx::Error> {
    let state = done.endpoint_action.map(|action| match action {
        EndpointAction::Suspend => "idle",
        EndpointAction::Resume => "active",
    });
    let recorded = sqlx::query!(
        "UPDATE databases
         SET wanted_endpoint = CASE WHEN wanted_endpoint = $3 THEN NULL ELSE wanted_endpoint END,
             observed_endpoint_state = coalesce($4, observed_endpoint_state), observed_at = now(),
             sealed_credentials = coalesce($5, sealed_credentials),
             credentials_verified_at = CASE WHEN $5::bytea IS NULL THEN credentials_verified_at ELSE now() END,
             credentials_changed_at = CASE WHEN $5::bytea IS NULL THEN credentials_changed_at END,
             password_reset_wanted_at = CASE WHEN $5::bytea IS NULL THEN password_reset_wanted_at END,
             password_reset_asked_at = CASE WHEN $5::bytea IS NULL THEN password_reset_asked_at END,
             compute_revision = CASE WHEN $6 AND compute_revision <= $8 THEN least(compute_revision, applied_revision) ELSE compute_revision END,
             retention_revision = CASE WHEN $7 AND retention_revision <= $8 THEN least(retention_revision, applied_revision) ELSE retention_revision END
         WHERE id = $1 AND leased_by = $2",
        row.id,
        row.lease,
        done.endpoint_action.map(EndpointAction::as_str),
        state,
        done.credentials,
        done.compute,
        done.history,
        row.revision
    )
    .execute(db)
    .await?;
    Ok(recorded.rows_affected() == 1)
}

async fn tell(
    db: &mut PgConnection,
    row: &DueChange,
    after: serde_json::Map<String, Value>,
    by: &By,
) -> Result<(), sqlx::Error> {
    let event = NewEvent {
        kind: "database.applied",
        database_id: Some(row.id),
        pool_id: Some(row.pool_id),
        before: None,
        after: Some(after.into()),
    };
    insert_event(db, &event, by).await
}
