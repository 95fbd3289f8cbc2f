//! The table of databases: filtered, ordered and paged by keyset, so that the last page costs what the first one does.
//! Filters are enums turned into fixed fragments; every value is bound.

use chrono::NaiveTime;
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    databases::{ROW_COLUMNS, ROW_TABLES, RowRecord},
};
use crate::state::State;
use fleet_types::{
    Counted, DatabaseFilter, DatabasePage, DatabaseRow, DatabaseSort, FilterChoices, PAGE_ROWS, PagePosition, Time,
    Total, text,
};

/// An exact total is given up to here; above it the answer is "more than".
const COUNTED_ROWS: i64 = 10_000;
/// Of those that a text is searched in; each costs a look into two tables.
const COUNTED_HITS: i64 = 1_000;
/// A text filter of fewer characters cannot use the index and is refused.
pub(super) const SHORTEST_TEXT: usize = 3;
const LONGEST_TEXT: usize = 200;
/// That a database is found by a pattern: what follows is the pattern and a closing bracket.
pub(super) const CONTAINS: &str = "d.id IN (SELECT database_id FROM database_search WHERE text LIKE ";

impl Ledger {
    /// A page of at most [`PAGE_ROWS`] databases.
    ///
    /// # Errors
    /// `Invalid` for a filter text that is too short or a cursor that is not one of ours.
    pub async fn database_page(
        &self,
        filter: &DatabaseFilter,
        position: &PagePosition,
    ) -> Result<DatabasePage, LedgerError> {
        self.database_page_of(filter, position, PAGE_ROWS).await
    }

    /// A page of at most `limit` databases.
    ///
    /// # Errors
    /// As [`Ledger::database_page`].
    pub async fn database_page_of(
        &self,
        filter: &DatabaseFilter,
        position: &PagePosition,
        limit: i64,
    ) -> Result<DatabasePage, LedgerError> {
        check(filter)?;
        let (cursor, backwards) = match position {
            PagePosition::First => (None, false),
            PagePosition::After(text) => (Some(Cursor::parse(text, filter)?), false),
            PagePosition::Before(text) => (Some(Cursor::parse(text, filter)?), true),
        };
        let mut query = QueryBuilder::new(format!("SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE "));
        push_filter(&mut query, filter);
        push_position(&mut query, filter.sort, cursor.as_ref(), backwards);
        query.push(" LIMIT ").push_bind(limit + 1);
        let mut rows: Vec<DatabaseRow> =
            query.build_query_as::<RowRecord>().fetch_all(&self.db).await?.into_iter().map(DatabaseRow::from).collect();
        let more = rows.len() as i64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(0));
        if backwards {
            rows.reverse();
        }
        let (has_next, has_previous) = if backwards { (true, more) } else { (more, cursor.is_some()) };
        let cursor_of = |row: Option<&DatabaseRow>, wanted: bool| {
            row.filter(|_| wanted).map(|row| Cursor::of(row, filter.sort).to_text(filter))
        };
        Ok(DatabasePage {
            next: cursor_of(rows.last(), has_next),
            previous: cursor_of(rows.first(), has_previous),
            total: self.total(filter).await?,
            rows,
            as_of: chrono::Utc::now(),
        })
    }

    /// What the filters offer.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn filter_choices(&self) -> Result<FilterChoices, LedgerError> {
        let pools =
            sqlx::query!("SELECT name, region_id FROM pools ORDER BY name LIMIT 1000").fetch_all(&self.db).await?;
        let plans = sqlx::query_scalar!("SELECT name FROM plans ORDER BY created_at, name LIMIT 1000")
            .fetch_all(&self.db)
            .await?;
        let mut regions: Vec<String> = pools.iter().map(|pool| pool.region_id.clone()).collect();
        regions.sort();
        regions.dedup();
        Ok(FilterChoices { pools: pools.into_iter().map(|pool| pool.name).collect(), plans, regions })
    }

    /// How many databases the table of this filter has. For filters that a partial index serves.
    pub(super) async fn counted(&self, filter: DatabaseFilter) -> Result<Counted, LedgerError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM databases AS d WHERE ");
        push_filter(&mut query, &filter);
        let count = query.build_query_scalar().fetch_one(&self.db).await?;
        Ok(Counted { filter, count })
    }

    /// From the roll-up where state and pool are all that is asked for; else by counting, up to a bound.
    async fn total(&self, filter: &DatabaseFilter) -> Result<Total, LedgerError> {
        let plain = DatabaseFilter {
            state: filter.state,
            pool: filter.pool.clone(),
            sort: filter.sort,
            ..DatabaseFilter::default()
        };
        let all_are_listed = matches!(filter.sort, DatabaseSort::Created | DatabaseSort::Size);
        if *filter == plain && all_are_listed {
            let count = sqlx::query_scalar!(
                r#"SELECT coalesce(sum(c.count), 0)::bigint AS "count!" FROM fleet_counts AS c JOIN pools AS p ON p.id = c.pool_id
                   WHERE ($1::database_state IS NULL AND c.state <> 'deleted' OR c.state = $1) AND ($2::text IS NULL OR p.name = $2)"#,
                filter.state.map(State) as Option<State>,
                filter.pool
            )
            .fetch_one(&self.db)
            .await?;
            return Ok(Total::Exactly(count));
        }
        let bound = if searched(filter).is_some() { COUNTED_HITS } else { COUNTED_ROWS };
        let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM databases AS d WHERE ");
        push_filter(&mut query, filter);
        query.push(" LIMIT ").push_bind(bound + 1).push(") AS found");
        let count: i64 = query.build().fetch_one(&self.db).await?.try_get(0)?;
        Ok(if count > bound { Total::MoreThan(bound) } else { Total::Exactly(count) })
    }
}

