//! Claiming: the call of the signup service, and its result to poll.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    bearer::Token,
    extract::{Body, Id},
    problem::Problem,
    validate::Validation,
};
use crate::{
    server::{
        AppState,
        http::{limits::HoldsSecret, request_id::Arrived},
        ledger::{Claim, ClaimKind, ClaimStatus, LedgerError, NewClaim, NewOwner},
        secrets,
    },
    types::{Connection, DatabaseState, Owner},
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Seconds that a caller may wait in the call for a database out of an empty pool.
const LONGEST_WAIT_SECONDS: u8 = 30;

/// A database for an owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "owner": { "id": "user_8812", "email": "ada@example.com", "organisation": "Example Ltd", "plan": "free" } }))]
pub struct ClaimRequest {
    owner: ClaimOwner,
    /// The pool to take it from; the default pool if absent.
    #[schema(min_length = 1, max_length = 32)]
    pool: Option<String>,
    /// How long this call may wait if the pool is empty. Without it the answer comes at once, with the status `waiting`.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 30, default = 0)]
    wait_seconds: u8,
}

/// For whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimOwner {
    /// Your own id of this user: the same id gets the same database.
    #[schema(min_length = 1, max_length = 200)]
    id: String,
    #[schema(min_length = 3, max_length = 320)]
    email: String,
    #[schema(max_length = 200)]
    organisation: Option<String>,
    /// The name of a plan, which sets the quotas; the pool's own if absent.
    #[schema(min_length = 1, max_length = 32)]
    plan: Option<String>,
}

/// A claim, and what it was given.
#[derive(Serialize, ToSchema)]
pub struct ClaimAnswer {
    id: Uuid,
    status: ClaimStatus,
    kind: ClaimKind,
    requested_at: DateTime<Utc>,
    served_at: Option<DateTime<Utc>>,
    /// When the database was given up; its connection is no longer told.
    released_at: Option<DateTime<Utc>>,
    owner: Owner,
    #[schema(example = "main")]
    pool: String,
    /// Absent while the claim waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<ClaimedDatabase>,
    /// Absent while the claim waits and after the database was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
}

/// The database that was handed out.
#[derive(Serialize, ToSchema)]
pub struct ClaimedDatabase {
    id: Uuid,
    #[schema(example = "main")]
    pool: String,
    #[schema(example = "aws-eu-central-1")]
    region: String,
    state: DatabaseState,
    #[schema(example = "shiny-wind-028834")]
    neon_project_id: String,
}

/// Claim a database
///
/// Hands an available database to an owner. Safe to repeat, with or without an Idempotency-Key: an owner who holds a database
/// of this pool gets the same one again.
#[utoipa::path(
    post, path = "/api/v1/claims", operation_id = "createClaim", tag = "claims", security(("token" = ["claim"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the call safe to repeat beyond the owner: the same key always gets the same claim", min_length = 1, max_length = 255)),
    request_body = ClaimRequest,
    responses(
        (status = 201, description = "A database was handed out", body = ClaimAnswer, headers(("Location" = String, description = "The claim"))),
        (status = 200, description = "This owner or key already has one: the same answer again", body = ClaimAnswer, headers(("Location" = String, description = "The claim"))),
        (status = 202, description = "The pool is empty: the claim waits its turn. Poll it at Location", body = ClaimAnswer,
            headers(("Location" = String, description = "The claim"), ("Retry-After" = u32, description = "Seconds"))),
    )
)]
pub async fn create_claim(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Extension(Arrived(arrived)): Extension<Arrived>,
    headers: HeaderMap,
    Body(request): Body<ClaimRequest>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    check(&request)?;
    let wait = Duration::from_secs(request.wait_seconds.into());
    let has_key = key.is_some();
    let recorded = state.ledger.claim(&new_claim(request, key), &token.by()).await;
    state.metrics.claim_recorded(&recorded);
    let claim = recorded.map_err(|error| refused(error, has_key))?;
    if claim.is_new {
        state.engine.nudge_refill();
    }
    let is_new = claim.is_new;
    let claim = if claim.status == ClaimStatus::Waiting && !wait.is_zero() {
        state.engine.wait_for_claim(claim.id, Instant::now() + wait).await?
    } else {
        claim
    };
    tracing::debug!(claim.id = %claim.id, claim.status = ?claim.status, claim.is_new = is_new, "answered a claim");
    let is_warm = is_new && matches!(claim.kind, ClaimKind::Warm);
    let response = answer(&state, claim, is_new)?;
    if is_warm {
        let took = arrived.elapsed();
        state.timings.record(took);
        state.metrics.warm_claim_took(took);
    }
    Ok(response)
}

/// Read a claim
///
/// For a claim that waits: ask again until its status is `served`.
#[utoipa::path(
    get, path = "/api/v1/claims/{id}", operation_id = "readClaim", tag = "claims", security(("token" = ["claim"])),
    params(("id" = Uuid, Path, description = "The claim's id")),
    responses((status = 200, description = "The claim", body = ClaimAnswer))
)]
pub async fn read_claim(State(state): State<AppState>, Id(id): Id) -> Result<Response, Problem> {
    let claim = state.ledger.claim_by_id(id).await?;
    Ok(with_secret(StatusCode::OK, claim_answer(&state, claim)?))
}

