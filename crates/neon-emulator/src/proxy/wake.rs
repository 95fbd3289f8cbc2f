//! Makes an endpoint ready for a connection: active, held, with role and database behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::message::ErrorMessage;
use crate::connections::OpenConnection;
use crate::context::Context;
use crate::model::{ComputeState, Operation, Project, Refusal, Timing};
use crate::store::Place;
use crate::{apply, clock, quotas};

/// A client waits no longer for its endpoint.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The endpoint's project once it takes connections.
pub async fn make_ready(
    context: &Arc<Context>,
    project: &Project,
    connection: &OpenConnection<'_>,
) -> Result<Project, ErrorMessage> {
    if project.endpoint_disabled {
        return Err(ErrorMessage::disabled());
    }
    let (woken, made) = tokio::join!(wake(context, project, connection), materialize(context, project));
    made?;
    let woken = woken?;
    if woken.is_apply_due(context.clock.now()) {
        apply::apply(context, &woken).await;
    }
    quotas::enforce_size_at_connect(context, &woken).await.map_err(|error| {
        tracing::error!(error = %format!("{error:#}"), project.id = %woken.id, "the size limit of a project could not be put in force");
        ErrorMessage::internal()
    })?;
    Ok(woken)
}

/// The connection begins under the lock of the project's row, so that it is clear what it comes before and after.
async fn wake(context: &Context, project: &Project, connection: &OpenConnection<'_>) -> Result<Project, ErrorMessage> {
    let (project_id, place) = (project.id.as_str(), Place::Endpoint(&project.endpoint_id));
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let mut is_ready = false;
        let (project, _) = context
            .store
            .change_in(project_id, place, |project, now| {
                let operations = wake_for_connection(project, now, &context.timing)?;
                is_ready = project.takes_connections(now);
                if is_ready {
                    connection.begin();
                }
                Ok(operations)
            })
            .await?;
        if is_ready {
            return Ok(project);
        }
        if Instant::now() > deadline {
            tracing::error!(project.id = project_id, "an endpoint was not ready in time for a connection");
            return Err(ErrorMessage::internal());
        }
        if project.is_cut_due(context.clock.now()) {
            apply::apply(context, &project).await;
        }
        let due = project.compute_pending_due.or(project.busy_until).unwrap_or_default();
        context.clock.sleep_until(due).await;
    }
}

/// Starts an idle compute, unless operations run: then it is their turn.
fn wake_for_connection(project: &mut Project, now: clock::Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
    project.hold_for_connections();
    if project.compute_pending.is_some() || project.compute_state == ComputeState::Active || project.is_busy(now) {
        return project.must_be_startable(now).map(|()| Vec::new());
    }
    let operations = project.wake(now, timing)?;
    project.settle(now, timing);
    Ok(operations)
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
    let began_at = context.clock.now();
    let objects = context.store.objects(project).await?;
    let made = async {
        context.backing.materialize(project, &objects, began_at).await?;
        anyhow::Ok(context.backing.empty_size(project).await?)
    };
    let empty_size = made.await.map_err(|error| {
        tracing::error!(error = %format!("{error:#}"), project.id = %project.id, "the database of a project could not be made");
        ErrorMessage::internal()
    })?;
    let note = |project: &mut Project, now| {
        if project.materialized_at.is_none() {
            project.materialized_at = Some(now);
            project.empty_size = empty_size;
        }
        // A change that took effect meanwhile found nothing to be applied to.
        if project.objects_apart && project.busy_until >= Some(began_at) {
            project.apply_due = project.apply_due.or(Some(now));
        }
        Ok(Vec::new())
    };
    let (made, _) = context.store.change_in(&project.id, Place::Branch(&project.branch_id), note).await?;
    if made.is_apply_due(context.clock.now()) {
        apply::apply(context, &made).await;
    }
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
    match context.store.change_in(project_id, Place::Endpoint(endpoint_id), change).await {
        Ok(_) | Err(Refusal::NotFound(_)) => {}
        Err(error) => {
            tracing::warn!(error = %error, project.id = project_id, "the end of a connection could not be recorded")
        }
    }
}
