//! What everything works with that serves a call or a connection: the state, the backing server, the open connections, the
//! switches. It serves nothing itself.

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::arrivals::Arrivals;
use crate::clock::{Clock, Instant};
use crate::config::Config;
use crate::connections::Connections;
use crate::faults::Faults;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::model::{Organization, Project, Refusal, Timing};
use crate::organizations::Organizations;
use crate::regions;
use crate::stats::Recorder;
use crate::store::{Backing, Store, Which};

/// The parts of an emulator that runs.
#[derive(Debug)]
pub struct Context {
    pub config: Config,
    pub timing: Timing,
    pub clock: Clock,
    pub store: Store,
    pub backing: Backing,
    pub connections: Connections,
    pub faults: Faults,
    pub stats: Recorder,
    pub limits: Limits,
    pub keys: Keys,
    pub organizations: Organizations,
    pub arrivals: Arrivals,
    /// Cancelled when the emulator stops.
    pub stop: CancellationToken,
    /// `host:port` of the proxy in connection strings.
    pub proxy_address: String,
}

impl Context {
    /// What was deleted before is gone for good.
    pub fn recoverable_since(&self) -> Instant {
        let window = TimeDelta::from_std(self.config.recovery_window).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(window).unwrap_or(Instant::UNIX_EPOCH)
    }

    /// Ends the open connections of a project, as its compute stops. Who comes while they end may stay.
    pub async fn cut_connections(&self, project: &Project) {
        let began_before = self.backing.time().await;
        let cut = self.connections.begun_by_now(&project.endpoint_id);
        self.end_connections(project, cut, began_before).await;
    }

    /// Ends what `cut` cuts, and the sessions in the backing server that began before this time of its clock. That was
    /// taken before `cut`, as a connection that is not cut begins its session later.
    pub async fn end_connections(
        &self,
        project: &Project,
        cut: CancellationToken,
        began_before: sqlx::Result<Instant>,
    ) {
        if project.materialized_at.is_some() {
            let ended = match began_before {
                Ok(began_before) => self.backing.end_sessions(project, began_before).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(error = %error, project.id = %project.id, "sessions in the backing server could not be ended");
            }
        }
        cut.cancel();
    }

    /// Ends the computes and connections of all branches of a project that has been deleted.
    pub async fn let_branches_go(&self, project: &Project) -> Result<(), Refusal> {
        self.cut_connections(project).await;
        for branch in self.store.branches_of_deleted(&project.id).await? {
            self.cut_connections(&branch).await;
        }
        self.store.stop_branches(&project.id).await
    }

    /// Removes what there is of a branch in the backing server. A failure leaves it there, and is logged.
    pub async fn drop_databases(&self, project: &Project) {
        if let Err(error) = self.backing.drop_all(project).await {
            tracing::warn!(
                error = %format!("{error:#}"),
                project.id = %project.id,
                branch.id = %project.branch_id,
                "databases of a branch could not be removed"
            );
        }
    }

    /// A further branch is gone for good, with its databases.
    pub async fn remove_branch(&self, branch: &Project) -> anyhow::Result<()> {
        self.backing.drop_all(branch).await?;
        Ok(self.store.remove_branch(&branch.branch_id).await?)
    }

    /// Neon's own check of a compute, now. `false` when it runs, is locked or is stopped for its quota.
    pub async fn check_availability(&self, id: &str) -> Result<bool, Refusal> {
        let timing = self.timing;
        let check = |project: &mut Project, now| Ok(project.check_availability(now, &timing));
        let (_, operations) = self.store.change(id, Which::Live, check).await?;
        Ok(!operations.is_empty())
    }

    /// A new organisation, or another setting for a known one.
    pub async fn put_organization(&self, organization: &Organization) -> Result<Organization, Refusal> {
        if let Some(fault) = organization.fault() {
            return Err(Refusal::Invalid(fault.into()));
        }
        for region in &organization.regions {
            regions::must_be_known(region)?;
        }
        let put = self.store.put_organization(organization).await?;
        self.organizations.put(put.clone());
        Ok(put)
    }
}
