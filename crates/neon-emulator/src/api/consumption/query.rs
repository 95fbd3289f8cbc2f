//! What a consumption call asks for. Lists come as repeated parameters or with commas.

use axum::http::StatusCode;

use super::granularity::Granularity;
use super::metrics::{Metric, Version};
use crate::api::access::organization_meant;
use crate::api::extract::limit;
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::keys::Caller;
use crate::model::{Organization, Plan};
use crate::unknowns::Unknowns;

const MOST_PROJECTS: usize = 100;
/// The first of March 2024: Neon has nothing older.
const EARLIEST: i64 = 1_709_251_200;

#[derive(Debug)]
pub struct Request {
    pub granularity: Granularity,
    /// The beginning of the first frame.
    pub from: Instant,
    /// Frames begin before this moment.
    pub to: Instant,
    pub metrics: Vec<Metric>,
    pub version: Version,
    pub organization: Organization,
    pub project_ids: Option<Vec<String>>,
    pub limit: i64,
    pub cursor: Option<String>,
}

impl Request {
    pub fn parse(
        pairs: &[(String, String)],
        version: Version,
        context: &Context,
        caller: &Caller,
        now: Instant,
    ) -> Result<Self, ApiError> {
        let one =
            |name: &str| pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v.as_str());
        let required = |name: &str| {
            one(name).ok_or_else(|| ApiError::bad_request(format!("the query parameter {name} is required")))
        };
        let org_id = if version == Version::V2 { Some(required("org_id")?) } else { one("org_id") };
        let organization = organization_meant(context, caller, org_id)?;
        must_have_history(organization.plan, &context.config.unknowns)?;
        let granularity = Granularity::named(required("granularity")?)
            .ok_or_else(|| ApiError::bad_request("granularity must be hourly, daily or monthly"))?;
        let (from, to) = (time("from", required("from")?)?, time("to", required("to")?)?);
        let project_ids = list(pairs, "project_ids");
        if project_ids.len() > MOST_PROJECTS {
            return Err(ApiError::bad_request(format!("project_ids may name up to {MOST_PROJECTS} projects")));
        }
        let page = one("limit").map(str::parse).transpose();
        let request = Self {
            granularity,
            from: granularity.start(from),
            to: if context.config.unknowns.consumption_cuts_last_frame { granularity.start(to) } else { to },
            metrics: version.metrics(&list(pairs, "metrics"))?,
            version,
            organization,
            project_ids: (!project_ids.is_empty()).then_some(project_ids),
            limit: limit(page.map_err(|_| ApiError::bad_request("limit must be a number from 1 to 100"))?, 10, 100)?,
            cursor: one("cursor").map(Into::into),
        };
        request.check_range(now)?;
        Ok(request)
    }

    fn check_range(&self, now: Instant) -> Result<(), ApiError> {
        let earliest = self.granularity.earliest(now);
        let refused = |message| Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, message));
        if self.from < earliest || self.from.timestamp() < EARLIEST {
            return refused("the specified date-time range is outside the boundaries of the specified granularity");
        }
        if self.to < self.from {
            return refused("the specified date-time range ends before it begins");
        }
        Ok(())
    }
}

fn must_have_history(plan: Plan, unknowns: &Unknowns) -> Result<(), ApiError> {
    match plan {
        Plan::Free => {}
        Plan::AgentFree if unknowns.agent_free_has_no_consumption => {}
        _ => return Ok(()),
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "consumption history is not available on your plan"))
}

fn time(name: &str, text: &str) -> Result<Instant, ApiError> {
    // A plus that was not encoded arrives as a blank.
    let text = text.replace(' ', "+");
    text.parse().map_err(|_| ApiError::bad_request(format!("{name} must be a date-time as in RFC 3339")))
}

fn list(pairs: &[(String, String)], name: &str) -> Vec<String> {
    let values = pairs.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(','));
    values.map(str::trim).filter(|value| !value.is_empty()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_both_forms() {
        let pairs = [("a", "1,2"), ("b", "x"), ("a", "3"), ("a", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(list(&pairs, "a"), ["1", "2", "3"]);
    }
}
