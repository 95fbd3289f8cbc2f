//! `flotilla demo`: the whole product on one machine and without an account. An emulated Neon with real databases behind it, a fleet with a history, and
//! simulated signups, so that the screens live. The server, the engine and the client are the real ones, and know nothing of this.

mod files;
mod fleet;
mod history;
mod links;
mod mishaps;
mod people;
pub mod plans;
mod traffic;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use neon_emulator::Emulator;
use secrecy::SecretString;

use crate::{
    auth::{
        Scope,
        token::{self, NewToken},
    },
    config::Config,
    output::remark,
    start::{self, Keys, OlderLedger, OpenLedger, Role},
    stop::Stop,
};
use fleet_types::Role as OperatorRole;
use ledger::{By, Ledger, LedgerError, NewOperator, TokenState};
use secrets::Secrets;

const OPERATOR: &str = "demo@flotilla.example";
/// Where the emulated Neon listens, if these are free on the first start.
const API_PORT: u16 = 8090;
const PROXY_PORT: u16 = 8091;

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Databases in the fleet; made on the first start
    #[arg(long, env = "FLOTILLA_DATABASES", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000), value_name = "N")]
    databases: u64,

    /// Simulated signups an hour, on average; 0 for none
    #[arg(long, env = "FLOTILLA_SIGNUPS_PER_HOUR", default_value_t = 180, value_parser = clap::value_parser!(u32).range(0..=36_000), value_name = "N")]
    signups_per_hour: u32,
}

/// What scripts and curious people need: written to `demo.env` and printed.
struct Access {
    url: String,
    token: String,
    neon_api: String,
    neon_key: String,
    database_url: String,
}

/// Runs until Ctrl-C.
///
/// # Errors
/// With a text that says what to do.
pub async fn run(config: Config, options: Options) -> Result<()> {
    remark(
        "Flotilla demonstration. Everything stays on this machine; Ctrl-C stops it, the next start has the same fleet.",
    )?;
    remark("  1/4 PostgreSQL …")?;
    let open = OpenLedger::open(&config, OlderLedger::Migrate).await?;
    let outcome = run_on(config, &options, &open).await;
    open.close().await?;
    outcome
}

async fn run_on(mut config: Config, options: &Options, open: &OpenLedger) -> Result<()> {
    let folder = config.data_dir.clone();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    remark("  2/4 an emulated Neon …")?;
    let neon_key = files::kept(&folder.join("neon-api.key"), || Ok(secrets::random_token("napi_")))?;
    let secret_key = match config.secret_key() {
        Some(key) => key.to_owned(),
        None => files::kept(&folder.join("secret.key"), || Ok(Secrets::generate_key()))?,
    };
    let emulator = start_emulator(open.url(), &neon_key, &folder).await?;
    let sealing = Secrets::from_keys(&secret_key, &config.previous_secret_keys())?;
    config.neon_api_url = emulator.api_url();
    config.neon_api_key = Some(SecretString::from(neon_key.clone()));
    config.neon_org_id = Some(neon_emulator::DEFAULT_ORG.to_owned());
    config.secret_key = Some(SecretString::from(secret_key));
    // No load balancer looks, and whoever presses Ctrl-C is in a hurry.
    (config.unready_seconds, config.drain_seconds) = (0, 0);
    let outcome = async {
        prepare_fleet(options, &emulator, &open.ledger, &sealing).await?;
        let access = Access {
            url: config.public_url(),
            token: api_token(&open.ledger, &folder).await?,
            neon_api: emulator.api_url(),
            neon_key,
            database_url: open.url().to_owned(),
        };
        ensure_operator(&open.ledger).await?;
        serve(config, options, &open.ledger, access).await
    }
    .await;
    emulator.shutdown().await?;
    outcome
}

async fn start_emulator(database_url: &str, key: &str, folder: &Path) -> Result<Emulator> {
    let mut settings = neon_emulator::Config::new(database_url, key);
    settings.api_listen.set_port(files::kept_port(&folder.join("neon-api.port"), API_PORT)?);
    settings.proxy_listen.set_port(files::kept_port(&folder.join("neon-proxy.port"), PROXY_PORT)?);
    Emulator::start(settings)
        .await
        .context("The emulated Neon did not start. Is another demonstration running in this folder?")
}

async fn prepare_fleet(options: &Options, emulator: &Emulator, ledger: &Ledger, secrets: &Secrets) -> Result<()> {
    plans::ensure(ledger).await?;
    for pool in &fleet::POOLS {
        ledger.ensure_pool(pool).await?;
    }
    let there_are = ledger.simulated().await?;
    if !ledger.is_empty().await? {
        remark(&format!(
            "  3/4 the fleet of the last start, with {there_are} simulated databases (another size: delete the data folder first)"
        ))?;
        return Ok(());
    }
    remark(&format!("  3/4 a fleet of {} simulated databases …", options.databases))?;
    let started = std::time::Instant::now();
    fleet::seed(options.databases, emulator, ledger, secrets, |made| {
        if made % 20_000 == 0 {
            let _ = remark(&format!("      {made} of {}", options.databases));
        }
    })
    .await?;
    history::seed(options.signups_per_hour, ledger).await?;
    mishaps::arrange(emulator, ledger).await?;
    Ok(remark(&format!("      made in {:.1} s", started.elapsed().as_secs_f64()))?)
}

/// The token of the last start if it still works, else a new one.
async fn api_token(ledger: &Ledger, folder: &Path) -> Result<String> {
    if let Some(token) = files::env_value(&folder.join(links::ENV_FILE), "FLOTILLA_API_TOKEN")
        && matches!(ledger.token_state(&secrets::hash_token(&token)).await?, TokenState::Live(_))
    {
        return Ok(token);
    }
    let name = format!("demo {}", chrono::Utc::now().format("%Y-%m-%d %H:%M:%S"));
    let scopes = [Scope::Claim, Scope::Read, Scope::Manage];
    token::create(ledger, &NewToken { client: Some(String::from("demo")), ..NewToken::new(&name, &scopes) }).await
}

async fn ensure_operator(ledger: &Ledger) -> Result<()> {
    let operator =
        NewOperator { email: OPERATOR, name: "Demo operator", role: OperatorRole::Admin, password_hash: None };
    match ledger.create_operator(&operator, &By::cli()).await {
        Ok(_) | Err(LedgerError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The real server and engine, with the simulation beside them.
async fn serve(config: Config, options: &Options, ledger: &Ledger, access: Access) -> Result<()> {
    engine::prepare_tls();
    let stop = Stop::default();
    let folder = config.data_dir.clone();
    let link = links::renew(&config, ledger, &access, &folder).await?;
    let beside = tokio::spawn({
        let (config, ledger, options, ending) = (config.clone(), ledger.clone(), options.clone(), stop.ending.clone());
        async move {
            if !traffic::answers(&access.url, &ending).await {
                return;
            }
            let _ = links::tell(&access, &link.url, &folder);
            let signups = traffic::keep_signing_up(&access, options.signups_per_hour, &ending);
            tokio::join!(signups, links::keep_fresh(&config, &ledger, &access, &folder, link, &ending));
        }
    });
    remark("  4/4 server and engine …")?;
    let keys = Keys::of(&config)?;
    let outcome = start::run_on(config, keys, ledger, Role { serves: true, runs_duties: true }, stop.clone()).await;
    stop.end();
    beside.abort();
    outcome
}
