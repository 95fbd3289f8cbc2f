//! The emulator as a program: a run from the start to a signal.

mod arguments;
mod secret;

pub use arguments::{Arguments, DEFAULT_KEY, LimitArguments, PostgresArguments, TimeArguments};

use std::io::{Write as _, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use embedded_postgres::{Postgres, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::{Emulator, Key, Switches};

/// Any database of the private PostgreSQL.
const DATABASE: &str = "postgres";
const CHECK_TIME: Duration = Duration::from_secs(4);

/// Runs until a signal.
///
/// # Errors
/// With a text that says what could not be started, and what to do.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.check {
        return check(arguments.listen).await;
    }
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let switches = arguments.faults.as_deref().map(read_faults).transpose()?;
    let api_keys = arguments.api_keys()?;
    let (url, postgres) = match arguments.database_url()? {
        Some(url) => (url, None),
        None => {
            let postgres = start_postgres(&arguments.postgres).await?;
            (postgres.url(DATABASE), Some(postgres))
        }
    };
    let outcome = async {
        let emulator = Emulator::start(arguments.config(url, api_keys.clone())).await?;
        if let Some(switches) = switches {
            emulator.faults().switch(switches);
        }
        greet(&emulator, &api_keys);
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("the emulator stops");
        emulator.shutdown().await
    }
    .await;
    if let Some(postgres) = postgres {
        spawn_blocking(|| postgres.stop()).await?.context("the private PostgreSQL could not be stopped")?;
    }
    outcome
}

async fn start_postgres(arguments: &PostgresArguments) -> anyhow::Result<Postgres> {
    let mut settings = Settings::new(&arguments.data_dir);
    settings.bin_dir = arguments.postgres_bin.clone().or(settings.bin_dir);
    // Tenants connect to it through the proxy.
    settings.max_connections = 600;
    spawn_blocking(move || Postgres::start(&settings))
        .await?
        .context("the private PostgreSQL did not start: install PostgreSQL, or name a running one with --database-url")
}

fn read_faults(path: &Path) -> anyhow::Result<Switches> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the faults in {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} holds no faults: write {{\"rules\": [...]}}, as the README shows", path.display()))
}

/// How to use it, for the person at the terminal.
fn greet(emulator: &Emulator, api_keys: &[Key]) {
    let (url, key) = (emulator.api_url(), api_keys.first().map_or(DEFAULT_KEY, |key| key.token.as_str()));
    // Keys of one's own are told to nobody.
    let key = if key == DEFAULT_KEY { key } else { "<your key>" };
    let _ = writeln!(
        stderr(),
        "\nA stand-in for Neon is ready. Ctrl-C stops it; the next start has the same projects.\n\n\
         \x20 curl -s {url}/projects -H 'Authorization: Bearer {key}' -d '{{\"project\":{{\"name\":\"first\"}}}}'\n"
    );
}

async fn check(listen: SocketAddr) -> anyhow::Result<()> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, listen.port())),
        _ => listen,
    };
    let answer = timeout(CHECK_TIME, ask(address)).await.unwrap_or_else(|_| bail!("no answer within {CHECK_TIME:?}"));
    match answer.with_context(|| format!("no emulator answers at {address}"))?.as_str() {
        "HTTP/1.1 200" => Ok(()),
        _ => bail!("the emulator at {address} is not well: its PostgreSQL does not answer"),
    }
}

/// The beginning of the answer.
async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /_emulator/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(String::from_utf8_lossy(&status).into_owned())
}
