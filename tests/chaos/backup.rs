//! Backups of a ledger as PostgreSQL makes them quickest: a copy of the database, while a Flotilla uses it.

use std::time::Duration;

use engine::EngineSettings;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{World, postgres_url};

/// Times so short that a minute is a second; all rules as in production.
pub fn quick() -> EngineSettings {
    EngineSettings {
        sweep_rest: Duration::from_millis(300),
        mark_every: Duration::from_secs(1),
        ..EngineSettings::default()
    }
}

/// A copy under this name. Whoever is connected loses the connection, and comes back.
pub async fn copy(world: &World, name: &str) -> String {
    let from = database_of(world);
    run(&[
        format!("ALTER DATABASE {from} ALLOW_CONNECTIONS false"),
        format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{from}'"),
        format!("CREATE DATABASE {name} TEMPLATE {from}"),
        format!("ALTER DATABASE {from} ALLOW_CONNECTIONS true"),
    ])
    .await;
    let mut url = reqwest::Url::parse(&world.database_url).unwrap();
    url.set_path(name);
    url.to_string()
}

/// Puts the copy in the ledger's place, whoever is connected.
pub async fn restore(world: &World, name: &str) {
    let to = database_of(world);
    run(&[format!("DROP DATABASE {to} WITH (FORCE)"), format!("CREATE DATABASE {to} TEMPLATE {name}")]).await;
}

fn database_of(world: &World) -> String {
    reqwest::Url::parse(&world.database_url).unwrap().path().trim_start_matches('/').to_owned()
}

async fn run(statements: &[String]) {
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    for statement in statements {
        // A connection that is just ending still counts.
        let mut tries = 0;
        while let Err(error) = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut admin).await {
            tries += 1;
            assert!(tries < 100, "{statement}: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
