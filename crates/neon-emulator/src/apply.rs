//! What is changed about roles and databases reaches the backing server when the operations of the change end: until
//! then the old password opens the door, and a new database is not there. Whoever comes first brings it about, the
//! task that waits for it or a connection, so that it also happens after a restart.

use std::sync::Arc;

use crate::context::Context;
use crate::model::{Project, Refusal};
use crate::store::Place;

/// Applies what was changed on a branch at once if it is due, else when it is.
pub async fn when_due(context: &Arc<Context>, project: &Project) {
    let Some(due) = project.apply_due else { return };
    if due <= context.clock.now() {
        return apply(context, project).await;
    }
    let (context, project) = (context.clone(), project.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = context.stop.cancelled() => {}
            () = context.clock.sleep_until(due) => apply(&context, &project).await,
        }
    });
}

/// Brings the backing server in line with a branch, if that is due. A failure is logged, and tried again by the next
/// connection.
pub async fn apply(context: &Context, project: &Project) {
    match try_apply(context, &project.id, &project.branch_id).await {
        Ok(()) => {}
        // Deleted meanwhile.
        Err(error) if matches!(error.downcast_ref(), Some(Refusal::NotFound(_))) => {}
        Err(error) => tracing::error!(
            error = %format!("{error:#}"),
            project.id = %project.id,
            "roles and databases of a branch could not be brought in line"
        ),
    }
}

async fn try_apply(context: &Context, project_id: &str, branch_id: &str) -> anyhow::Result<()> {
    let place = Place::Branch(branch_id);
    let now = context.clock.now();
    let view = context.store.view(project_id, place, now).await?;
    if !view.is_apply_due(now) {
        return Ok(());
    }
    if view.apply_cuts {
        cut_earlier(context, &view).await?;
    }
    if view.materialized_at.is_some() {
        let objects = context.store.objects(&view).await?;
        context.backing.materialize(&view, &objects, now).await?;
    }
    let note = |project: &mut Project, _| {
        // A later change is due later.
        if project.apply_due == view.apply_due {
            project.apply_due = None;
            project.apply_cuts = false;
        }
        Ok(Vec::new())
    };
    context.store.change_in(project_id, place, note).await?;
    Ok(())
}

/// Ends the connections that have begun before a change took effect. Connections begin under the same lock, and none
/// that begins later is ended.
async fn cut_earlier(context: &Context, view: &Project) -> Result<(), Refusal> {
    let began_before = context.backing.time().await;
    let mut cut = None;
    let take = |project: &mut Project, now| {
        if project.is_cut_due(now) {
            project.apply_cuts = false;
            cut = Some(context.connections.begun_by_now(&project.endpoint_id));
        }
        Ok(Vec::new())
    };
    context.store.change_in(&view.id, Place::Branch(&view.branch_id), take).await?;
    if let Some(cut) = cut {
        context.end_connections(view, cut, began_before).await;
    }
    Ok(())
}
