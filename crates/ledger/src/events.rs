//! History: one line per change, written in the transaction of the change.

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, Via};
use fleet_types::{Event, Time};

/// A change to be remembered.
pub struct NewEvent<'a> {
    /// Dotted, as `database.quota`.
    pub kind: &'a str,
    pub database_id: Option<Uuid>,
    pub pool_id: Option<i32>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Disclosures that a history looks at; those before are not shown.
const DISCLOSURES_READ: i64 = 1_000;

impl Ledger {
    /// The newest events of the fleet that people made or that changed a pool; the engine's own steps of each database are left out. Beside so many of
    /// them stand half as many lines of disclosures at most.
    pub(super) async fn last_events(&self, limit: i64) -> Result<Vec<Event>, LedgerError> {
        let events = sqlx::query_as!(
            EventRecord,
            r#"WITH changes AS (
                 SELECT id FROM events
                 WHERE (via <> 'engine' OR kind IN ('database.failed', 'pool.breaker', 'reconcile.brake', 'finding.delete'))
                   AND kind <> 'database.credentials_disclosed'
                 ORDER BY id DESC LIMIT $1),
               disclosures AS (
                 SELECT id FROM (SELECT id, kind FROM events ORDER BY id DESC LIMIT $2) AS newest WHERE kind = 'database.credentials_disclosed'),
               lines AS (
                 SELECT h.*, row_number() OVER (PARTITION BY is_disclosure ORDER BY id DESC) AS position
                 FROM history(array(SELECT id FROM changes) || array(SELECT id FROM disclosures)) AS h)
               SELECT l.id AS "id!", l.at AS "at!", l.first_at AS "first_at!", l.times AS "times!", l.kind AS "kind!", l.database_id, p.name AS "pool?",
                      l.actor AS "actor!", l.via AS "via!", l.reason, l.before, l.after, l.request_id
               FROM lines AS l LEFT JOIN pools AS p ON p.id = l.pool_id
               WHERE NOT l.is_disclosure OR l.position <= $1 / 2 ORDER BY l.id DESC"#,
            limit,
            DISCLOSURES_READ,
        )
        .fetch_all(&self.db)
        .await?;
        Ok(events.into_iter().map(Event::from).collect())
    }

    /// The newest events of a database, and the lines of disclosures among them: as many again at most.
    pub(super) async fn database_events(&self, id: Uuid, limit: i64) -> Result<Vec<Event>, LedgerError> {
        let events = sqlx::query_as!(
            EventRecord,
            r#"WITH changes AS (
                 SELECT id FROM events WHERE database_id = $1 AND kind <> 'database.credentials_disclosed' ORDER BY id DESC LIMIT $2),
               disclosures AS (
                 SELECT id FROM events WHERE database_id = $1 AND kind = 'database.credentials_disclosed'
                   AND id > (SELECT CASE WHEN count(*) < $2 THEN 0 ELSE min(id) END FROM changes)
                 ORDER BY id DESC LIMIT $3),
               lines AS (
                 SELECT h.*, row_number() OVER (PARTITION BY is_disclosure ORDER BY id DESC) AS position
                 FROM history(array(SELECT id FROM changes) || array(SELECT id FROM disclosures)) AS h)
               SELECT l.id AS "id!", l.at AS "at!", l.first_at AS "first_at!", l.times AS "times!", l.kind AS "kind!", l.database_id, p.name AS "pool?",
                      l.actor AS "actor!", l.via AS "via!", l.reason, l.before, l.after, l.request_id
               FROM lines AS l LEFT JOIN pools AS p ON p.id = l.pool_id
               WHERE NOT l.is_disclosure OR l.position <= $2 ORDER BY l.id DESC"#,
            id,
            limit,
            DISCLOSURES_READ,
        )
        .fetch_all(&self.db)
        .await?;
        Ok(events.into_iter().map(Event::from).collect())
    }

    /// What was done to the pool itself, newest first.
    pub(super) async fn pool_events(&self, pool_id: i32, limit: i64) -> Result<Vec<Event>, LedgerError> {
        let events = sqlx::query_as!(
            EventRecord,
            r#"SELECT e.id, e.at, e.at AS first_at, 1::bigint AS "times!", e.kind, e.database_id, p.name AS "pool?", e.actor, e.via, e.reason, e.before,
                      e.after, e.request_id
               FROM events AS e LEFT JOIN pools AS p ON p.id = e.pool_id
               WHERE e.pool_id = $1 AND e.database_id IS NULL ORDER BY e.id DESC LIMIT $2"#,
            pool_id,
            limit
        )
        .fetch_all(&self.db)
        .await?;
        Ok(events.into_iter().map(Event::from).collect())
    }
}

