//! One rule: which calls, how often, and what happens to them.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Call, ListPage, ProjectShare};
use crate::clock::Instant;
use crate::route::Route;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// HTTP method; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Template of the path, as `/projects/{project_id}`; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Only this share of the projects; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<ProjectShare>,
    /// Only this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// From 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How many more calls it strikes; no end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many more sweeps of `GET /projects` it strikes. A sweep begins with a page without cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweeps: Option<u32>,
    /// The sweep that goes on is one of them.
    #[serde(skip)]
    in_sweep: bool,
    /// How long it strikes from when it is set, by the emulator's clock. Shown as `until` from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u32>,
    /// When it ends, by the emulator's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// How many calls it has struck.
    #[serde(default)]
    pub struck: u64,
    #[serde(flatten)]
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// An error in Neon's shape, except 524, which is the HTML page of the network in front of Neon.
    Status {
        status: u16,
        /// Sent as `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u32>,
        /// The error comes although the work is done.
        #[serde(default)]
        after_work: bool,
    },
    /// The call takes longer; then it goes on.
    Delay { delay_ms: u64 },
    /// The work is done; half of the answer's body arrives.
    TruncatedJson,
    /// The work is done; a page of HTML comes in place of the JSON, with status 200.
    Html,
    /// The work is done; the connection is reset in place of an answer.
    AnswerLost,
    /// `GET /projects` leaves projects out, as if they were not there: the pages are full, the cursors lead on.
    Missing,
    /// `GET /projects` answers with a partial page: these projects are in `unavailable_project_ids` only.
    Unavailable,
    /// `GET /projects` does not know a new project until it is this old.
    ListLag { list_lag_seconds: u32 },
}

fn always() -> f64 {
    1.0
}

impl Rule {
    /// Strikes every call of every route.
    pub fn new(fault: Fault) -> Self {
        Self {
            method: None,
            route: None,
            projects: None,
            project_id: None,
            probability: always(),
            times: None,
            sweeps: None,
            in_sweep: false,
            for_seconds: None,
            until: None,
            struck: 0,
            fault,
        }
    }

    /// Only for this method and this template of a path.
    pub fn on(mut self, method: &str, route: &str) -> Self {
        self.method = Some(method.into());
        self.route = Some(route.into());
        self
    }

    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Only for the next calls.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only for this share of the projects, always the same ones.
    pub fn for_share(mut self, share: f64, seed: u64) -> Self {
        self.projects = Some(ProjectShare { share, seed });
        self
    }

    /// Only for this project.
    pub fn for_project(mut self, project_id: &str) -> Self {
        self.project_id = Some(project_id.into());
        self
    }

    /// Only for the next sweeps of the list of projects.
    pub fn for_sweeps(mut self, sweeps: u32) -> Self {
        self.sweeps = Some(sweeps);
        self
    }

    /// Only for so long from when it is set, in whole seconds of the emulator's clock.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.for_seconds = Some(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        self
    }

    /// The duration begins.
    pub(super) fn set_at(mut self, now: Instant) -> Self {
        if let Some(seconds) = self.for_seconds.take() {
            self.until = Some(now + TimeDelta::seconds(seconds.into()));
        }
        self
    }

    /// Whether it is about the project with this id.
    pub(super) fn is_about(&self, id: &str) -> bool {
        self.project_id.as_ref().is_none_or(|own| own == id) && self.projects.is_none_or(|share| share.contains(id))
    }

    /// Whether it can strike this call: lies go with the list of projects alone, and a rule about projects with
    /// calls that concern one.
    pub(super) fn concerns(&self, call: &Call<'_>, now: Instant) -> bool {
        let is_about_some = self.project_id.is_some() || self.projects.is_some();
        self.is_on(call.route)
            && self.until.is_none_or(|until| now < until)
            && if self.fault.is_lie() {
                call.page.is_some()
            } else {
                !is_about_some || call.project.as_ref().is_some_and(|project| self.is_about(project))
            }
    }

    fn is_on(&self, route: &Route) -> bool {
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&route.method))
            && self.route.as_ref().is_none_or(|template| *template == route.template)
    }

    /// Whether it strikes this time, which is then counted.
    pub(super) fn strikes(&mut self, call: &Call<'_>) -> bool {
        if !self.is_in_its_sweep(call.page)
            || self.times == Some(0)
            || !rand::random_bool(self.probability.clamp(0.0, 1.0))
        {
            return false;
        }
        self.times = self.times.map(|times| times - 1);
        self.struck += 1;
        true
    }

    fn is_in_its_sweep(&mut self, page: Option<ListPage>) -> bool {
        let Some(left) = self.sweeps else { return true };
        if page == Some(ListPage::First) {
            self.in_sweep = left > 0;
            self.sweeps = Some(left.saturating_sub(1));
        }
        self.in_sweep && matches!(page, Some(ListPage::First | ListPage::Next))
    }
}

impl Fault {
    /// A status in place of any work.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after_seconds: None, after_work: false }
    }

    /// What a client sees of a project whose operations run, by Neon's status 423.
    pub fn locked() -> Self {
        Self::status(423)
    }

    /// Changes what a list of projects says.
    pub(super) fn is_lie(&self) -> bool {
        matches!(self, Self::Missing | Self::Unavailable | Self::ListLag { .. })
    }

    /// Whether the work is done nonetheless.
    pub(super) fn spares_the_work(&self) -> bool {
        !matches!(self, Self::Status { after_work: false, .. })
    }
}
