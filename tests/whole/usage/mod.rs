//! Usage: what Neon's history tells arrives by day and by billing period, is asked for in tiers, and is written only where it changed.

mod days;
mod histories;
mod tiers;
mod totals;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use ledger::PeriodUsage;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::support::World;

/// Databases in the pool of which Neon knows nothing, and a connection to the ledger.
async fn stocked(count: usize) -> (World, PgConnection, Vec<Uuid>) {
    let world = World::with_pool(0).await;
    world.stock(count).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let rows =
        sqlx::query("SELECT id FROM databases ORDER BY available_order").fetch_all(&mut connection).await.unwrap();
    (world, connection, rows.into_iter().map(|row| row.get(0)).collect())
}

fn this_month() -> DateTime<Utc> {
    midnight(Utc::now().date_naive().with_day(1).unwrap())
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    DateTime::from_naive_utc_and_offset(day.and_time(NaiveTime::MIN), Utc)
}

fn told(id: Uuid, active: i64, transfer: Option<i64>, period_start: Option<DateTime<Utc>>) -> PeriodUsage {
    PeriodUsage {
        id,
        period_start,
        active_seconds: Some(active),
        compute_seconds: Some(active / 4),
        written_bytes: Some(active * 10),
        transfer_bytes: transfer,
    }
}

fn quiet(id: Uuid) -> PeriodUsage {
    told(id, 0, Some(0), None)
}
