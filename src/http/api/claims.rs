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
    extract::{Body, Id, Whole},
    problem::Problem,
    validate::Validation,
};
use crate::{
    http::{limits::HoldsSecret, request_id::Arrived},
    state::AppState,
};
use fleet_types::{Connection, DatabaseState, Owner, text};
use ledger::{Claim, ClaimKind, ClaimStatus, ConnectionOmitted, NewClaim, NewOwner};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Seconds that a caller may wait in the call for a database out of an empty pool.
const LONGEST_WAIT_SECONDS: i64 = 30;

/// A database for an owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "owner": { "id": "user_8812", "email": "ada@example.com", "organisation": "Example Ltd", "plan": "free" } }))]
pub struct ClaimRequest {
    owner: ClaimOwner,
    /// The pool to take it from; the default pool if absent.
    #[schema(min_length = 1, max_length = 32, pattern = "name")]
    pool: Option<String>,
    /// How long this call may wait if the pool is empty. Without it the answer comes at once, with the status `waiting`.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 30, default = 0)]
    wait_seconds: Option<Whole>,
    /// Whether an owner who is known already becomes what is written here. With another plan all their databases follow it,
    /// which needs the scope `manage` too.
    /// Without it they stay as they are, and `ignored` names what differs.
    #[schema(default = false)]
    update_owner: Option<bool>,
}

/// For whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimOwner {
    /// Your own id of this user: the same id gets the same database.
    #[schema(pattern = "id", example = "user_8812")]
    id: String,
    #[schema(min_length = 3, max_length = 320, pattern = "email", example = "ada@example.com")]
    email: String,
    #[schema(pattern = "line 200")]
    organisation: Option<String>,
    /// The name of a plan, which sets the quotas. Of a known owner their own plan counts; of a new one this, or the pool's if absent.
    #[schema(min_length = 1, max_length = 32, pattern = "name")]
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
    /// Told to the client that made the claim, for 24 hours after serving, while the database is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
    /// Why a claim that was served comes without `connection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_omitted: Option<ConnectionOmitted>,
    /// What the request says of the owner and is otherwise in the ledger, which stays as it is: `owner.email`, `owner.organisation`, `owner.plan`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<&'static str>,
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
/// of this pool gets the same one again. A claim belongs to the client of the token that made it: only repetitions by that client
/// come with the connection.
///
/// An owner who is known stays as they are, unless `update_owner` is true. A key whose claim has ended answers 409, with the `code`
/// `released` or `cancelled`; a new key makes a new claim.
#[utoipa::path(
    post, path = "/api/v1/claims", operation_id = "createClaim", tag = "claims", security(("token" = ["claim"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the call safe to repeat beyond the owner: the same key of the same client always gets the same claim", min_length = 1, max_length = 255, pattern = "printable")),
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
    let wait = wait(request.wait_seconds);
    let new = read(request, key)?;
    let claimant = token.claimant();
    let recorded = state.ledger.claim(&new, &claimant).await;
    state.metrics.claim_recorded(&recorded);
    let mut claim = recorded?;
    let is_new = claim.is_new;
    if is_new {
        state.engine.nudge_refill();
    }
    if claim.status == ClaimStatus::Waiting && !wait.is_zero() {
        state.engine.wait_for_claim(claim.id, Instant::now() + wait).await?;
        claim = state.ledger.claim_by_id(claim.id, &claimant).await?;
    }
    tracing::debug!(claim.id = %claim.id, claim.status = ?claim.status, claim.is_new = is_new, "answered a claim");
    if !is_new && let Some(database) = &claim.database {
        state.engine.check_credentials_soon(database.id);
    }
    let is_warm = is_new && matches!(claim.kind, ClaimKind::Warm);
    let ignored = ignored(&new, &claim.owner);
    let response = answer(&state, claim, is_new, ignored)?;
    if is_warm {
        let took = arrived.elapsed();
        state.timings.record(took);
        state.metrics.warm_claim_took(took);
    }
    Ok(response)
}

/// Read a claim
///
/// For a claim that waits: ask again until its status is `served`. The connection is told to the client that made the claim, and each
/// time it is told stands in the history of the database.
#[utoipa::path(
    get, path = "/api/v1/claims/{id}", operation_id = "readClaim", tag = "claims", security(("token" = ["claim"])),
    params(("id" = Uuid, Path, description = "The claim's id")),
    responses((status = 200, description = "The claim", body = ClaimAnswer))
)]
pub async fn read_claim(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let claim = state.ledger.claim_by_id(id, &token.claimant()).await?;
    Ok(with_secret(StatusCode::OK, claim_answer(&state, claim, Vec::new())?))
}

/// Cancel a claim
///
/// Ends a claim that waits, so that it is not served. Safe to repeat. A claim that has been served is not touched: release its database.
#[utoipa::path(
    delete, path = "/api/v1/claims/{id}", operation_id = "cancelClaim", tag = "claims", security(("token" = ["claim"])),
    params(("id" = Uuid, Path, description = "The claim's id")),
    responses((status = 200, description = "The claim is cancelled", body = ClaimAnswer))
)]
pub async fn cancel_claim(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let claim = state.ledger.cancel_claim(id, &token.claimant()).await?;
    Ok(with_secret(StatusCode::OK, claim_answer(&state, claim, Vec::new())?))
}

