//! What branches measure at present, looked up in the backing server and kept for the lists.

use crate::context::Context;
use crate::model::{Project, Refusal};
use crate::store::Place;

/// The project with the present size of its databases on the root branch.
pub async fn measured(context: &Context, project_id: &str) -> Result<Project, Refusal> {
    let root = context.store.project(project_id, context.clock.now()).await?;
    let largest_further_branch = root.largest_further_branch;
    Ok(Project { largest_further_branch, ..measured_now(context, root).await? })
}

/// The project seen from one of its branches, with the present size of its databases there.
pub async fn measured_in(context: &Context, project_id: &str, place: Place<'_>) -> Result<Project, Refusal> {
    let view = context.store.view(project_id, place, context.clock.now()).await?;
    measured_now(context, view).await
}

/// What is found is kept for the lists.
async fn measured_now(context: &Context, project: Project) -> Result<Project, Refusal> {
    if project.materialized_at.is_none() {
        return Ok(project);
    }
    let size = context.backing.size(&project).await?;
    let mut present = project.clone();
    present.measured(size.unwrap_or(project.empty_size), context.clock.now());
    if present.logical_size == project.logical_size {
        return Ok(project);
    }
    let change = |project: &mut Project, now| {
        project.measured(size.unwrap_or(project.empty_size), now);
        Ok(Vec::new())
    };
    let (project, _) = context.store.change_in(&project.id, Place::Branch(&project.branch_id), change).await?;
    Ok(project)
}