/// The text to search for; none if nothing is written.
fn searched(filter: &DatabaseFilter) -> Option<&str> {
    filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// That every text of the filter is one, and that there is enough of it to search for.
fn check(filter: &DatabaseFilter) -> Result<(), LedgerError> {
    let invalid = |field, message| LedgerError::Invalid { field, message };
    if searched(filter).is_some_and(|text| text.chars().count() < SHORTEST_TEXT) {
        return Err(invalid("text", format!("Write at least {SHORTEST_TEXT} characters to search for.")));
    }
    let DatabaseFilter { pool, plan, region, text, .. } = filter;
    for (field, value) in [("pool", pool), ("plan", plan), ("region", region), ("text", text)] {
        text::label(value.as_deref().unwrap_or_default(), 0..=LONGEST_TEXT)
            .map_err(|error| invalid(field, error.to_string()))?;
    }
    Ok(())
}

/// Lower-cased, for `LIKE` with its wildcards taken literally.
pub(super) fn like_pattern(text: &str) -> String {
    let escaped = text.trim().to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// The one meaning of a filter: of a table, its total, and every number that links to it. Speaks of `databases AS d`.
pub(super) fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &DatabaseFilter) {
    match (filter.state, filter.claimed_since) {
        (Some(state), _) => query.push("d.state = ").push_bind(State(state)),
        (None, Some(_)) => query.push("true"),
        (None, None) => query.push("d.state <> 'deleted'"),
    };
    if let Some(day) = filter.claimed_since {
        query.push(" AND d.claimed_at >= ").push_bind(day.and_time(NaiveTime::MIN).and_utc());
    }
    if let Some(pool) = &filter.pool {
        query.push(" AND d.pool_id = (SELECT id FROM pools WHERE name = ").push_bind(pool.clone()).push(")");
    }
    if let Some(plan) = &filter.plan {
        query.push(" AND d.plan = ").push_bind(plan.clone());
    }
    if let Some(region) = &filter.region {
        query.push(" AND d.region_id = ").push_bind(region.clone());
    }
    if let Some(text) = searched(filter) {
        query.push(" AND ").push(CONTAINS).push_bind(like_pattern(&text::composed(text))).push(")");
    }
    if filter.blocked {
        query.push(" AND d.block_reason IS NOT NULL AND d.state = 'claimed'");
    }
    if let Some(percent) = filter.storage_percent {
        // The lowest bound that the index covers is 80 %.
        query
            .push(" AND d.state = 'claimed' AND d.storage_permille >= 800 AND d.storage_permille >= ")
            .push_bind(i32::from(percent) * 10);
    }
    match filter.sort {
        DatabaseSort::Claimed => query.push(" AND d.claimed_at IS NOT NULL"),
        DatabaseSort::LastActive => query.push(" AND d.last_active_at IS NOT NULL"),
        DatabaseSort::Created | DatabaseSort::Size => query,
    };
}

fn push_position(query: &mut QueryBuilder<Postgres>, sort: DatabaseSort, cursor: Option<&Cursor>, backwards: bool) {
    let column = match sort {
        DatabaseSort::Created => "d.requested_at",
        DatabaseSort::Claimed => "d.claimed_at",
        DatabaseSort::LastActive => "d.last_active_at",
        // What is not known comes last.
        DatabaseSort::Size => "coalesce(d.synthetic_size_bytes, -1)",
    };
    let (comparison, direction) = if backwards { (">", "ASC") } else { ("<", "DESC") };
    if let Some(cursor) = cursor {
        query.push(format!(" AND ({column}, d.id) {comparison} ("));
        match cursor.key {
            Key::Time(time) => query.push_bind(time),
            Key::Size(size) => query.push_bind(size),
        };
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query.push(format!(" ORDER BY {column} {direction}, d.id {direction}"));
}

/// Where a page ends: the sort key and the id of its last row. As text: `<fingerprint>.<microseconds or bytes>.<id>`, where the fingerprint
/// is that of filter and sort, since in another list the row stands elsewhere or not at all.
struct Cursor {
    key: Key,
    id: Uuid,
}

enum Key {
    Time(Time),
    Size(i64),
}

impl Cursor {
    fn of(row: &DatabaseRow, sort: DatabaseSort) -> Self {
        let key = match sort {
            DatabaseSort::Size => Key::Size(row.synthetic_size_bytes.unwrap_or(-1)),
            DatabaseSort::Created => Key::Time(row.requested_at),
            DatabaseSort::Claimed => Key::Time(row.claimed_at.unwrap_or_default()),
            DatabaseSort::LastActive => Key::Time(row.last_active_at.unwrap_or_default()),
        };
        Self { key, id: row.id }
    }

    fn to_text(&self, filter: &DatabaseFilter) -> String {
        let key = match self.key {
            Key::Time(time) => time.timestamp_micros(),
            Key::Size(size) => size,
        };
        format!("{}.{key}.{}", fingerprint(filter), self.id.simple())
    }

    fn parse(text: &str, filter: &DatabaseFilter) -> Result<Self, LedgerError> {
        let mut parts = text.split('.');
        let cursor = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(of), Some(key), Some(id), None) if of == fingerprint(filter) => {
                Self::from_parts(key, id, filter.sort)
            }
            _ => None,
        };
        cursor.ok_or_else(|| LedgerError::Invalid {
            field: "page",
            message: String::from("This link to a page is not valid for this list. Start from the first page."),
        })
    }

    /// Of at most 18 digits, which PostgreSQL's times reach; or the size that is not known.
    fn from_parts(key: &str, id: &str, sort: DatabaseSort) -> Option<Self> {
        let is_number = (1..=18).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_digit())
            || sort == DatabaseSort::Size && key == "-1";
        let number = key.parse().ok().filter(|_| is_number)?;
        let key = match sort {
            DatabaseSort::Size => Key::Size(number),
            _ => Key::Time(Time::from_timestamp_micros(number)?),
        };
        Some(Self { key, id: Uuid::try_parse(id).ok()? })
    }
}

