//! What a change of a project leaves behind besides its row: real use by the hour, and spans without modelled use.

use std::collections::BTreeMap;

use chrono::{DurationRound, TimeDelta};
use serde::Serialize;
use sqlx::FromRow;

use crate::clock::Instant;

#[derive(Debug, Clone, Default)]
pub struct Journal {
    pub hours: BTreeMap<Instant, HourOfUse>,
    pub silences: Vec<Silence>,
}

/// Real use in an hour. Field names are column names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, FromRow)]
pub struct HourOfUse {
    pub project_id: String,
    pub hour: Instant,
    pub active_seconds: f64,
    /// CU seconds.
    pub compute_seconds: f64,
    pub written_bytes: i64,
    pub transfer_bytes: i64,
}

/// A span for which the model does not count. Field names are column names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Silence {
    pub project_id: String,
    pub since: Instant,
    pub until: Instant,
}

impl Journal {
    /// The hour that a moment falls into.
    pub fn hour(&mut self, project_id: &str, at: Instant) -> &mut HourOfUse {
        let hour = hour_of(at);
        self.hours.entry(hour).or_insert_with(|| HourOfUse {
            project_id: project_id.into(),
            hour,
            ..HourOfUse::default()
        })
    }

    /// A run of a compute, shared out among the hours that it touches.
    pub fn run(&mut self, project_id: &str, from: Instant, until: Instant, cu: f64) {
        let mut at = from;
        while at < until {
            let end = (hour_of(at) + TimeDelta::hours(1)).min(until);
            let seconds = (end - at).as_seconds_f64();
            let hour = self.hour(project_id, at);
            hour.active_seconds += seconds;
            hour.compute_seconds += seconds * cu;
            at = end;
        }
    }
}

fn hour_of(at: Instant) -> Instant {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}
