//! Start and stop: the ledger's PostgreSQL, the ledger, the engine, the server, in this order and back.
//!
//! Every step back is bounded: Ctrl-C ends the process within five seconds, SIGTERM when what is under way has been answered (see [`Stop`]).

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use embedded_postgres::{Postgres, Settings};
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::{
    config::{Config, Misconfigured, QuotaDrift},
    http, keys,
    metrics::Metrics,
    state::AppState,
    stop::{GracePeriod, Stop},
};
use engine::{ClaimTimings, Engine, EngineSettings, Neon, NeonConfig, Parts};
use ledger::{Ledger, SchemaState};
use secrets::Secrets;
use uuid::Uuid;

const NO_ANSWER: &str = "The ledger's PostgreSQL does not answer. Check DATABASE_URL";
/// The database of the ledger in the private PostgreSQL.
const DATABASE: &str = "postgres";
/// How long the engine may take to put down what it holds; its leases run out by themselves.
const ENGINE_GRACE: Duration = Duration::from_millis(2_250);
/// How long the engine may take to say that nothing is handed out any more; the next start looks at the pool otherwise.
const SIGN_OFF_GRACE: Duration = Duration::from_millis(1_000);
/// How long PostgreSQL may take for an orderly stop; then it is stopped at once, and recovers at its next start.
const POSTGRES_GRACE: Duration = Duration::from_millis(1_500);

/// A ledger, and the PostgreSQL that was started for it, if any.
pub struct OpenLedger {
    pub ledger: Ledger,
    url: String,
    postgres: Option<Postgres>,
}

impl OpenLedger {
    /// Connects to the configured PostgreSQL, or starts the private one, and sees to the schema.
    ///
    /// # Errors
    /// With a text that says what to do.
    pub async fn open(config: &Config, older: OlderLedger) -> Result<Self> {
        let (url, postgres) = match config.database_url() {
            Some(url) => {
                refuse_transaction_pooling(url).await?;
                (url.to_owned(), None)
            }
            None => {
                let postgres = start_postgres(config).await?;
                (postgres.url(DATABASE), Some(postgres))
            }
        };
        let ledger = Ledger::connect(&url, config.database_connections).await.context(NO_ANSWER)?;
        let open = Self { ledger, url, postgres };
        match see_to_schema(&open.ledger, older).await {
            Ok(()) => Ok(open),
            Err(error) => {
                open.close().await?;
                Err(error)
            }
        }
    }

    /// Where the ledger is. Holds the password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes the connections, then stops the PostgreSQL that was started here.
    ///
    /// # Errors
    /// When PostgreSQL could not be stopped.
    pub async fn close(self) -> Result<()> {
        // Connections that are still in use end with their server.
        let _ = tokio::time::timeout(Duration::from_millis(250), self.ledger.close()).await;
        if let Some(postgres) = self.postgres {
            spawn_blocking(|| postgres.stop()).await?.context("The private PostgreSQL could not be stopped")?;
        }
        Ok(())
    }
}

/// What to do about a ledger that an older Flotilla has set up. An empty one is set up in any case, a newer one refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OlderLedger {
    /// Bring it up to date: for what runs the fleet.
    Migrate,
    /// Leave it alone: for what only looks at it, or changes a little.
    Refuse,
}

async fn see_to_schema(ledger: &Ledger, older: OlderLedger) -> Result<()> {
    match (ledger.schema_state().await?, older) {
        (SchemaState::Current, _) => Ok(()),
        (SchemaState::Newer { unknown }, _) => bail!(
            "The ledger was set up by a newer Flotilla: it has migration {unknown}, which this one does not know. Use the newer Flotilla; nothing was changed"
        ),
        (SchemaState::Older { missing }, OlderLedger::Refuse) => bail!(
            "The ledger was set up by an older Flotilla: it lacks {missing} of this one's migrations. Run `flotilla migrate` first; nothing was changed"
        ),
        _ => ledger.migrate().await.context("The ledger's schema could not be brought up to date"),
    }
}

async fn refuse_transaction_pooling(url: &str) -> Result<()> {
    if Ledger::is_pooled_by_transaction(url).await.context(NO_ANSWER)? {
        bail!(
            "DATABASE_URL leads to a connection pooler in transaction mode, where the ledger would lose its settings and locks. Set pool_mode = session for \
             this database, or name PostgreSQL itself"
        );
    }
    Ok(())
}

async fn start_postgres(config: &Config) -> Result<Postgres> {
    let settings = Settings {
        stop_timeout: POSTGRES_GRACE,
        bin_dir: config.postgres_bin(),
        ..Settings::new(config.data_dir.join("postgres"))
    };
    spawn_blocking(move || Postgres::start(&settings))
        .await?
        .context("The private PostgreSQL did not start. Install PostgreSQL, or name a running one in DATABASE_URL")
}

/// Which parts run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Answers HTTP.
    pub serves: bool,
    /// Runs the engine's duties. Actions that somebody waits for run wherever they are asked for.
    pub runs_duties: bool,
}

/// Runs until a signal, or until `stop`, and then stops in order.
///
/// # Errors
/// When something could not start.
pub async fn run(config: Config, role: Role, stop: Stop) -> Result<()> {
    // What is missing is told before anything is started for it.
    let keys = Keys::of(&config)?;
    let open = OpenLedger::open(&config, OlderLedger::Migrate).await?;
    let outcome = run_on(config, keys, &open.ledger, role, stop).await;
    open.close().await?;
    outcome
}

