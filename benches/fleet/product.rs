//! The product as a child process: started, asked, watched, stopped.

use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::{
    Options,
    load::Caller,
    stage::{NEON_KEY, Stage},
};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(8);
const LOG: &str = "target/bench-flotilla.log";

pub struct Product {
    child: Child,
    pub caller: Caller,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub highest: u64,
}

impl Product {
    /// Starts `flotilla serve` on this stage and waits until it is ready. Its log goes to `target/bench-flotilla.log`.
    pub async fn start(options: &Options, stage: &Stage, arguments: &[&str]) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = File::options().create(true).append(true).open(LOG).with_context(|| LOG)?;
        let child = Command::new(&options.binary)
            .arg("serve")
            .args(arguments)
            .env("DATABASE_URL", &stage.url)
            .env("NEON_API_HOST", stage.emulator.api_url())
            .env("NEON_API_KEY", NEON_KEY)
            .env("FLOTILLA_SECRET_KEY", &stage.secret_key)
            .env("PORT", port.to_string())
            .env("RUST_LOG", "warn")
            .env_remove("FLOTILLA_METRICS_LISTEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", options.binary.display()))?;
        let caller = Caller::new(format!("http://127.0.0.1:{port}"), stage.token.clone())?;
        let mut product = Self { child, caller };
        product.until_ready().await?;
        Ok(product)
    }

    async fn until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                bail!("the product ended with {status}; see {LOG}");
            }
            if self.caller.get("/readyz").await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("the product was not ready within {} s; see {LOG}", START.as_secs())
    }

    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1_024)
        };
        Memory { resident: bytes("VmRSS:").unwrap_or(0), highest: bytes("VmHWM:").unwrap_or(0) }
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> Result<Option<f64>> {
        let text = self.caller.get("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()))
    }

    /// As a supervisor would: a signal, some seconds, and then the hard way.
    pub async fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let end = Instant::now() + STOP;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child.kill()?;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
