//! The state of the table of databases, which is the query of its URL: what is filtered, in which order, which page.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{DatabaseRow, DatabaseState, QueryReader, Time, text::EMAIL_LENGTH};

/// In which order the databases stand. Always descending, ties broken by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatabaseSort {
    /// Newest first.
    #[default]
    Created,
    /// Last claimed first; leaves out what was never claimed.
    Claimed,
    /// Largest first.
    Size,
    /// Last active first; leaves out what was never active.
    LastActive,
}

impl DatabaseSort {
    pub const ALL: [Self; 4] = [Self::Created, Self::Claimed, Self::Size, Self::LastActive];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Claimed => "claimed",
            Self::Size => "size",
            Self::LastActive => "last_active",
        }
    }
}

/// Which databases. Everything empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFilter {
    #[serde(default)]
    pub state: Option<DatabaseState>,
    #[serde(default)]
    pub pool: Option<String>,
    #[serde(default)]
    pub plan: Option<String>,
    #[serde(default)]
    pub region: Option<String>,
    /// Part of an owner's id, e-mail or organisation, or of a project's, endpoint's or database's id.
    #[serde(default)]
    pub text: Option<String>,
    /// Claimed databases that something blocks.
    #[serde(default)]
    pub blocked: bool,
    /// Claimed databases with at least this share of the storage quota used, in per cent (80 or more).
    #[serde(default)]
    pub storage_percent: Option<u16>,
    /// Databases that were claimed on this day (in UTC) or later, whatever became of them.
    #[serde(default)]
    pub claimed_since: Option<NaiveDate>,
    /// Leaves deleted databases out unless they are asked for by `state` or `claimed_since`.
    #[serde(default)]
    pub sort: DatabaseSort,
}

impl DatabaseFilter {
    pub fn in_state(state: DatabaseState) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// Stopped by a quota, or switched off.
    pub fn blocked() -> Self {
        Self { blocked: true, ..Self::default() }
    }

    /// 80 % of the storage quota or more, the full ones included.
    pub fn near_storage_quota() -> Self {
        Self { storage_percent: Some(80), ..Self::default() }
    }

    /// Last claimed first.
    pub fn claimed_since(day: NaiveDate) -> Self {
        Self { claimed_since: Some(day), sort: DatabaseSort::Claimed, ..Self::default() }
    }
}

/// How many databases a filter finds: a number on a screen, and the table that it links to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub filter: DatabaseFilter,
    pub count: i64,
}

/// A page of the table. The cursors are opaque; they go into the URL as `after` and `before`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabasePage {
    pub rows: Vec<DatabaseRow>,
    pub next: Option<String>,
    pub previous: Option<String>,
    pub total: Total,
    pub as_of: Time,
}

/// How many match in all, as far as that can be told without counting for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Total {
    Exactly(i64),
    MoreThan(i64),
}

/// Which page: the one after or before a row, or the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PagePosition {
    #[default]
    First,
    After(String),
    Before(String),
}

/// Which page of which databases: the query of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseQuery {
    pub filter: DatabaseFilter,
    pub position: PagePosition,
}

impl DatabaseQuery {
    /// Takes the fields from the query of a URL, or from the form that will become one.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        let filter = DatabaseFilter {
            state: query.choice("state", &DatabaseState::ALL, DatabaseState::as_str),
            pool: query.text(&["pool"], 32),
            plan: query.text(&["plan"], 32),
            region: query.text(&["region"], 64),
            text: query.text(&["text"], *EMAIL_LENGTH.end()),
            blocked: query.flag("blocked"),
            storage_percent: query
                .number(&["storage_percent", "storage"], 80..=1_000)
                .and_then(|percent| percent.try_into().ok()),
            claimed_since: query.parsed(&["claimed_since"], "a day such as 2026-03-01", |text| {
                text.parse().ok().filter(|day: &NaiveDate| (2000..=9999).contains(&day.year()))
            }),
            sort: query.choice("sort", &DatabaseSort::ALL, DatabaseSort::as_str).unwrap_or_default(),
        };
        let position = match (query.text(&["after"], 100), query.text(&["before"], 100)) {
            (Some(_), Some(_)) => {
                query.wrong("before", "Write `after` or `before`, not both.");
                PagePosition::First
            }
            (Some(cursor), None) => PagePosition::After(cursor),
            (None, Some(cursor)) => PagePosition::Before(cursor),
            (None, None) => PagePosition::First,
        };
        Self { filter, position }
    }
}

/// Rows on a page of the table.
pub const PAGE_ROWS: i64 = 50;

/// What the filters offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChoices {
    pub pools: Vec<String>,
    pub plans: Vec<String>,
    pub regions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unreadable;

    fn read(pairs: &[(&str, &str)]) -> Result<DatabaseQuery, Unreadable> {
        let field = |name: &str| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        let mut query = QueryReader::new(&field);
        let read = DatabaseQuery::read(&mut query);
        query.finish(read)
    }

    #[test]
    fn a_form_sent_empty_filters_nothing() {
        let empty = [("state", ""), ("pool", ""), ("text", " "), ("sort", "created"), ("blocked", ""), ("storage", "")];
        assert_eq!(read(&empty), Ok(DatabaseQuery::default()));
    }

    #[test]
    fn the_whole_state_is_read_by_either_name() {
        for storage in ["storage", "storage_percent"] {
            let query = read(&[
                ("state", "claimed"),
                ("blocked", "1"),
                (storage, "80"),
                ("claimed_since", "2026-11-29"),
                ("sort", "size"),
                ("after", "x"),
            ]);
            let query = query.expect("readable");
            assert_eq!(query.filter.state, Some(DatabaseState::Claimed));
            assert!(query.filter.blocked);
            assert_eq!(query.filter.storage_percent, Some(80));
            assert_eq!(query.filter.claimed_since.map(|day| day.to_string()).as_deref(), Some("2026-11-29"));
            assert_eq!(query.filter.sort, DatabaseSort::Size);
            assert_eq!(query.position, PagePosition::After(String::from("x")));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_and_never_means_all() {
        for (field, value) in [
            ("state", "frozen"),
            ("storage_percent", "7"),
            ("storage_percent", "99999"),
            ("sort", "colour"),
            ("claimed_since", "lately"),
            ("claimed_since", "-9999-01-01"),
            ("blocked", "maybe"),
            ("text", "a\0b"),
            ("pool", "x".repeat(33).as_str()),
        ] {
            assert_eq!(read(&[(field, value)]).expect_err("unreadable").field, field);
        }
    }
}