/// Eight hexadecimal digits for a list: which databases, and in which order.
fn fingerprint(filter: &DatabaseFilter) -> String {
    let hash = secrets::hash_token(&serde_json::json!(filter).to_string());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_is_of_no_use_in_another_list() {
        let id = Uuid::now_v7();
        let filter = DatabaseFilter { sort: DatabaseSort::Size, ..DatabaseFilter::default() };
        let text = Cursor { key: Key::Size(42), id }.to_text(&filter);
        let read = Cursor::parse(&text, &filter).expect("our own text");
        assert!(matches!(read.key, Key::Size(42)));
        assert_eq!(read.id, id);
        assert!(Cursor::parse(&text, &DatabaseFilter::default()).is_err(), "another order");
        assert!(Cursor::parse(&text, &DatabaseFilter { blocked: true, ..filter }).is_err(), "another filter");
    }

    #[test]
    fn foreign_cursors_are_refused() {
        let filter = DatabaseFilter::default();
        let id = "00000000000000000000000000000000";
        let of = fingerprint(&filter);
        for text in [
            "",
            "1",
            "x.y",
            "1.zz",
            &format!("1.{id}"),
            &format!("{of}.-211813488000000001.{id}"),
            &format!("{of}.+1.{id}"),
        ] {
            assert!(Cursor::parse(text, &filter).is_err(), "{text}");
        }
        assert!(Cursor::parse(&format!("{of}.9999999999999999999.{id}"), &filter).is_err());
        assert!(Cursor::parse(&format!("{of}.999999999999999999.{id}"), &filter).is_ok());
    }

    #[test]
    fn wildcards_are_taken_literally() {
        assert_eq!(like_pattern(" 50%_A\\ "), "%50\\%\\_a\\\\%");
    }
}
