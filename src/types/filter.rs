//! The state of the table of databases, which is the query of its URL: what is filtered, in which order, which page.

use serde::{Deserialize, Serialize};

use super::{DatabaseRow, DatabaseState, Time};

/// In which order the databases stand. Always descending, ties broken by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
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

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
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
    /// Leaves deleted databases out unless they are asked for by `state`.
    #[serde(default)]
    pub sort: DatabaseSort,
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

/// Rows on a page of the table.
pub const PAGE_ROWS: i64 = 50;

/// What the filters offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChoices {
    pub pools: Vec<String>,
    pub plans: Vec<String>,
    pub regions: Vec<String>,
}
