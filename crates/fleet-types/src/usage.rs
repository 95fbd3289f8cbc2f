//! What databases used, day by day, and how far the engine's knowledge of it reaches.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{QueryReader, Time};

/// What one database used on one day (in UTC). `None` is a figure that Neon has not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageDay {
    pub day: NaiveDate,
    /// Seconds of wall time with a running compute.
    pub active_seconds: Option<i64>,
    /// CU-seconds.
    pub compute_seconds: Option<i64>,
    pub written_bytes: Option<i64>,
    /// Sent out, to the internet and through private links.
    pub transfer_bytes: Option<i64>,
    /// What was stored at the end of the day, or when last observed.
    pub logical_size_bytes: Option<i64>,
    /// Data and history of all branches then, as billed.
    pub synthetic_size_bytes: Option<i64>,
}

impl UsageDay {
    /// A day on which nothing was used.
    pub fn quiet(day: NaiveDate) -> Self {
        Self {
            day,
            active_seconds: Some(0),
            compute_seconds: Some(0),
            written_bytes: Some(0),
            transfer_bytes: Some(0),
            logical_size_bytes: None,
            synthetic_size_bytes: None,
        }
    }
}

/// How far back the chart of a database reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageRange {
    #[default]
    Month,
    Quarter,
}

impl UsageRange {
    pub const ALL: [Self; 2] = [Self::Month, Self::Quarter];

    pub fn days(self) -> i64 {
        match self {
            Self::Month => 30,
            Self::Quarter => 90,
        }
    }

    /// As it stands in the URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// From the query of a URL.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        query.choice("usage", &Self::ALL, Self::as_str).unwrap_or_default()
    }
}

/// The days of one database. Days without a row used nothing, if they lie before `asked_at`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageHistory {
    /// The day on which the database was asked for: before it there is nothing.
    pub born: NaiveDate,
    pub from: NaiveDate,
    /// Included.
    pub to: NaiveDate,
    /// Oldest first; only days on which something was used.
    pub days: Vec<UsageDay>,
    /// When Neon's history was last read to its end; `None` if it never was.
    pub asked_at: Option<Time>,
    /// When the totals of the billing period were last read.
    pub observed_at: Option<Time>,
    pub as_of: Time,
}

/// Neon's two histories of consumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// Active time, compute time, written data, sizes.
    Legacy,
    /// Compute and transfer.
    V2,
}

impl UsageSource {
    pub const ALL: [Self; 2] = [Self::Legacy, Self::V2];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::V2 => "v2",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// What is not known without it.
    pub fn tells(self) -> &'static str {
        match self {
            Self::Legacy => "active time, written data and sizes by day",
            Self::V2 => "data transfer by day",
        }
    }
}

/// A history that Neon would not give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageRefusal {
    pub source: UsageSource,
    pub since: Time,
    /// When it is asked again.
    pub until: Time,
    pub reason: String,
}

/// How much of the fleet is known how well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageTiers {
    /// Databases that were active since they were asked about; counted up to [`MOST_COUNTED`].
    pub hot: i64,
    /// Of these, how many may be asked about now.
    pub hot_waiting: i64,
    /// Databases that were never asked about; counted up to [`MOST_COUNTED`].
    pub never_asked: i64,
    /// When the one that was asked longest ago was asked.
    pub oldest_asked_at: Option<Time>,
    /// The last sweep over Neon's list that was complete, with the projects that it found.
    pub swept_at: Option<Time>,
    pub swept_projects: i64,
    /// Rows that have a project, by the roll-up.
    pub living: i64,
    /// Databases that may be near their storage quota and are to be asked about their logical size; counted up to [`MOST_COUNTED`].
    pub to_measure: i64,
    /// Of these, how many were never measured, so that it is not known whether they are full.
    pub never_measured: i64,
    pub refusals: Vec<UsageRefusal>,
    pub as_of: Time,
}

/// Counting ends here.
pub const MOST_COUNTED: i64 = 10_000;
