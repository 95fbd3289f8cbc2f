//! An emulator for one test, with a state of its own, and callers for it.

mod api;
mod contract;
mod wait;

pub use api::{Api, Created};
use contract::Contract;
pub use wait::eventually;

use std::time::Duration;

use chrono::{Datelike, TimeDelta};
use neon_emulator::{Config, DEFAULT_ORG, Emulator, Key};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Of the first organisation.
pub const KEY: &str = "napi_test";
/// Of the person, who is in every organisation.
pub const PERSONAL_KEY: &str = "napi_person";

pub struct TestEmulator {
    pub emulator: Emulator,
    pub api: Api,
    pub config: Config,
}

/// A superuser's URL of a PostgreSQL that tests may use.
pub fn database_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL must lead to a PostgreSQL as superuser; `make test` starts one and sets it")
}

/// What clients need before the first is made.
pub fn tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Operations end at once, no limits: for tests that are about something else.
pub fn config() -> Config {
    Config {
        state_database: format!("ne_{:016x}", rand::random::<u64>()),
        operation_time_scale: 0.0,
        rate_limits: false,
        api_keys: vec![Key::of_organization(KEY, DEFAULT_ORG), Key::personal(PERSONAL_KEY)],
        ..Config::new(database_url(), KEY)
    }
}

impl TestEmulator {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let emulator = Emulator::start(config.clone()).await.expect("the emulator starts");
        let api = Api::new(&emulator.api_url(), KEY);
        let test = Self { emulator, api, config };
        test.leave_the_end_of_the_month();
        test
    }

    /// A client with another key.
    pub fn with_key(&self, key: &str) -> Api {
        Api::new(&self.emulator.api_url(), key)
    }

    pub fn person(&self) -> Api {
        self.with_key(PERSONAL_KEY)
    }

    /// Usage begins anew with each month, which would surprise a test that counts it.
    fn leave_the_end_of_the_month(&self) {
        let now = self.emulator.clock().now();
        if (now + TimeDelta::hours(2)).month() != now.month() {
            self.advance(2 * 3_600);
        }
    }

    /// Puts the emulator's clock forward.
    pub fn advance(&self, seconds: u64) {
        self.emulator.clock().advance(Duration::from_secs(seconds));
    }

    /// The database with the emulator's state.
    pub fn state_url(&self) -> String {
        let mut url = reqwest::Url::parse(&database_url()).unwrap();
        url.set_path(&self.config.state_database);
        url.into()
    }

    /// Stops and starts again on the same state.
    pub async fn restart(self) -> Self {
        self.emulator.shutdown().await.unwrap();
        Self::with(self.config).await
    }

    /// Stops, and removes every trace from the server.
    pub async fn finish(self) {
        self.emulator.shutdown().await.unwrap();
        let mut server = PgConnection::connect(&database_url()).await.unwrap();
        let statements: Vec<String> = sqlx::query_scalar(
            "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '.')
             UNION ALL SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE starts_with(rolname, $1 || '.')",
        )
        .bind(&self.config.state_database)
        .fetch_all(&mut server)
        .await
        .unwrap();
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
        }
    }
}
