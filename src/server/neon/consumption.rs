//! The history of consumption: what projects used, by hour, day or month. Neon offers two, and not every plan has both:
//!
//! - [`NeonClient::consumption`] (legacy): active time, compute time, written data and sizes; the metrics that quotas are enforced by
//! - [`NeonClient::consumption_v2`]: compute and transfer as invoiced; needs the organisation's id
//!
//! Both lag by 15 minutes to an hour and leave out whatever was not used: frames, periods, projects. So what is missing is zero only if it was
//! asked for by id and every page was read. Asking wakes no compute.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::client::Call;
use super::{NeonClient, NeonError, Route, wire};

/// Neon's most ids of one call, and its largest page.
pub const MAX_IDS: usize = 100;
/// How far back days are kept at Neon.
pub const MAX_DAYS: i64 = 60;
/// A hundred projects fit on one page; a history that has not ended after so many is wrong.
const MAX_PAGES: usize = 20;

/// What is asked of the legacy history. `logical_size_bytes` is what the storage quota limits, and not among the default metrics.
const METRICS: &str =
    "active_time_seconds,compute_time_seconds,written_data_bytes,synthetic_storage_size_bytes,logical_size_bytes";
const V2_METRICS: &str = "compute_unit_seconds,public_network_transfer_bytes,private_network_transfer_bytes";

/// The length of a frame. Neon keeps hours for 168 hours, days for 60 days, months for a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    Hourly,
    Daily,
    Monthly,
}

impl Granularity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }
}

/// From when to when; Neon rounds both down to the granularity, and `to` is not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub granularity: Granularity,
}

/// What one project used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ProjectConsumption<F> {
    pub project_id: String,
    /// Billing periods that the window touches and in which something was used.
    pub periods: Vec<Period<F>>,
}

/// Frames of one billing period.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Period<F> {
    #[serde(rename = "period_start")]
    pub start: DateTime<Utc>,
    /// Known of periods that have ended.
    #[serde(rename = "period_end", default, deserialize_with = "wire::moment")]
    pub end: Option<DateTime<Utc>>,
    #[serde(rename = "consumption")]
    pub frames: Vec<F>,
}

/// A frame of the legacy history.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Frame {
    #[serde(rename = "timeframe_start")]
    pub start: DateTime<Utc>,
    #[serde(default, deserialize_with = "count")]
    pub active_time_seconds: i64,
    /// CU-seconds.
    #[serde(default, deserialize_with = "count")]
    pub compute_time_seconds: i64,
    #[serde(default, deserialize_with = "count")]
    pub written_data_bytes: i64,
    /// Data and history of all branches.
    #[serde(default, deserialize_with = "count")]
    pub synthetic_storage_size_bytes: i64,
    /// Data alone; not told on every plan.
    #[serde(default, deserialize_with = "optional_count")]
    pub logical_size_bytes: Option<i64>,
}

/// A frame of the newer history.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "FrameV2Answer")]
pub struct FrameV2 {
    /// Neon's specification lets it be absent.
    pub start: Option<DateTime<Utc>>,
    pub compute_unit_seconds: i64,
    /// To the internet and through private links.
    pub transfer_bytes: i64,
}

#[derive(Deserialize)]
struct FrameV2Answer {
    #[serde(rename = "timeframe_start", default, deserialize_with = "wire::moment")]
    start: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::or_default")]
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "metric_name")]
    name: String,
    #[serde(default, deserialize_with = "count")]
    value: i64,
}

impl From<FrameV2Answer> for FrameV2 {
    fn from(answer: FrameV2Answer) -> Self {
        let sum = |names: &[&str]| {
            let found = answer.metrics.iter().filter(|metric| names.contains(&metric.name.as_str()));
            found.fold(0_i64, |sum, metric| sum.saturating_add(metric.value))
        };
        Self {
            start: answer.start,
            compute_unit_seconds: sum(&["compute_unit_seconds"]),
            transfer_bytes: sum(&["public_network_transfer_bytes", "private_network_transfer_bytes"]),
        }
    }
}

impl NeonClient {
    /// The legacy history of these projects, at most [`MAX_IDS`], to its end. A project that is missing from it used nothing.
    ///
    /// # Errors
    /// [`NeonError::NotOffered`] where the plan does not have it; `Refused` with 406 for a window that Neon does not keep; any other of the call.
    pub async fn consumption(&self, ids: &[&str], window: Window) -> Result<Vec<ProjectConsumption<Frame>>, NeonError> {
        self.history(Route::CONSUMPTION, METRICS, ids, window).await
    }

    /// The newer history of these projects, at most [`MAX_IDS`], to its end. A project that is missing from it used nothing.
    ///
    /// # Errors
    /// [`NeonError::Misconfigured`] without the organisation's id; else as [`NeonClient::consumption`].
    pub async fn consumption_v2(
        &self,
        ids: &[&str],
        window: Window,
    ) -> Result<Vec<ProjectConsumption<FrameV2>>, NeonError> {
        if self.org_id().is_none() {
            return Err(NeonError::Misconfigured(String::from(
                "Neon's history of data transfer is asked for by organisation; set NEON_ORG_ID.",
            )));
        }
        self.history(Route::CONSUMPTION_V2, V2_METRICS, ids, window).await
    }

    /// Reads pages until all that was asked for was seen or the history ends.
    async fn history<F: DeserializeOwned>(
        &self,
        route: Route,
        metrics: &'static str,
        ids: &[&str],
        window: Window,
    ) -> Result<Vec<ProjectConsumption<F>>, NeonError> {
        if ids.is_empty() || ids.len() > MAX_IDS {
            // Without ids Neon would answer for the whole organisation.
            return Err(NeonError::Misconfigured(format!(
                "consumption is asked for 1 to {MAX_IDS} projects at a time"
            )));
        }
        let mut missing: HashSet<&str> = ids.iter().copied().collect();
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let call = Call::to(route, &[])
                .with("project_ids", ids.join(","))
                .with("from", moment(window.from))
                .with("to", moment(window.to))
                .with("granularity", window.granularity.as_str())
                .with("metrics", metrics)
                .with("limit", MAX_IDS)
                .with_some("cursor", cursor.as_deref())
                .with_some("org_id", self.org_id());
            let answer: Answer<F> = self.call(call).await?;
            cursor = answer.next(cursor.as_deref());
            for project in &answer.projects {
                missing.remove(project.project_id.as_str());
            }
            all.extend(answer.projects);
            if cursor.is_none() || missing.is_empty() {
                return Ok(all);
            }
        }
        Err(NeonError::Garbled { detail: String::from("the history of consumption does not end") })
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[derive(Deserialize)]
#[serde(bound = "F: Deserialize<'de>")]
struct Answer<F> {
    projects: Vec<ProjectConsumption<F>>,
    #[serde(default, deserialize_with = "wire::or_default")]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
struct Pagination {
    #[serde(default)]
    cursor: Option<String>,
}

impl<F> Answer<F> {
    /// The cursor of the next page. The end is: no cursor, an empty page, or the cursor that we came with; a short page is not.
    fn next(&self, came_with: Option<&str>) -> Option<String> {
        let cursor = self.pagination.cursor.as_deref().filter(|cursor| !cursor.is_empty() && !self.projects.is_empty());
        cursor.filter(|cursor| came_with != Some(cursor)).map(str::to_owned)
    }
}

/// Neon counts in unsigned 64 bits, PostgreSQL in signed ones.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_count(deserializer).map(Option::unwrap_or_default)
}

fn optional_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Option::<u64>::deserialize(deserializer)?;
    Ok(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
}
