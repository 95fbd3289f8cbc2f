//! What scenarios do to the ledger behind Flotilla's back: let time pass, and look whether anything is stuck.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    scenario::within,
    support::{World, make_quick_role, postgres_url},
};

/// The role by which replicas connect, so that the connections of the dead can be told from ours.
pub const REPLICA_ROLE: &str = "replica";
/// Drops every database of the server that the worlds of a scenario have left: hundreds of histories would fill a disk. To be called when none is alive.
pub async fn clear_server() {
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    let left: Vec<String> =
        sqlx::query_scalar("SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
            .fetch_all(&mut admin)
            .await
            .unwrap();
    for statement in left {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
}

/// PostgreSQL's code for one of two statements that wait for each other.
const DEADLOCK: &str = "40P01";

/// Connections of our own to the ledger.
#[derive(Clone)]
pub struct Behind(PgPool);

/// Lets the back-off of every row pass at once, until it is dropped. Leases hold.
pub struct TimeLapse(JoinHandle<()>);

impl Drop for TimeLapse {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Behind {
    pub async fn of(world: &World) -> Self {
        let behind = Self(PgPoolOptions::new().max_connections(3).connect_lazy(&world.database_url).unwrap());
        behind.run(&make_quick_role(REPLICA_ROLE)).await;
        behind
    }

    /// The engine changes the same rows, in an order of its own: whom PostgreSQL lets go of a deadlock tries again.
    pub async fn run(&self, sql: &str) -> u64 {
        let mut tries = 0;
        loop {
            tries += 1;
            match sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.0).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DEADLOCK) && tries < 10 => {}
                done => return done.unwrap().rows_affected(),
            }
        }
    }

    pub async fn run_all(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.0).await.unwrap();
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.0).await.unwrap()
    }

    pub async fn ids(&self, sql: &str) -> Vec<Uuid> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&self.0).await.unwrap()
    }

    pub async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&self.0).await.unwrap()
    }

    /// As if the leases of replicas that are dead had run out. To be called when none is alive; what they have sent is carried out first.
    pub async fn leases_run_out(&self) {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'replica'";
        within(Duration::from_secs(120), "the connections of the dead are gone", || async {
            self.number(open).await == 0
        })
        .await;
        self.run("UPDATE databases SET lease_until = now() - interval '1 second' WHERE lease_until > now()").await;
        self.run("UPDATE duties SET lease_until = now() - interval '1 second' WHERE lease_until > now()").await;
        self.run("UPDATE findings SET lease_until = now() - interval '1 second' WHERE lease_until > now()").await;
    }

    /// Everything that waits for its next try is due.
    pub async fn back_off_passes(&self) {
        self.run("UPDATE databases SET next_attempt_at = now() WHERE next_attempt_at > now()").await;
        self.run("UPDATE pools SET breaker_until = now() WHERE breaker_until > now()").await;
    }

    pub fn time_lapse(&self) -> TimeLapse {
        self.time_lapse_and("SELECT")
    }

    /// And whatever else passes.
    pub fn time_lapse_and(&self, passes: &'static str) -> TimeLapse {
        let behind = self.clone();
        TimeLapse(tokio::spawn(async move {
            loop {
                behind.back_off_passes().await;
                behind.run(passes).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }))
    }

    /// What is not at rest: rows under way, changes not carried out, claims that wait, pools off their target; and safe mode, in which
    /// nothing comes to rest.
    pub async fn restless(&self) -> Vec<String> {
        self.texts(
            "SELECT format('%s %s, attempts %s: %s', id, state, attempts, last_error) FROM databases
             WHERE state IN ('requested', 'creating', 'verifying', 'releasing', 'failed') OR lease_until > now()
                OR (state IN ('available', 'claimed') AND (wanted_revision <> applied_revision OR wanted_endpoint IS NOT NULL))
             UNION ALL SELECT format('claim %s waits', id) FROM claims WHERE status = 'waiting'
             UNION ALL SELECT format('pool %s: %s of %s', name, available, target)
             FROM (SELECT *, (SELECT count(*) FROM databases WHERE pool_id = pools.id AND state = 'available') AS available FROM pools) AS pools
             WHERE available < target
             UNION ALL SELECT format('safe mode: %s', safe_mode_evidence) FROM installation WHERE safe_mode_since IS NOT NULL",
        )
        .await
    }
}
