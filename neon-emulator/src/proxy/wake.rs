//! Makes an endpoint ready for a connection: active, held, with role and database behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::message::ErrorMessage;
use crate::api::Context;
use crate::model::{ComputeState, Project, Refusal};
use crate::quotas;
use crate::store::Which;

/// A client waits no longer for its endpoint.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The endpoint's project once it takes connections.
pub async fn make_ready(context: &Arc<Context>, project: &Project) -> Result<Project, ErrorMessage> {
    if project.endpoint_disabled {
        return Err(ErrorMessage::disabled());
    }
    let (woken, made) = tokio::join!(wake(context, &project.id), materialize(context, project));
    made?;
    let project = woken?;
    quotas::enforce_size_at_connect(context, &project).await.map_err(|error| {
        tracing::error!(error = %format!("{error:#}"), project.id = %project.id, "the size limit of a project could not be put in force");
        ErrorMessage::internal()
    })?;
    Ok(project)
}

async fn wake(context: &Context, project_id: &str) -> Result<Project, ErrorMessage> {
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let (project, _) = context
            .store
            .change(project_id, Which::Live, |project, now| {
                project.hold_for_connections();
                if project.compute_pending.is_some()
                    || project.compute_state == ComputeState::Active
                    || project.is_busy(now)
                {
                    return project.must_be_startable(now).map(|()| Vec::new());
                }
                let operations = project.wake(now, &context.timing)?;
                project.settle(now, &context.timing);
                Ok(operations)
            })
            .await?;
        if project.compute_state == ComputeState::Active && project.compute_pending.is_none() {
            return Ok(project);
        }
        if Instant::now() > deadline {
            tracing::error!(project.id = project_id, "an endpoint was not ready in time for a connection");
            return Err(ErrorMessage::internal());
        }
        let due = project.compute_pending_due.or(project.busy_until).unwrap_or_default();
        context.clock.sleep_until(due).await;
    }
}

/// Makes role and database on the first connection. What is begun is finished, even if the client goes: half of it
/// would leave a lock behind.
async fn materialize(context: &Arc<Context>, project: &Project) -> Result<(), ErrorMessage> {
    if project.materialized_at.is_some() {
        return Ok(());
    }
    let (context, project) = (context.clone(), project.clone());
    let made = tokio::spawn(async move { make(&context, &project).await }).await;
    made.unwrap_or_else(|_| Err(ErrorMessage::internal()))
}

async fn make(context: &Context, project: &Project) -> Result<(), ErrorMessage> {
    let size = context.backing.materialize(project).await.map_err(|error| {
        tracing::error!(error = %format!("{error:#}"), project.id = %project.id, "the database of a project could not be made");
        ErrorMessage::internal()
    })?;
    let note = |project: &mut Project, now| {
        if project.materialized_at.is_none() {
            project.materialized_at = Some(now);
            project.empty_size = size;
        }
        Ok(Vec::new())
    };
    context.store.change(&project.id, Which::Live, note).await?;
    Ok(())
}

/// After a connection has ended: counts what went to the client, and lets the suspend timeout run after the last one.
pub async fn let_go(context: &Context, project_id: &str, endpoint_id: &str, sent_bytes: i64) {
    let change = |project: &mut Project, now| {
        project.count_transfer(sent_bytes, now);
        // Asked under the lock of the row, so that a connection that comes meanwhile is not overlooked.
        if context.connections.count_of(endpoint_id) == 0 {
            project.release_connections(now, &context.timing);
        }
        Ok(Vec::new())
    };
    match context.store.change(project_id, Which::Live, change).await {
        Ok(_) | Err(Refusal::NotFound(_)) => {}
        Err(error) => {
            tracing::warn!(error = %error, project.id = project_id, "the end of a connection could not be recorded")
        }
    }
}
