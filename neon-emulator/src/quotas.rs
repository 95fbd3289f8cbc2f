//! Quotas where they meet real connections: sessions of suspended projects are cut, and the size quota is put in force
//! in the backing databases. That a project is suspended stands in its row already, without this.

use crate::api::{Context, measured};
use crate::model::{Project, Refusal};
use crate::store::{Consumers, Which};

/// Cuts the connections of projects that are suspended for a quota.
pub async fn cut_suspended(context: &Context) -> Result<(), Refusal> {
    let in_use = context.connections.projects_in_use();
    if in_use.is_empty() {
        return Ok(());
    }
    let most = i64::try_from(in_use.len()).unwrap_or(i64::MAX);
    let page = Consumers { limit: most, ids: Some(&in_use), cursor: None };
    for project in context.store.consumers(&page, context.clock.now()).await? {
        if project.quota_blocked_at.is_some() {
            tracing::info!(project.id = %project.id, "a quota was exceeded, and its connections are cut");
            context.cut_connections(&project).await;
        }
    }
    Ok(())
}

/// Measures the databases that may have crossed their size quota, either way, and enforces it.
pub async fn enforce_sizes(context: &Context) -> Result<(), Refusal> {
    let mut projects = context.connections.projects_in_use();
    projects.extend(context.store.projects_with_refused_writes().await?);
    for project_id in projects {
        // A project that was deleted meanwhile is no fault.
        if let Ok(project) = measured(context, &project_id).await {
            enforce_size(context, &project).await;
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
    let Ok(project) = measured(context, &project.id).await else { return Ok(()) };
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
    context.store.change(&project.id, Which::Live, note).await?;
    Ok(())
}
