//! Quotas where they meet real connections: sessions of suspended projects are cut, and the size quota is put in force
//! in the backing databases. That a project is suspended stands in its row already, without this.

use crate::context::Context;
use crate::model::{Project, Refusal};
use crate::sizes::measured_in;
use crate::store::{Consumers, Place};

/// Cuts the connections of projects that are suspended for a quota, to all of their branches.
pub async fn cut_suspended(context: &Context) -> Result<(), Refusal> {
    let in_use = context.connections.in_use();
    if in_use.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = in_use.iter().map(|(project_id, _)| project_id.clone()).collect();
    let most = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let page = Consumers { limit: most, ids: Some(&ids), ..Consumers::default() };
    for project in context.store.consumers(&page, context.clock.now()).await? {
        if project.quota_blocked_at.is_none() {
            continue;
        }
        tracing::info!(project.id = %project.id, "a quota was exceeded, and its connections are cut");
        for (_, endpoint_id) in in_use.iter().filter(|(id, _)| *id == project.id) {
            if let Ok(Some(view)) = context.store.view_of_endpoint(endpoint_id, context.clock.now()).await {
                context.cut_connections(&view).await;
            }
        }
    }
    Ok(())
}

/// Measures the branches that may have crossed their size quota, either way, and enforces it.
pub async fn enforce_sizes(context: &Context) -> Result<(), Refusal> {
    let in_use = context.connections.in_use();
    let refused = context.store.branches_with_refused_writes().await?;
    let places = in_use.iter().map(|(id, endpoint)| (id, Place::Endpoint(endpoint)));
    for (project_id, place) in places.chain(refused.iter().map(|(id, branch)| (id, Place::Branch(branch)))) {
        // What was deleted meanwhile is no fault.
        if let Ok(branch) = measured_in(context, project_id, place).await {
            enforce_size(context, &branch).await;
        }
    }
    Ok(())
}

/// Brings the backing databases in line with the size quota. A failure is tried again by the sweep.
pub async fn enforce_size(context: &Context, project: &Project) {
    let limit = exceeded_size(project);
    if project.materialized_at.is_none() || limit.is_some() == project.writes_refused {
        return;
    }
    if let Err(error) = put_in_force(context, project, limit).await {
        tracing::warn!(error = %format!("{error:#}"), project.id = %project.id, "a size limit could not be changed yet");
    }
}

/// Before a connection begins: even its first statement must meet the limit, and so must tables made without it.
pub async fn enforce_size_at_connect(context: &Context, project: &Project) -> anyhow::Result<()> {
    let has_limit = project.quota.is_some_and(|quota| quota.size_limit().is_some());
    if !has_limit && !project.writes_refused {
        return Ok(());
    }
    let place = Place::Branch(&project.branch_id);
    let Ok(project) = measured_in(context, &project.id, place).await else { return Ok(()) };
    let limit = exceeded_size(&project);
    if limit.is_some() || project.writes_refused {
        put_in_force(context, &project, limit).await?;
    }
    Ok(())
}

/// The size quota, if the branch has reached it.
fn exceeded_size(project: &Project) -> Option<i64> {
    project.quota.and_then(|quota| quota.size_limit()).filter(|limit| project.logical_size >= *limit)
}

async fn put_in_force(context: &Context, project: &Project, limit: Option<i64>) -> anyhow::Result<()> {
    match limit {
        Some(limit) => context.backing.refuse_writes(project, limit).await?,
        None => context.backing.allow_writes(project).await?,
    }
    let note = |project: &mut Project, _| {
        project.writes_refused = limit.is_some();
        Ok(Vec::new())
    };
    context.store.change_in(&project.id, Place::Branch(&project.branch_id), note).await?;
    Ok(())
}