/// The request as it counts: trimmed, what is empty as absent.
fn read(request: ClaimRequest, idempotency_key: Option<String>) -> Result<NewClaim, Problem> {
    let ClaimRequest { owner, pool, wait_seconds, update_owner } = request;
    let mut validation = Validation::default();
    let id = validation.read("owner.id", text::id(&owner.id));
    let email = validation.read("owner.email", text::email(&owner.email));
    let organisation = validation
        .read("owner.organisation", text::group(&owner.organisation.unwrap_or_default(), text::ORGANISATION_LENGTH));
    let mut name = |field, name: Option<String>| name.map(|name| validation.read(field, text::label(&name, 1..=32)));
    let (plan, pool) = (name("owner.plan", owner.plan), name("pool", pool));
    if wait_seconds.is_some_and(|Whole(seconds)| !(0..=LONGEST_WAIT_SECONDS).contains(&seconds)) {
        validation.wrong("wait_seconds", format!("Write 0 to {LONGEST_WAIT_SECONDS} seconds."));
    }
    validation.finish()?;
    let organisation = Some(organisation).filter(|organisation| !organisation.is_empty());
    let update_owner = update_owner.unwrap_or_default();
    let parameters_hash = parameters_hash(&[
        Some(id.as_str()),
        Some(email.as_str()),
        organisation.as_deref(),
        plan.as_deref(),
        pool.as_deref(),
        update_owner.then_some("update_owner"),
    ]);
    let owner = NewOwner { id, email, organisation, plan };
    Ok(NewClaim { owner, pool, update_owner, idempotency_key, parameters_hash })
}

fn wait(seconds: Option<Whole>) -> Duration {
    Duration::from_secs(seconds.and_then(|Whole(seconds)| seconds.try_into().ok()).unwrap_or_default())
}

/// What was written of the owner, and is not so.
fn ignored(new: &NewClaim, owner: &Owner) -> Vec<&'static str> {
    let NewOwner { email, organisation, plan, .. } = &new.owner;
    let differs = [
        ("owner.email", *email != owner.email),
        ("owner.organisation", organisation.is_some() && *organisation != owner.organisation),
        ("owner.plan", plan.as_ref().is_some_and(|plan| *plan != owner.plan)),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
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

/// Of what was asked for, and not of how long the caller waits for it. JSON keeps the parameters apart.
fn parameters_hash(parameters: &[Option<&str>]) -> [u8; 32] {
    secrets::hash_token(&serde_json::json!(parameters).to_string())
}

fn answer(state: &AppState, claim: Claim, is_new: bool, ignored: Vec<&'static str>) -> Result<Response, Problem> {
    let location = format!("/api/v1/claims/{}", claim.id);
    let status = match (claim.status, is_new) {
        (ClaimStatus::Waiting, _) => StatusCode::ACCEPTED,
        (ClaimStatus::Served, true) => StatusCode::CREATED,
        // Cancelled is only one that somebody gave up while this call waited for it.
        (ClaimStatus::Served | ClaimStatus::Cancelled, _) => StatusCode::OK,
    };
    let mut response = with_secret(status, claim_answer(state, claim, ignored)?);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if status == StatusCode::ACCEPTED {
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

fn claim_answer(state: &AppState, claim: Claim, ignored: Vec<&'static str>) -> Result<ClaimAnswer, Problem> {
    let mut answer = ClaimAnswer {
        id: claim.id,
        status: claim.status,
        kind: claim.kind,
        requested_at: claim.requested_at,
        served_at: claim.served_at,
        released_at: claim.released_at,
        owner: claim.owner,
        pool: claim.pool,
        database: None,
        connection: None,
        connection_omitted: None,
        ignored,
    };
    if let Some(database) = claim.database {
        match &database.sealed_credentials {
            Ok(sealed) => answer.connection = Some(state.secrets.open(database.id, sealed)?),
            Err(why) => answer.connection_omitted = Some(*why),
        }
        answer.database = Some(ClaimedDatabase {
            id: database.id,
            pool: answer.pool.clone(),
            region: database.region,
            state: database.state,
            neon_project_id: database.neon_project_id,
        });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: serde_json::Value) -> ClaimRequest {
        serde_json::from_value(json).expect("a request")
    }

    fn read(json: serde_json::Value) -> Result<NewClaim, Problem> {
        super::read(request(json), None)
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let request = serde_json::json!({
            "owner": { "id": "", "email": "nobody", "organisation": "x".repeat(201), "plan": "a\nb" }, "pool": "", "wait_seconds": 31
        });
        let problem = serde_json::to_value(read(request).err().expect("all wrong")).expect("JSON");
        let fields: Vec<&str> =
            problem["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!(fields, ["owner.id", "owner.email", "owner.organisation", "owner.plan", "pool", "wait_seconds"]);
    }

    #[test]
    fn a_plain_request_is_enough_and_null_is_absent() {
        let plain = read(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" } })).expect("enough");
        let nulls = serde_json::json!({
            "owner": { "id": "u1", "email": "a@b", "organisation": null, "plan": null }, "pool": null, "wait_seconds": null, "update_owner": null
        });
        assert_eq!(read(nulls).expect("the same").parameters_hash, plain.parameters_hash);
        let hostile = serde_json::json!({ "owner": { "id": "<script>'\"; DROP TABLE", "email": "ü@example.com" } });
        assert!(read(hostile).is_ok(), "odd names are names");
    }

    #[test]
    fn ids_and_addresses_are_trimmed() {
        let new =
            read(serde_json::json!({ "owner": { "id": " u1\n", "email": " ada@example.com " } })).expect("readable");
        assert_eq!((new.owner.id.as_str(), new.owner.email.as_str()), ("u1", "ada@example.com"));
    }

    #[test]
    fn parameters_are_told_apart_and_waiting_is_none() {
        let hash = |json| read(json).expect("a claim").parameters_hash;
        let one = hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" } }));
        assert_eq!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" }, "wait_seconds": 5 })));
        assert_ne!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" }, "pool": "p" })));
        assert_ne!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b", "plan": "p" } })));
        assert_ne!(one, hash(serde_json::json!({ "owner": { "id": "u1", "email": "a@b" }, "update_owner": true })));
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
