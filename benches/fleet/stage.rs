//! Where it takes place: two PostgreSQL servers, and for each chapter a ledger and an emulated Neon of its own.
//!
//! The ledger's server keeps its data safe, as in production, so that a commit costs a sync. The emulator's does not: its disk must not
//! slow down what is measured.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use embedded_postgres::{Postgres, Settings};
use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use ledger::{Ledger, NewPool};
use neon_emulator::Emulator;
use reqwest::Url;
use secrets::Secrets;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::report::progress;

const FOLDER: &str = "target/bench-postgres";
/// The ledger's server is set up as `docs/operations.md` advises for a fleet of this size.
const TUNING: [&str; 3] = ["shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=15min"];
pub const NEON_KEY: &str = "napi_bench";

pub struct Ground {
    ledgers: Postgres,
    neon: Postgres,
}

/// A ledger with an emulated Neon, both new.
pub struct Stage {
    pub url: String,
    pub ledger: Ledger,
    pub emulator: Emulator,
    pub secrets: Secrets,
    pub secret_key: String,
    /// With all scopes.
    pub token: String,
}

impl Ground {
    pub async fn prepare() -> Result<Self> {
        progress("two PostgreSQL servers");
        tokio::task::spawn_blocking(|| {
            let settings = Settings { tuning: TUNING.map(str::to_owned).to_vec(), ..Settings::new(FOLDER) };
            Postgres::erase(&settings)?;
            Ok(Self { ledgers: Postgres::start(&settings)?, neon: Postgres::temporary()? })
        })
        .await?
    }

    pub fn data_dir(&self) -> &Path {
        self.ledgers.data_dir()
    }

    pub async fn postgres_version(&self) -> Result<String> {
        let mut connection = PgConnection::connect(&self.ledgers.url("postgres")).await?;
        let version: String = sqlx::query_scalar(
            "SELECT format('%s, fsync %s, shared_buffers %s, max_wal_size %s', current_setting('server_version'), current_setting('fsync'),
               current_setting('shared_buffers'), current_setting('max_wal_size'))",
        )
        .fetch_one(&mut connection)
        .await?;
        Ok(version)
    }

    /// A new ledger of this name, with these pools, and an emulated Neon with Neon's own limits and times.
    pub async fn stage(&self, name: &str, pools: &[NewPool<'_>]) -> Result<Stage> {
        let database = format!("bench_{name}");
        let mut admin = PgConnection::connect(&self.ledgers.url("postgres")).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {database} TEMPLATE template0")))
            .execute(&mut admin)
            .await?;
        let url = self.ledgers.url(&database);
        let ledger = Ledger::connect(&url, 8).await?;
        ledger.migrate().await?;
        flotilla::demo::plans::ensure(&ledger).await?;
        for pool in pools {
            ledger.ensure_pool(pool).await?;
        }
        let mut settings = neon_emulator::Config::new(self.neon.url("postgres"), NEON_KEY);
        settings.state_database = format!("neon_{name}");
        let emulator = Emulator::start(settings).await?;
        let secret_key = Secrets::generate_key();
        let token =
            token::create(&ledger, &NewToken::new("bench", &[Scope::Claim, Scope::Read, Scope::Manage])).await?;
        let secrets = Secrets::from_keys(&secret_key, &[""; 0])?;
        Ok(Stage { url, ledger, emulator, secrets, secret_key, token })
    }

    /// Stops both servers and removes what they wrote.
    pub fn clear(self) -> Result<()> {
        self.neon.stop()?;
        self.ledgers.stop()?;
        Postgres::erase(&Settings::new(FOLDER)).context("the data of the bench could not be removed")?;
        Ok(())
    }
}

impl Stage {
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// What a ledger that has been running for a while looks like to the planner.
    pub async fn settle(&self) -> Result<()> {
        self.ledger.roll_up().await?;
        sqlx::query("VACUUM ANALYZE").execute(&mut self.connect().await?).await?;
        sqlx::query("CHECKPOINT").execute(&mut self.connect().await?).await?;
        // What the emulator's server has written would go to the disk while something is measured.
        tokio::task::spawn_blocking(|| Command::new("sync").status()).await?.context("`sync` could not be run")?;
        Ok(())
    }

    pub async fn pool_id(&self, name: &str) -> Result<i32> {
        let mut connection = self.connect().await?;
        Ok(sqlx::query_scalar("SELECT id FROM pools WHERE name = $1").bind(name).fetch_one(&mut connection).await?)
    }

    /// Where the ledger is, for programs that take it in parts.
    pub fn address(&self) -> Result<Url> {
        Ok(Url::parse(&self.url)?)
    }

    pub async fn end(self) -> Result<()> {
        self.ledger.close().await;
        self.emulator.shutdown().await
    }
}

/// A pool of Neon's defaults; the one named first in a stage is the default pool.
pub fn pool(name: &str, target: i32, is_default: bool) -> NewPool<'_> {
    NewPool { name, region_id: "aws-us-east-1", pg_version: 17, birth_plan: "free", target, is_default }
}
