//! What Neon itself, or somebody on its console, does meanwhile: changes behind the back of the API's clients, and the
//! truth about all projects. Nothing here passes limits, faults or statistics; the lock of running operations holds.

use anyhow::Context as _;

use crate::clock::Instant;
use crate::emulator::Emulator;
use crate::model::{Operation, Organization, Project, Quota, Refusal};
use crate::store::{ProjectRecord, Which};
use crate::transfers;

impl Emulator {
    /// Every project, those included that are deleted and can be recovered, oldest first. One statement, also for 300,000.
    pub async fn inventory(&self) -> anyhow::Result<Vec<ProjectRecord>> {
        transfers::settle(&self.context).await?;
        Ok(self.context.store.inventory(self.context.recoverable_since()).await?)
    }

    /// A new project of Neon's defaults in the first organisation and the default region. Returns its id.
    pub async fn create_project(&self, name: &str, quota: Option<Quota>) -> anyhow::Result<String> {
        let context = &self.context;
        let now = context.clock.now();
        let mut project = Project::virgin(context.config.first_org_id(), context.config.default_region.clone(), now);
        project.name = name.into();
        project.quota = quota.filter(|quota| !quota.is_empty());
        project.database_id = context.store.next_database_ids(1).await?.pop().unwrap_or_default();
        let operations = project.create(now, &context.timing);
        project.settle(now, &context.timing);
        let organization = Organization { projects_limit: None, ..self.organization(&project.org_id)? };
        context.store.insert(&project, &operations, &organization, false).await?;
        Ok(project.id)
    }

    /// Every organisation, in the order in which they are listed.
    pub fn organizations(&self) -> Vec<Organization> {
        self.context.organizations.all()
    }

    /// A new organisation, or another name, plan or limit for the one with this id.
    pub async fn put_organization(&self, organization: &Organization) -> anyhow::Result<()> {
        self.context.put_organization(organization).await?;
        Ok(())
    }

    /// Somebody moves a project to another organisation, at once and whatever its limits say. Keys of the project alone end.
    pub async fn move_project(&self, id: &str, org_id: &str) -> anyhow::Result<()> {
        self.context.store.move_at_once(id, &self.organization(org_id)?).await?;
        self.context.keys.remove_of_project(id);
        Ok(())
    }

    /// Connects a project to `github` or `vercel`, so that it cannot be transferred, or to nothing any more.
    pub async fn set_integration(&self, id: &str, integration: Option<&str>) -> anyhow::Result<()> {
        Ok(self.context.store.set_integration(id, integration).await?)
    }

    fn organization(&self, id: &str) -> anyhow::Result<Organization> {
        self.context.organizations.get(id).with_context(|| format!("there is no organisation {id}"))
    }

    /// Deletes a project; it stays recoverable. An error says that there is none, or that its operations run.
    pub async fn delete_project(&self, id: &str) -> anyhow::Result<()> {
        let timing = self.context.timing;
        let project = self.change_project(id, |project, now| project.delete(now, &timing)).await?;
        Ok(self.context.let_branches_go(&project).await?)
    }

    /// Another name for a project.
    pub async fn rename_project(&self, id: &str, name: &str) -> anyhow::Result<()> {
        let rename = |project: &mut Project, now| {
            project.must_be_unlocked(now)?;
            project.name = name.into();
            project.updated_at = now;
            Ok(())
        };
        self.change_project(id, rename).await.map(drop)
    }

    /// Another quota in place of the present one; none means unlimited.
    pub async fn change_quota(&self, id: &str, quota: Option<Quota>) -> anyhow::Result<()> {
        let change = |project: &mut Project, now| {
            project.must_be_unlocked(now)?;
            project.quota = quota.filter(|quota| !quota.is_empty());
            project.updated_at = now;
            Ok(())
        };
        self.change_project(id, change).await.map(drop)
    }

    /// Neon's own check of this project's compute, now. `false` when it runs, is locked or is stopped for its quota: then it is not checked.
    pub async fn check_availability(&self, id: &str) -> anyhow::Result<bool> {
        Ok(self.context.check_availability(id).await?)
    }

    async fn change_project<F>(&self, id: &str, change: F) -> anyhow::Result<Project>
    where
        F: FnOnce(&mut Project, Instant) -> Result<(), Refusal> + Send,
    {
        let change = |project: &mut Project, now| change(project, now).map(|()| Vec::<Operation>::new());
        let (project, _) = self.context.store.change(id, Which::Live, change).await?;
        Ok(project)
    }
}
