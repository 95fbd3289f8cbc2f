//! Start and stop: the ledger's PostgreSQL, the ledger, the engine, the server, in this order and back.
//!
//! Every step back is bounded, so that a signal ends the process within five seconds.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use embedded_postgres::{Postgres, Settings};
use tokio::{net::TcpListener, signal::unix, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{
    AppState,
    config::{Config, QuotaDrift},
    engine::{ClaimTimings, Engine, EngineSettings, Parts},
    http,
    ledger::{Ledger, SchemaState},
    metrics::Metrics,
    neon::{NeonClient, NeonConfig},
    secrets::Secrets,
    trace,
};

const NO_ANSWER: &str = "The ledger's PostgreSQL does not answer. Check DATABASE_URL";
/// The database of the ledger in the private PostgreSQL.
const DATABASE: &str = "postgres";
/// How long the engine may take to put down what it holds; its leases run out by themselves.
const ENGINE_GRACE: Duration = Duration::from_millis(3_250);
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
    let settings = Settings { stop_timeout: POSTGRES_GRACE, ..Settings::new(config.data_dir.join("postgres")) };
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

/// Runs until a signal, or until `shutdown`, and then stops in order.
///
/// # Errors
/// When something could not start.
pub async fn run(config: Config, role: Role, shutdown: CancellationToken) -> Result<()> {
    let open = OpenLedger::open(&config, OlderLedger::Migrate).await?;
    let outcome = run_on(config, &open.ledger, role, shutdown).await;
    open.close().await?;
    outcome
}

/// [`run`] on a ledger that is open already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(config: Config, ledger: &Ledger, role: Role, shutdown: CancellationToken) -> Result<()> {
    // Bound before the engine starts, so that a taken port costs nothing.
    let listener = if role.serves { Some(bind(&config).await?) } else { None };
    let for_metrics = bind_for_metrics(&config).await?;
    let state = assemble(config, ledger, role, &shutdown).await?;
    stop_on_signal(shutdown.clone())?;
    let metrics =
        for_metrics.map(|listener| tokio::spawn(http::serve_metrics(state.clone(), listener, shutdown.clone())));
    let work = async {
        match listener {
            Some(listener) => {
                if let Some(lack) = state.config.site().lack() {
                    tracing::warn!("{lack}");
                }
                tracing::info!("Flotilla answers at {}", state.config.public_url());
                http::serve(state.clone(), listener, shutdown.clone()).await;
            }
            None => {
                tracing::info!("the engine runs");
                shutdown.cancelled().await;
            }
        }
        shutdown.cancel();
    };
    let engine = async {
        shutdown.cancelled().await;
        if tokio::time::timeout(ENGINE_GRACE, state.engine.stop()).await.is_err() {
            tracing::warn!(
                "the engine was stopped in the middle of something; its leases run out and the next run goes on"
            );
        }
    };
    tokio::join!(work, engine);
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    Ok(())
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

async fn assemble(config: Config, ledger: &Ledger, role: Role, shutdown: &CancellationToken) -> Result<AppState> {
    let secrets = Arc::new(secrets(&config)?);
    let neon = neon_client(&config)?;
    let timings = Arc::new(ClaimTimings::default());
    let metrics = Arc::new(Metrics::new()?);
    let engine = Engine::start(Parts {
        ledger: ledger.clone(),
        neon,
        secrets: secrets.clone(),
        timings: timings.clone(),
        metrics: metrics.clone(),
        run_duties: role.runs_duties,
        settings: engine_settings(&config),
        shutdown: shutdown.clone(),
    });
    Ok(AppState { config: Arc::new(config), ledger: ledger.clone(), engine, secrets, timings, metrics })
}

fn engine_settings(config: &Config) -> EngineSettings {
    let mut settings = EngineSettings::default();
    settings.findings.reapplies = config.quota_drift == QuotaDrift::Reapply;
    settings
}

/// The keys with which credentials are sealed.
///
/// # Errors
/// With a text that says which setting is missing or wrong.
pub fn secrets(config: &Config) -> Result<Secrets> {
    let Some(key) = config.secret_key() else {
        bail!(
            "FLOTILLA_SECRET_KEY is not set. It seals the credentials of databases: make one with `openssl rand -hex 32` and keep it safe; without it they cannot be opened again"
        );
    };
    Secrets::from_keys(key, &config.previous_secret_keys())
        .context("FLOTILLA_SECRET_KEY or FLOTILLA_PREVIOUS_SECRET_KEYS cannot be used")
}

/// A client of the configured Neon. Only the engine calls it.
///
/// # Errors
/// With a text that says which setting is missing or wrong.
pub fn neon_client(config: &Config) -> Result<NeonClient> {
    Ok(NeonClient::new(neon_config(config)?)?)
}

fn neon_config(config: &Config) -> Result<NeonConfig> {
    let Some(api_key) = config.neon_api_key() else {
        bail!(
            "NEON_API_KEY is not set. Make a key in Neon's console under the organisation's settings; or try Flotilla without an account: `flotilla demo`"
        );
    };
    Ok(NeonConfig {
        org_id: config.neon_org_id().map(str::to_owned),
        calls_per_minute: config.neon_calls_per_minute,
        calls_per_second_per_route: config.neon_calls_per_second,
        consumption_calls_per_minute: config.neon_consumption_calls_per_minute,
        user_agent: String::from(concat!("flotilla/", env!("CARGO_PKG_VERSION"))),
        request_id: trace::current_or_fresh,
        ..NeonConfig::new(&config.neon_api_url, api_key.clone())
    })
}

fn stop_on_signal(shutdown: CancellationToken) -> Result<()> {
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = shutdown.cancelled() => return,
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}
