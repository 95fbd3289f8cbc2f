//! `flotilla health`: how is the server beside it? For supervisors of containers, which find nothing else in the image to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::config::Config;

const TIME: Duration = Duration::from_secs(4);
/// Bytes of `HTTP/1.1 200`.
const STATUS_LINE: usize = 12;

#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// Ask whether it can do its work, as load balancers should, and not only whether it is alive
    #[arg(long)]
    ready: bool,
}

/// # Errors
/// When the answer is anything but “ok”, or there is none.
pub async fn run(config: &Config, options: Options) -> Result<()> {
    let path = if options.ready { "/readyz" } else { "/healthz" };
    let address = address(config);
    let status = timeout(TIME, status(&address, path)).await.unwrap_or_else(|_| bail!("no answer within {TIME:?}"));
    let status = status.with_context(|| {
        format!(
            "Nothing answers at {address}. Is `flotilla serve` running with the same settings? `flotilla engine` answers where FLOTILLA_METRICS_LISTEN says"
        )
    })?;
    match status.as_str() {
        "200" => Ok(()),
        "503" => bail!("The server at {address} is not ready: its ledger does not answer, or it is stopping"),
        other => bail!("{address} answers {path} with {other}: is it a Flotilla?"),
    }
}

/// Where health is told on this machine: there is one such address more if metrics have their own.
fn address(config: &Config) -> String {
    let Some(own) = config.metrics_listen() else { return reachable(config.listen_address()).to_string() };
    own.parse().map_or_else(|_| own.to_owned(), |address| reachable(address).to_string())
}

/// “All addresses” can be listened on, but not asked.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn status(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: flotilla-health\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; STATUS_LINE];
    stream.read_exact(&mut line).await?;
    let line = String::from_utf8_lossy(&line);
    Ok(line.strip_prefix("HTTP/1.1 ").context("the answer is not HTTP")?.to_owned())
}
