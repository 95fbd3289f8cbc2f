//! The schema: which migrations this program knows, and which the ledger has.

use sqlx::migrate::Migrator;

use super::{Ledger, LedgerError};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How the ledger's schema compares with the one that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing is there yet.
    Empty,
    /// So many migrations have not been applied.
    Older {
        missing: usize,
    },
    Current,
    /// This migration was applied and is not known here.
    Newer {
        unknown: i64,
    },
}

impl Ledger {
    /// Changes nothing.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn schema_state(&self) -> Result<SchemaState, LedgerError> {
        let is_set_up = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "is_set_up!""#)
            .fetch_one(&self.db)
            .await?;
        let applied = if is_set_up {
            sqlx::query_scalar!(
                r#"SELECT array_agg(version) AS "versions: Vec<i64>" FROM _sqlx_migrations WHERE success"#
            )
            .fetch_one(&self.db)
            .await?
        } else {
            None
        };
        Ok(compare(
            &applied.unwrap_or_default(),
            &MIGRATIONS.iter().map(|migration| migration.version).collect::<Vec<_>>(),
        ))
    }

    /// Brings the schema up to date. Several replicas may call this at once: one migrates, the others wait for it.
    ///
    /// # Errors
    /// When a migration fails, or was changed after it was applied.
    pub async fn migrate(&self) -> Result<(), LedgerError> {
        Ok(MIGRATIONS.run(&self.db).await?)
    }
}

fn compare(applied: &[i64], known: &[i64]) -> SchemaState {
    let missing = known.iter().filter(|version| !applied.contains(version)).count();
    match applied.iter().filter(|version| !known.contains(version)).max() {
        _ if applied.is_empty() => SchemaState::Empty,
        Some(unknown) => SchemaState::Newer { unknown: *unknown },
        None if missing > 0 => SchemaState::Older { missing },
        None => SchemaState::Current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_makes_it_older_and_what_is_unknown_newer() {
        assert_eq!(compare(&[], &[1, 2]), SchemaState::Empty);
        assert_eq!(compare(&[2, 1], &[1, 2]), SchemaState::Current);
        assert_eq!(compare(&[1, 3], &[1, 2, 3]), SchemaState::Older { missing: 1 });
        assert_eq!(compare(&[1, 4, 3], &[1, 2]), SchemaState::Newer { unknown: 4 });
    }
}