fn check(request: &ClaimRequest) -> Result<(), Problem> {
    let ClaimRequest { owner, pool, wait_seconds } = request;
    let mut validation = Validation::default();
    validation.text("owner.id", &owner.id, 1..=200);
    validation.text("owner.email", &owner.email, 3..=320);
    if !owner.email.contains('@') {
        validation.wrong("owner.email", "Write an e-mail address.");
    }
    validation.optional_text("owner.organisation", owner.organisation.as_deref(), 0..=200);
    validation.optional_text("owner.plan", owner.plan.as_deref(), 1..=32);
    validation.optional_text("pool", pool.as_deref(), 1..=32);
    if *wait_seconds > LONGEST_WAIT_SECONDS {
        validation.wrong("wait_seconds", format!("Write 0 to {LONGEST_WAIT_SECONDS} seconds."));
    }
    validation.finish()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Problem::invalid("Idempotency-Key", "Write 1 to 255 printable ASCII characters."))
}

fn new_claim(request: ClaimRequest, idempotency_key: Option<String>) -> NewClaim {
    let ClaimOwner { id, email, organisation, plan } = request.owner;
    let organisation = organisation.filter(|organisation| !organisation.trim().is_empty());
    let parameters_hash =
        parameters_hash(&[Some(&id), Some(&email), organisation.as_ref(), plan.as_ref(), request.pool.as_ref()]);
    NewClaim { owner: NewOwner { id, email, organisation, plan }, pool: request.pool, idempotency_key, parameters_hash }
}

/// Of what was asked for, and not of how long the caller waits for it. JSON keeps the parameters apart.
fn parameters_hash(parameters: &[Option<&String>]) -> [u8; 32] {
    secrets::hash_token(&serde_json::json!(parameters).to_string())
}

/// A key that was used for something else is a wrong parameter of this request.
fn refused(error: LedgerError, has_key: bool) -> Problem {
    match error {
        LedgerError::Conflict(message) if has_key => Problem::invalid("Idempotency-Key", message),
        error => error.into(),
    }
}

fn answer(state: &AppState, claim: Claim, is_new: bool) -> Result<Response, Problem> {
    let (location, is_waiting) = (format!("/api/v1/claims/{}", claim.id), claim.status == ClaimStatus::Waiting);
    let status = match (is_waiting, is_new) {
        (true, _) => StatusCode::ACCEPTED,
        (false, true) => StatusCode::CREATED,
        (false, false) => StatusCode::OK,
    };
    let mut response = with_secret(status, claim_answer(state, claim)?);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if is_waiting {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

fn with_secret(status: StatusCode, answer: ClaimAnswer) -> Response {
    let mut response = (status, Json(answer)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(HoldsSecret);
    response
}

fn claim_answer(state: &AppState, claim: Claim) -> Result<ClaimAnswer, Problem> {
    let sealed = claim.database.as_ref().filter(|_| claim.released_at.is_none());
    let connection =
        sealed.map(|database| state.secrets.open(database.id, &database.sealed_credentials)).transpose()?;
    let pool = claim.pool;
    let database = claim.database.map(|database| ClaimedDatabase {
        id: database.id,
        pool: pool.clone(),
        region: database.region,
        state: database.state,
        neon_project_id: database.neon_project_id,
    });
    Ok(ClaimAnswer {
        id: claim.id,
        status: claim.status,
        kind: claim.kind,
        requested_at: claim.requested_at,
        served_at: claim.served_at,
        released_at: claim.released_at,
        owner: claim.owner,
        pool,
        database,
        connection,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: serde_json::Value) -> ClaimRequest {
        serde_json::from_value(json).expect("a request")
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let request = request(serde_json::json!({
            "owner": { "id": "", "email": "nobody", "organisation": "x".repeat(201), "plan": "a\nb" }, "pool": "", "wait_seconds": 31
        }));
        let problem = serde_json::to_value(check(&request).expect_err("all wrong")).expect("JSON");
        let fields: Vec<&str> =
            problem["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!(fields, ["owner.id", "owner.email", "owner.organisation", "owner.plan", "pool", "wait_seconds"]);
    }

    #[test]
    fn a_plain_request_is_enough() {
        assert!(check(&request(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" } }))).is_ok());
        let hostile = serde_json::json!({ "owner": { "id": "<script>'\"; DROP TABLE", "email": "ü@example.com" } });
        assert!(check(&request(hostile)).is_ok(), "odd names are names");
    }

    #[test]
    fn parameters_are_told_apart_and_waiting_is_none() {
        let hash = |json| new_claim(request(json), None).parameters_hash;
        let one = hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" } }));
        assert_eq!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" }, "wait_seconds": 5 })));
        assert_ne!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" }, "pool": "p" })));
        assert_ne!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b", "plan": "p" } })));
    }

    #[test]
    fn a_key_is_printable_and_short_enough() {
        let key = |text: &str| {
            idempotency_key(&HeaderMap::from_iter([(
                header::HeaderName::from_static(IDEMPOTENCY_KEY),
                HeaderValue::from_str(text).expect("a value"),
            )]))
        };
        assert_eq!(key("signup 4711").expect("a key").as_deref(), Some("signup 4711"));
        assert!(key(&"x".repeat(256)).is_err() && key("").is_err() && key("a\tb").is_err());
        assert!(idempotency_key(&HeaderMap::new()).expect("none").is_none());
    }
}
