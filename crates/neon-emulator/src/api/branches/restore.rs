//! `POST …/branches/{branch_id}/restore`: the branch gets the data of another one, as that is now. The emulator keeps
//! no history, so no earlier state can be restored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::Value;

use super::create::copied;
use super::{Ids, answer, not_emulated, of_branch};
use crate::api::extract::Body;
use crate::api::{ApiError, Context};
use crate::model::Refusal;
use crate::store::Place;
use crate::{apply, sizes};

#[derive(Debug, Deserialize)]
pub struct RestoreRequest {
    source_branch_id: String,
    source_lsn: Option<String>,
    source_timestamp: Option<String>,
    preserve_under_name: Option<String>,
}

pub async fn restore(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<Value>, ApiError> {
    let is_of_the_past = request.source_lsn.is_some() || request.source_timestamp.is_some();
    not_emulated(is_of_the_past || request.source_branch_id == branch_id, "history of branches")?;
    not_emulated(request.preserve_under_name.is_some(), "preserve_under_name")?;
    if !context.store.children(&branch_id).await?.is_empty() {
        return Err(Refusal::Unprocessable("Branch has children, preserve_under_name is required".into()).into());
    }
    let source = sizes::measured_in(&context, &project_id, Place::Branch(&request.source_branch_id)).await?;
    let mut target = of_branch(&context, &project_id, &branch_id).await?;
    target.must_be_unlocked(context.clock.now())?;
    if target.branch_protected {
        let refusal = Refusal::Protected("cannot restore a protected branch");
        return Err(ApiError::refused(refusal, &context.config.unknowns));
    }
    target.materialized_at = None;
    let objects = copied(&context, &source, &mut target).await?;
    let timing = context.timing;
    let (project, (), operations) = context
        .store
        .change_objects(&project_id, &branch_id, |project, present, now| {
            let operations = project.apply_objects(true, now, &timing)?;
            *present = objects;
            project.materialized_at = project.materialized_at.or(target.materialized_at);
            project.base_size = source.base_size;
            // Where nobody has connected to the source, nothing has been measured there.
            if source.materialized_at.is_some() {
                project.empty_size = source.empty_size;
            }
            project.logical_size = source.logical_size;
            project.updated_at = now;
            Ok(((), operations))
        })
        .await?;
    apply::when_due(&context, &project).await;
    Ok(answer(&context, &project, &operations))
}