/// Why a change of a pool is refused that was decided on before somebody else's: who made the last change of this kind, when, and what it was.
pub(super) async fn changed_meanwhile(
    db: impl PgExecutor<'_>,
    pool_id: i32,
    kind: &str,
    what: &str,
) -> Result<LedgerError, sqlx::Error> {
    let last = sqlx::query!(
        "SELECT at, actor, via, before, after FROM events WHERE pool_id = $1 AND database_id IS NULL AND kind = $2 ORDER BY id DESC LIMIT 1",
        pool_id,
        kind
    )
    .fetch_optional(db)
    .await?;
    let who = last.map_or_else(String::new, |last| {
        let at = last.at.format("%Y-%m-%d %H:%M:%S UTC");
        format!(" by {} ({}) at {at}: {}", last.actor, last.via, differences(last.before.as_ref(), last.after.as_ref()))
    });
    Ok(LedgerError::Conflict(format!(
        "{what} was changed{who}, after you read it. Nothing was saved. Look at it as it is now, then save again."
    )))
}

/// `floor 2 → 4, ceiling 10 → 20`.
fn differences(before: Option<&Value>, after: Option<&Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let changes: Vec<String> = after
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, new)| {
            let (name, old) = (name.replace('_', " "), before.and_then(|before| before.get(name)));
            match old {
                Some(old) if old == new => None,
                Some(old) => Some(format!("{name} {} → {}", text(old), text(new))),
                None => Some(format!("{name} {}", text(new))),
            }
        })
        .collect();
    changes.join(", ")
}

/// Writes an event in the caller's transaction.
pub(super) async fn insert_event(db: impl PgExecutor<'_>, event: &NewEvent<'_>, by: &By) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        event.kind,
        event.database_id,
        event.pool_id,
        by.actor,
        by.via.as_str(),
        by.reason,
        event.before,
        event.after,
        by.request_id,
    )
    .execute(db)
    .await?;
    log(event, by.via);
    Ok(())
}

/// What people and programs change is worth a line in every log; the engine's own steps only in a detailed one.
fn log(event: &NewEvent<'_>, via: Via) {
    let (kind, by_way, database_id) = (event.kind, via.as_str(), event.database_id.map(tracing::field::display));
    match via {
        Via::Console | Via::Api => {
            tracing::info!(event.kind = kind, event.via = by_way, database.id = database_id, "recorded {kind}");
        }
        Via::Engine | Via::Cli => {
            tracing::debug!(event.kind = kind, event.via = by_way, database.id = database_id, "recorded {kind}");
        }
    }
}

struct EventRecord {
    id: i64,
    at: Time,
    first_at: Time,
    times: i64,
    kind: String,
    database_id: Option<Uuid>,
    pool: Option<String>,
    actor: String,
    via: String,
    reason: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    request_id: Option<String>,
}

impl From<EventRecord> for Event {
    fn from(record: EventRecord) -> Self {
        let EventRecord {
            id,
            at,
            first_at,
            times,
            kind,
            database_id,
            pool,
            actor,
            via,
            reason,
            before,
            after,
            request_id,
        } = record;
        Self { id, at, first_at, times, kind, database_id, pool, actor, via, reason, before, after, request_id }
    }
}
