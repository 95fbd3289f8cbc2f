//! The history of consumption: what projects used, by hour, day or month. Neon offers two, and not every plan has both:
//!
//! - [`NeonClient::consumption`] (legacy): active time, compute time, written data and sizes; the metrics that quotas are enforced by
//! - [`NeonClient::consumption_v2`]: compute and transfer as invoiced; needs the organisation's id
//!
//! Both lag by 15 minutes to an hour and leave out whatever was not used: frames, periods, projects. So what is missing is zero only if it was
//! asked for by id and every page was read. Asking wakes no compute.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;

use super::client::{Call, no_list};
use super::record::{Fields, Record};
use super::{NeonClient, NeonError, Route};

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

/// What the history says of the projects that it was asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct History<F> {
    /// A project that is missing here and from `unreadable` used nothing.
    pub projects: Vec<ProjectConsumption<F>>,
    /// Ids of projects whose record could not be read, or not wholly: nothing is known of them.
    pub unreadable: HashSet<String>,
}

/// What one project used.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectConsumption<F> {
    pub project_id: String,
    /// Billing periods that the window touches and in which something was used.
    pub periods: Vec<Period<F>>,
}

impl<F: Record> Record for ProjectConsumption<F> {
    const ID: &'static str = "project_id";

    /// A sum of which a part is missing is none.
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (project_id, periods) = (fields.id("project_id")?, fields.parts("periods"));
        fields.is_sound().then_some(Self { project_id, periods })
    }
}

/// Frames of one billing period.
#[derive(Clone, Debug, PartialEq)]
pub struct Period<F> {
    pub start: DateTime<Utc>,
    /// Known of periods that have ended.
    pub end: Option<DateTime<Utc>>,
    pub frames: Vec<F>,
}

impl<F: Record> Record for Period<F> {
    const ID: &'static str = "period_id";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            start: fields.past("period_start")?,
            end: fields.moment("period_end"),
            frames: fields.parts("consumption"),
        })
    }
}

/// A frame of the legacy history.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub start: DateTime<Utc>,
    pub active_time_seconds: i64,
    /// CU-seconds.
    pub compute_time_seconds: i64,
    pub written_data_bytes: i64,
    /// Data and history of all branches.
    pub synthetic_storage_size_bytes: i64,
    /// Data alone; not told on every plan.
    pub logical_size_bytes: Option<i64>,
}

impl Record for Frame {
    const ID: &'static str = "timeframe_start";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            start: fields.past("timeframe_start")?,
            active_time_seconds: fields.count_or_zero("active_time_seconds"),
            compute_time_seconds: fields.count_or_zero("compute_time_seconds"),
            written_data_bytes: fields.count_or_zero("written_data_bytes"),
            synthetic_storage_size_bytes: fields.count_or_zero("synthetic_storage_size_bytes"),
            logical_size_bytes: fields.count("logical_size_bytes"),
        })
    }
}

/// A frame of the newer history.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameV2 {
    /// Neon's specification lets it be absent.
    pub start: Option<DateTime<Utc>>,
    pub compute_unit_seconds: i64,
    /// To the internet and through private links.
    pub transfer_bytes: i64,
}

impl Record for FrameV2 {
    const ID: &'static str = "timeframe_start";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let metrics: Vec<Metric> = fields.parts("metrics");
        let sum = |names: &[&str]| {
            let found = metrics.iter().filter(|metric| names.contains(&metric.name.as_str()));
            found.fold(0_i64, |sum, metric| sum.saturating_add(metric.value))
        };
        Some(Self {
            start: fields.past("timeframe_start"),
            compute_unit_seconds: sum(&["compute_unit_seconds"]),
            transfer_bytes: sum(&["public_network_transfer_bytes", "private_network_transfer_bytes"]),
        })
    }
}

struct Metric {
    name: String,
    value: i64,
}

impl Record for Metric {
    const ID: &'static str = "metric_name";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { name: fields.text("metric_name")?, value: fields.count_or_zero("value") })
    }
}

impl NeonClient {
    /// The legacy history of these projects, at most [`MAX_IDS`], to its end. See [`History`] for what is missing from it.
    ///
    /// # Errors
    /// [`NeonError::NotOffered`] where the plan does not have it; `Refused` with 406 for a window that Neon does not keep; [`NeonError::Unreadable`] if it does not end or
    /// a record does not say whose it is; any other of the call.
    pub async fn consumption(&self, ids: &[&str], window: Window) -> Result<History<Frame>, NeonError> {
        self.history(Route::CONSUMPTION, METRICS, ids, window).await
    }

    /// The newer history of these projects, at most [`MAX_IDS`], to its end. See [`History`] for what is missing from it.
    ///
    /// # Errors
    /// [`NeonError::Misconfigured`] without the organisation's id; else as [`NeonClient::consumption`].
    pub async fn consumption_v2(&self, ids: &[&str], window: Window) -> Result<History<FrameV2>, NeonError> {
        if self.org_id().is_none() {
            return Err(NeonError::Misconfigured(String::from(
                "Neon's history of data transfer is asked for by organisation; set NEON_ORG_ID.",
            )));
        }
        self.history(Route::CONSUMPTION_V2, V2_METRICS, ids, window).await
    }

    /// Reads pages until all that was asked for was seen or the history ends.
    async fn history<F: Record>(
        &self,
        route: Route,
        metrics: &'static str,
        ids: &[&str],
        window: Window,
    ) -> Result<History<F>, NeonError> {
        if ids.is_empty() || ids.len() > MAX_IDS {
            // Without ids Neon would answer for the whole organisation.
            return Err(NeonError::Misconfigured(format!(
                "consumption is asked for 1 to {MAX_IDS} projects at a time"
            )));
        }
        let mut missing: HashSet<&str> = ids.iter().copied().collect();
        let mut history = History { projects: Vec::new(), unreadable: HashSet::new() };
        let mut cursor = None::<String>;
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
            let answer: Box<RawValue> = self.call(call).await?;
            let came_with = cursor.take();
            cursor = self.read_history(route, &answer, came_with.as_deref(), &mut history)?;
            let read = history.projects.iter().map(|project| &project.project_id).chain(&history.unreadable);
            read.for_each(|id| _ = missing.remove(id.as_str()));
            if cursor.is_none() || missing.is_empty() {
                return Ok(history);
            }
        }
        Err(NeonError::Unreadable { detail: String::from("the history of consumption does not end") })
    }

    /// Adds a page. Answers the cursor of the next one; the end is: no cursor, an empty page, or the cursor that we came with. A short page is not.
    fn read_history<F: Record>(
        &self,
        route: Route,
        answer: &RawValue,
        came_with: Option<&str>,
        history: &mut History<F>,
    ) -> Result<Option<String>, NeonError> {
        let mut fields = Fields::of(answer)?;
        let values = fields.values("projects").ok_or_else(|| no_list("projects"))?;
        let cursor = fields.inner("pagination").and_then(|mut pagination| pagination.text("cursor"));
        for reading in self.readings::<ProjectConsumption<F>>(route, &values) {
            match (reading.value, reading.id) {
                (Some(project), _) => history.projects.push(project),
                (None, Some(id)) => _ = history.unreadable.insert(id),
                // It may be anybody's: who is missing from the answer may not have used nothing.
                (None, None) => {
                    return Err(NeonError::Unreadable { detail: String::from("a record does not say whose it is") });
                }
            }
        }
        let is_end = |cursor: &String| cursor.is_empty() || values.is_empty() || came_with == Some(cursor);
        Ok(cursor.filter(|cursor| !is_end(cursor)))
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
