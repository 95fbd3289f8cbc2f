//! One rule: which calls, how often, and what happens to them.

use serde::{Deserialize, Serialize};

use super::Route;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// HTTP method; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Template of the path, as `/projects/{project_id}`; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// From 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How many more calls it strikes; no end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
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
}

fn always() -> f64 {
    1.0
}

impl Rule {
    /// Strikes every call of every route.
    pub fn new(fault: Fault) -> Self {
        Self { method: None, route: None, probability: always(), times: None, struck: 0, fault }
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

    pub(super) fn concerns(&self, route: &Route) -> bool {
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&route.method))
            && self.route.as_ref().is_none_or(|template| *template == route.template)
    }

    /// Whether it strikes this time, which is then counted.
    pub(super) fn strikes(&mut self) -> bool {
        if self.times == Some(0) || !rand::random_bool(self.probability.clamp(0.0, 1.0)) {
            return false;
        }
        self.times = self.times.map(|times| times - 1);
        self.struck += 1;
        true
    }
}

impl Fault {
    /// A status in place of any work.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after_seconds: None, after_work: false }
    }

    /// Whether the work is done nonetheless.
    pub(super) fn spares_the_work(&self) -> bool {
        !matches!(self, Self::Status { after_work: false, .. })
    }
}
