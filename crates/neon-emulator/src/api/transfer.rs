//! `POST /organizations/{source_org_id}/projects/transfer`: an empty answer at once; each project arrives a moment later.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{organization_of, status};
use super::extract::Body;
use super::{ApiError, Context};
use crate::keys::{Caller, Holder};
use crate::model::{Batch, Obstacle, Refusal};
use crate::transfers;

const MOST: usize = 400;

#[derive(Debug, Deserialize)]
pub struct TransferRequest {
    destination_org_id: String,
    project_ids: Vec<String>,
}

pub async fn transfer(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(source_org_id): Path<String>,
    Body(mut request): Body<TransferRequest>,
) -> Result<Response, ApiError> {
    if caller.holder != Holder::Person {
        let status = status(context.config.unknowns.transfer_by_organization_status, StatusCode::NOT_FOUND);
        return Err(ApiError::new(status, "not allowed for organization API keys"));
    }
    if !(1..=MOST).contains(&request.project_ids.len()) {
        return Err(ApiError::bad_request(format!("project_ids must name 1 to {MOST} projects")));
    }
    let (source, destination) = (
        organization_of(&context, &caller, &source_org_id)?,
        organization_of(&context, &caller, &request.destination_org_id)?,
    );
    if source.id == destination.id {
        return Err(ApiError::bad_request("destination_org_id must name another organization"));
    }
    let mut known = std::collections::HashSet::new();
    request.project_ids.retain(|id| known.insert(id.clone()));
    let batch = Batch { source: &source, destination: &destination, ids: &request.project_ids };
    Ok(match transfers::begin(&context, &batch).await? {
        None => Json(json!({})).into_response(),
        Some(Obstacle::Missing) => return Err(Refusal::NotFound("project").into()),
        Some(Obstacle::OperationsRunning) => {
            return Err(Refusal::OperationsRunning.into());
        }
        // These two have neither code nor message.
        Some(Obstacle::Limits(limits)) => {
            (StatusCode::NOT_ACCEPTABLE, Json(json!({ "limits": limits }))).into_response()
        }
        Some(Obstacle::Integrations(found)) => {
            let projects: Vec<Value> =
                found.iter().map(|(id, integration)| json!({"id": id, "integration": integration})).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "projects": projects }))).into_response()
        }
    })
}
