//! Lists that lie: projects that a page of `GET /projects` leaves out, or names without describing them.

use chrono::TimeDelta;

use super::{Fault, Rule};
use crate::clock::Instant;
use crate::model::Project;

/// What the rules do to one page, in their order. Nothing, mostly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lies(pub(super) Vec<Rule>);

impl Lies {
    /// Whether every project is shown that there is.
    pub fn hide_nothing(&self) -> bool {
        !self.0.iter().any(|rule| matches!(rule.fault, Fault::Missing | Fault::ListLag { .. }))
    }

    /// Left out without a word.
    pub fn hide(&self, project: &Project, now: Instant) -> bool {
        self.0.iter().filter(|rule| rule.is_about(&project.id)).any(|rule| match rule.fault {
            Fault::Missing => true,
            Fault::ListLag { list_lag_seconds } => {
                now - project.created_at < TimeDelta::seconds(list_lag_seconds.into())
            }
            _ => false,
        })
    }

    /// Named in `unavailable_project_ids` only.
    pub fn withhold(&self, id: &str) -> bool {
        self.0.iter().any(|rule| rule.fault == Fault::Unavailable && rule.is_about(id))
    }
}
