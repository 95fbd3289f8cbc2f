//! An emulator that runs: its parts, started and stopped together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arrivals::Arrivals;
use crate::clock::{Clock, Instant};
use crate::config::Config;
use crate::connections::Connections;
use crate::context::Context;
use crate::faults::Faults;
use crate::fleet::{self, FleetSpec};
use crate::keys::{Holder, Keys};
use crate::limits::Limits;
use crate::listener::{Connection, KillableListener};
use crate::model::{ComputeState, Project, Quota, QuotaKind, Timing};
use crate::organizations::Organizations;
use crate::proxy;
use crate::regions;
use crate::route::BASE_PATH;
use crate::router::router;
use crate::seed::{self, SeedProject, SeededProject};
use crate::stats::{Recorder, Stats};
use crate::store::{Backing, StateLock, Store};
use crate::{sweep, transfers};

/// How long calls and sessions may take to end on their own.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1_500);

/// A running emulator. Dropping it stops it without waiting; `shutdown` waits.
#[derive(Debug)]
pub struct Emulator {
    pub(crate) context: Arc<Context>,
    api_addr: SocketAddr,
    proxy_addr: SocketAddr,
    /// Kills the connections of the API.
    kill: CancellationToken,
    tasks: TaskTracker,
    /// Keeps a second emulator away from the same state.
    _lock: StateLock,
}

/// A project as it is, whatever the API would say: an oracle for tests.
#[derive(Debug, Clone)]
pub struct ProjectTruth {
    pub id: String,
    pub org_id: String,
    pub name: String,
    pub endpoint_id: String,
    /// `init`, `active` or `idle`.
    pub state: &'static str,
    pub quota: Quota,
    /// Operations run.
    pub busy: bool,
    pub deleted: bool,
    /// Of the root branch, as last measured.
    pub logical_size_bytes: i64,
    /// Of data and history of all branches.
    pub synthetic_size_bytes: i64,
    pub suspend_timeout_seconds: i64,
    pub min_cu: f64,
    pub max_cu: f64,
    /// Why its compute may not run: the code of the quota that was exceeded.
    pub blocked_by: Option<&'static str>,
}

impl Emulator {
    /// Opens the state, binds both ports and serves. Returns once both can be used.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let api_listener = bind(config.api_listen, "the API").await?;
        let proxy_listener =
            if config.connections { Some(bind(config.proxy_listen, "the proxy").await?) } else { None };
        let api_addr = api_listener.local_addr()?;
        let proxy_addr = proxy_listener.as_ref().map_or(Ok(config.proxy_listen), TcpListener::local_addr)?;
        let (context, lock) = open(config, proxy_addr).await?;
        let context = Arc::new(context);
        let emulator = Self {
            context: context.clone(),
            api_addr,
            proxy_addr,
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _lock: lock,
        };
        emulator.spawn_api(api_listener);
        if let Some(listener) = proxy_listener {
            emulator.tasks.spawn(proxy::run(context.clone(), listener, emulator.context.stop.clone()));
        }
        emulator.tasks.spawn(sweep::run(context, emulator.context.stop.clone()));
        emulator.tasks.close();
        tracing::info!(api.url = %emulator.api_url(), proxy.addr = %emulator.proxy_addr(), "the emulator is ready");
        Ok(emulator)
    }

    fn spawn_api(&self, listener: TcpListener) {
        let app = router(self.context.clone()).into_make_service_with_connect_info::<Connection>();
        let listener = KillableListener::new(listener, self.kill.clone());
        let stop = self.context.stop.clone();
        self.tasks.spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await;
            if let Err(error) = served {
                tracing::error!(error = %error, "the API stopped");
            }
        });
    }

    /// Base URL for clients, as `http://127.0.0.1:PORT/api/v2`.
    pub fn api_url(&self) -> String {
        format!("http://{}{BASE_PATH}", reachable(self.api_addr))
    }

    pub fn proxy_addr(&self) -> SocketAddr {
        reachable(self.proxy_addr)
    }

    pub fn faults(&self) -> &Faults {
        &self.context.faults
    }

    /// The emulator's time, which can be put forward.
    pub fn clock(&self) -> &Clock {
        &self.context.clock
    }

    pub fn stats(&self) -> Stats {
        self.context.stats.read()
    }

    /// Begins the statistics anew.
    pub fn reset_stats(&self) {
        self.context.stats.reset();
    }

    /// Connections that are open through the proxy.
    pub fn open_connections(&self) -> usize {
        self.context.connections.count()
    }

    /// Inserts projects with a past; the answers are in the order of the seeds.
    pub async fn seed(&self, seeds: &[SeedProject]) -> anyhow::Result<Vec<SeededProject>> {
        Ok(seed::seed(&self.context, seeds).await?)
    }

    /// Seeds a whole fleet; 300,000 projects take less than a minute or two. Returns how many there are.
    pub async fn seed_fleet(&self, spec: &FleetSpec) -> anyhow::Result<u64> {
        Ok(fleet::seed(&self.context, spec).await?)
    }

    /// Every project that is not purged, in the order of their ids.
    pub async fn projects(&self) -> anyhow::Result<Vec<ProjectTruth>> {
        transfers::settle(&self.context).await?;
        let now = self.context.clock.now();
        let mut truths: Vec<ProjectTruth> = Vec::new();
        loop {
            let after = truths.last().map_or("", |last| &last.id);
            let projects = self.context.store.projects_after(after, now).await?;
            if projects.is_empty() {
                return Ok(truths);
            }
            truths.extend(projects.into_iter().map(|project| truth(project, now)));
        }
    }

    /// Stops within three seconds; what is still open then is cut.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        self.context.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.tasks.wait()).await.is_err() {
            self.kill.cancel();
            let _ = tokio::time::timeout(Duration::from_millis(300), self.tasks.wait()).await;
        }
        tokio::join!(self.context.store.close(), self.context.backing.close());
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.context.stop.cancel();
        self.kill.cancel();
        self.context.connections.cut_all();
    }
}

