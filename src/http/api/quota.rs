//! Changing the limits of one database.

use axum::{Extension, extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    bearer::Token,
    databases::{ChangeAnswer, changed},
    extract::{Body, Id, given, given_whole},
    problem::Problem,
    validate::Validation,
};
use crate::state::AppState;
use fleet_types::{LARGEST_LIMIT, QuotaChange};
use ledger::QuotaIntent;

/// New limits: a field that is absent stays as it is, `null` is unlimited.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "logical_size_bytes": 1_073_741_824, "active_time_seconds": null, "reason": "upgrade" }))]
pub struct QuotaRequest {
    /// Bytes that a branch may hold: the storage quota.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    logical_size_bytes: Option<Option<i64>>,
    /// Seconds of wall time that the compute may be active in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    active_time_seconds: Option<Option<i64>>,
    /// CU-seconds in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    compute_time_seconds: Option<Option<i64>>,
    /// Bytes written in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    written_data_bytes: Option<Option<i64>>,
    /// Bytes sent out in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    data_transfer_bytes: Option<Option<i64>>,
    /// Until when; then the plan's limits return by themselves. `null` is for good. With it a limit that you send as it is becomes an override too, if the plan says something else by now. Left out, a limit that changes does so for good, and one that you send as it
    /// is keeps the end that it has. In any case what differs from the plan is an override, which its changes leave alone.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    until: Option<Option<DateTime<Utc>>>,
    /// `quota_revision` of the database as you read it: if a limit that you change was changed since, the answer is 409 with who did it, when, and how; so it is for a revision that the quota never had.
    /// Without it the last one wins.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 0)]
    revision: Option<Option<i64>>,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

/// Limits of a plan: one that is absent stays as it is, `null` is unlimited.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// Bytes that a branch may hold: the storage quota.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    logical_size_bytes: Option<Option<i64>>,
    /// Seconds of wall time that the compute may be active in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    active_time_seconds: Option<Option<i64>>,
    /// CU-seconds in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    compute_time_seconds: Option<Option<i64>>,
    /// Bytes written in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    written_data_bytes: Option<Option<i64>>,
    /// Bytes sent out in a billing period.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    data_transfer_bytes: Option<Option<i64>>,
}

impl LimitsRequest {
    pub fn change(&self) -> QuotaChange {
        QuotaChange {
            logical_size_bytes: self.logical_size_bytes,
            active_time_seconds: self.active_time_seconds,
            compute_time_seconds: self.compute_time_seconds,
            written_data_bytes: self.written_data_bytes,
            data_transfer_bytes: self.data_transfer_bytes,
        }
    }
}

/// Change the quota of a database
#[utoipa::path(
    patch, path = "/api/v1/databases/{id}/quota", operation_id = "changeQuota", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = QuotaRequest,
    responses(
        (status = 200, description = "The new limits hold on Neon", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn change_quota(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    Body(request): Body<QuotaRequest>,
) -> Result<Response, Problem> {
    check(&request)?;
    let by = token.because(request.reason.as_deref())?;
    let intent = QuotaIntent { read_at: request.revision.flatten(), until: request.until, is_relief: false };
    state.ledger.change_quota(id, &request.change(), intent, &by).await?;
    let outcome = state.engine.apply_now(id).await;
    changed(&state, id, outcome).await
}

impl QuotaRequest {
    fn change(&self) -> QuotaChange {
        QuotaChange {
            logical_size_bytes: self.logical_size_bytes,
            active_time_seconds: self.active_time_seconds,
            compute_time_seconds: self.compute_time_seconds,
            written_data_bytes: self.written_data_bytes,
            data_transfer_bytes: self.data_transfer_bytes,
        }
    }
}

fn check(request: &QuotaRequest) -> Result<(), Problem> {
    let mut validation = Validation::default();
    for (field, limit) in request.change().limits() {
        if limit.flatten().is_some_and(|limit| !(1..=LARGEST_LIMIT).contains(&limit)) {
            validation.wrong(field, format!("Write 1 to {LARGEST_LIMIT}, or null for no limit."));
        }
    }
    if request.revision.flatten().is_some_and(|revision| revision < 0) {
        validation.wrong("revision", "Write the `quota_revision` of the database as you read it.");
    }
    validation.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: serde_json::Value) -> QuotaRequest {
        serde_json::from_value(json).expect("a request")
    }

    #[test]
    fn absent_stays_and_null_is_unlimited() {
        let change = request(serde_json::json!({ "logical_size_bytes": null, "compute_time_seconds": 7 })).change();
        assert_eq!((change.logical_size_bytes, change.compute_time_seconds), (Some(None), Some(Some(7))));
        assert_eq!(request(serde_json::json!({})).change(), QuotaChange::default());
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        for wrong in [0, -1, LARGEST_LIMIT + 1] {
            assert!(check(&request(serde_json::json!({ "written_data_bytes": wrong }))).is_err(), "{wrong}");
        }
        assert!(
            check(&request(serde_json::json!({ "written_data_bytes": LARGEST_LIMIT, "logical_size_bytes": null })))
                .is_ok()
        );
        assert!(
            serde_json::from_value::<QuotaRequest>(serde_json::json!({ "storage": 5 })).is_err(),
            "unknown fields are refused"
        );
    }
}