/// [`run`] on a ledger that is open already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(config: Config, keys: Keys, ledger: &Ledger, role: Role, stop: Stop) -> Result<()> {
    // Bound before the engine starts, so that a taken port costs nothing.
    let listener = if role.serves { Some(bind(&config).await?) } else { None };
    let for_metrics = bind_for_metrics(&config).await?;
    let state = assemble(config, keys, ledger, role, &stop).await?;
    stop.on_signal(grace(&state.config, role))?;
    let metrics = for_metrics.map(|listener| tokio::spawn(http::serve_metrics(state.clone(), listener)));
    let work = async {
        match listener {
            Some(listener) => {
                if let Some(lack) = state.config.site().lack() {
                    tracing::warn!("{lack}");
                }
                tracing::info!("Flotilla answers at {}", state.config.public_url());
                http::serve(state.clone(), listener).await;
            }
            None => {
                tracing::info!("the engine runs");
                stop.closing.cancelled().await;
            }
        }
        // Nothing is under way any more, so nobody is kept waiting.
        stop.end();
    };
    tokio::join!(work, end_engine(&state.engine, &stop));
    sign_off(&state.engine, &stop).await;
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    Ok(())
}

/// Only who serves has somebody to wait for.
fn grace(config: &Config, role: Role) -> GracePeriod {
    match role.serves {
        true => GracePeriod {
            unready: Duration::from_secs(config.unready_seconds),
            drain: Duration::from_secs(config.drain_seconds),
        },
        false => GracePeriod::default(),
    }
}

async fn end_engine(engine: &Engine, stop: &Stop) {
    stop.ending.cancelled().await;
    let ended = tokio::time::timeout(ENGINE_GRACE, engine.stop());
    if !matches!(stop.cut.run_until_cancelled(ended).await, Some(Ok(()))) {
        tracing::warn!(
            "the engine was stopped in the middle of something; its leases run out and the next run goes on"
        );
    }
}

/// When nobody can claim any more.
async fn sign_off(engine: &Engine, stop: &Stop) {
    let signed_off = tokio::time::timeout(SIGN_OFF_GRACE, engine.sign_off());
    if !matches!(stop.cut.run_until_cancelled(signed_off).await, Some(Ok(()))) {
        tracing::warn!(
            "could not write down in time that this process stops; the next start looks at the pool on Neon"
        );
    }
}

async fn bind(config: &Config) -> Result<TcpListener> {
    let address = config.listen_address();
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on. Is another Flotilla running? Choose another PORT"))
}

async fn bind_for_metrics(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.metrics_listen() else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("FLOTILLA_METRICS_LISTEN: {address} cannot be listened on. Write an address of this machine and a free port, as 127.0.0.1:9464")
    })?;
    Ok(Some(listener))
}

async fn assemble(config: Config, keys: Keys, ledger: &Ledger, role: Role, stop: &Stop) -> Result<AppState> {
    let Keys { secrets, neon } = keys;
    let replica = Uuid::now_v7();
    keys::register(&config, &secrets, ledger, replica).await?;
    let timings = Arc::new(ClaimTimings::default());
    let metrics = Arc::new(Metrics::new()?);
    let engine = Engine::start(Parts {
        ledger: ledger.clone(),
        neon,
        secrets: secrets.clone(),
        replica,
        timings: timings.clone(),
        outcomes: metrics.clone(),
        run_duties: role.runs_duties,
        settings: engine_settings(&config),
        shutdown: stop.ending.clone(),
    });
    let (config, ledger, stop) = (Arc::new(config), ledger.clone(), stop.clone());
    Ok(AppState { config, ledger, engine, secrets, timings, metrics, stop })
}

fn engine_settings(config: &Config) -> EngineSettings {
    let mut settings = EngineSettings::default();
    settings.findings.reapplies = config.quota_drift == QuotaDrift::Reapply;
    settings
}

/// What seals credentials, and what Neon is called with.
pub struct Keys {
    secrets: Arc<Secrets>,
    neon: Neon,
}

impl Keys {
    /// # Errors
    /// With a text that says which setting is missing or wrong.
    pub fn of(config: &Config) -> Result<Self> {
        Ok(Self { secrets: Arc::new(secrets(config)?), neon: neon_client(config)? })
    }
}

/// The keys with which credentials are sealed.
///
/// # Errors
/// With a text that says which setting is missing or wrong.
pub fn secrets(config: &Config) -> Result<Secrets> {
    let Some(key) = config.secret_key() else {
        bail!(Misconfigured(String::from(
            "FLOTILLA_SECRET_KEY is not set, nor FLOTILLA_SECRET_KEY_FILE. It seals the credentials of databases: make one with `flotilla key generate` and keep it safe; without it they cannot be opened again"
        )));
    };
    Secrets::from_keys(key, &config.previous_secret_keys())
        .context("FLOTILLA_SECRET_KEY or FLOTILLA_PREVIOUS_SECRET_KEYS cannot be used")
}

/// The way to the configured Neon. Only the engine calls it.
///
/// # Errors
/// With a text that says which setting is missing or wrong.
pub fn neon_client(config: &Config) -> Result<Neon> {
    Ok(Neon::new(neon_config(config)?)?)
}

fn neon_config(config: &Config) -> Result<NeonConfig> {
    let Some(api_key) = config.neon_api_key() else {
        bail!(Misconfigured(String::from(
            "NEON_API_KEY is not set, nor NEON_API_KEY_FILE. Make a key in Neon's console under the organisation's settings; or try Flotilla without an account: `flotilla demo`"
        )));
    };
    Ok(NeonConfig {
        org_id: config.neon_org_id().map(str::to_owned),
        calls_per_minute: config.neon_calls_per_minute,
        calls_per_second_per_route: config.neon_calls_per_second,
        consumption_calls_per_minute: config.neon_consumption_calls_per_minute,
        user_agent: String::from(concat!("flotilla/", env!("CARGO_PKG_VERSION"))),
        ..NeonConfig::new(&config.neon_api_url, api_key.clone())
    })
}