async fn open(config: Config, proxy_addr: SocketAddr) -> anyhow::Result<(Context, StateLock)> {
    if config.clock_rate != config.clock.rate() {
        config.clock.set_rate(config.clock_rate);
    }
    check(&config)?;
    let server: PgConnectOptions = config.database_url.parse().context("the database URL cannot be read")?;
    let server = server.application_name("neon-emulator");
    let timing = Timing {
        operation_scale: config.operation_time_scale,
        suspend_scale: config.suspend_time_scale,
        quota_lag: TimeDelta::from_std(config.quota_lag).context("the quota lag is too long")?,
    };
    let store = Store::open(&server, &config.state_database, timing, config.clock.clone()).await?;
    let lock = StateLock::take(&server, &config.state_database).await?;
    store.build_deferred_indexes().await?;
    store.release_all_held().await?;
    store.release_held_branches().await?;
    let organizations = Organizations::new(store.open_organizations(&config.organizations).await?);
    let keys = Keys::new(store.open_keys(&config.api_keys, config.first_org_id()).await?);
    let arrivals = Arrivals::new(store.next_arrival().await?);
    let backing = Backing::open(&server, &config.state_database).await?;
    let proxy_address = config.proxy_advertise.clone().unwrap_or_else(|| reachable(proxy_addr).to_string());
    let context = Context {
        timing,
        clock: config.clock.clone(),
        store,
        backing,
        connections: Connections::default(),
        faults: Faults::new(config.clock.clone()),
        stats: Recorder::default(),
        limits: Limits::new(&config),
        keys,
        organizations,
        arrivals,
        stop: CancellationToken::new(),
        proxy_address,
        config,
    };
    Ok((context, lock))
}

/// What cannot be right, with what to write instead.
fn check(config: &Config) -> anyhow::Result<()> {
    let regions = config.organizations.iter().flat_map(|organization| &organization.regions);
    if let Some(unknown) = regions.chain([&config.default_region]).find(|region| !regions::is_known(region)) {
        let known: Vec<&str> = regions::REGIONS.iter().map(|region| region.id).collect();
        bail!("there is no region {unknown}: choose one of {}", known.join(", "));
    }
    if config.organizations.is_empty() {
        bail!("there is no organisation: name one");
    }
    for (organization, place) in config.organizations.iter().zip(0..) {
        if let Some(fault) = organization.fault() {
            bail!("the organisation {:?} cannot be: {fault}", organization.id);
        }
        if config.organizations[..place].iter().any(|other| other.id == organization.id) {
            bail!("the organisation {} is there twice: keep one of them", organization.id);
        }
    }
    for key in &config.api_keys {
        if let Holder::Organization(org_id) = &key.holder
            && !config.organizations.iter().any(|organization| organization.id == *org_id)
        {
            bail!("a key belongs to the organisation {org_id}, which there is not: name it as an organisation too");
        }
    }
    Ok(())
}

async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{what} cannot listen on {address}: is the port taken?"))
}

/// An address that a client on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

fn truth(project: Project, now: Instant) -> ProjectTruth {
    ProjectTruth {
        state: ComputeState::name(project.compute_state),
        busy: project.is_busy(now),
        deleted: project.deleted_at.is_some(),
        blocked_by: project.blocked_by(now).map(QuotaKind::code),
        quota: project.quota.unwrap_or_default(),
        logical_size_bytes: project.logical_size,
        synthetic_size_bytes: project.synthetic_size(),
        suspend_timeout_seconds: project.endpoint_suspend_seconds,
        min_cu: project.endpoint_min_cu,
        max_cu: project.endpoint_max_cu,
        id: project.id,
        org_id: project.org_id,
        name: project.name,
        endpoint_id: project.endpoint_id,
    }
}
