//! Organisations: every project is in one.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::Plan;
use crate::clock::Instant;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct Organization {
    pub id: String,
    pub name: String,
    pub plan: Plan,
    /// How many projects it may have; any number if absent.
    #[serde(default)]
    pub projects_limit: Option<i64>,
    /// Where its projects may lie; anywhere if empty.
    #[serde(default)]
    pub regions: Vec<String>,
    /// When the emulator first knew it.
    #[serde(skip)]
    pub created_at: Instant,
}

impl Organization {
    /// One of the Scale plan, with room for any number of projects.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            plan: Plan::default(),
            projects_limit: None,
            regions: Vec::new(),
            created_at: Instant::default(),
        }
    }

    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub fn on(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// With room for so many projects.
    pub fn holding(mut self, projects: i64) -> Self {
        self.projects_limit = Some(projects);
        self
    }

    pub fn allows_region(&self, region_id: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|allowed| allowed == region_id)
    }

    /// What cannot be right about it.
    pub fn fault(&self) -> Option<&'static str> {
        let is_of_an_id = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        if !(1..=60).contains(&self.id.len()) || !self.id.bytes().all(is_of_an_id) {
            return Some("an id has 1 to 60 lower-case letters, digits and dashes");
        }
        if self.name.is_empty() || self.name.contains('\0') {
            return Some("it needs a name");
        }
        self.projects_limit.is_some_and(|limit| limit < 0).then_some("its limit of projects must not be negative")
    }
}

/// `ID[:NAME[:PLAN[:MAX_PROJECTS]]]`; what is left empty is as by default.
impl FromStr for Organization {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(4, ':').map(str::trim);
        let mut organization = Self::new(parts.next().unwrap_or_default());
        if let Some(name) = parts.next().filter(|name| !name.is_empty()) {
            organization.name = name.into();
        }
        if let Some(word) = parts.next().filter(|word| !word.is_empty()) {
            let known = Plan::ALL.map(Plan::word).join(", ");
            organization.plan = Plan::named(word).ok_or(format!("there is no plan {word:?}: choose one of {known}"))?;
        }
        if let Some(limit) = parts.next().filter(|limit| !limit.is_empty()) {
            let limit = limit.parse().map_err(|_| format!("{limit:?} is no number of projects"))?;
            organization.projects_limit = Some(limit);
        }
        match organization.fault() {
            Some(fault) => Err(fault.into()),
            None => Ok(organization),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_is_written_in_up_to_four_parts() {
        assert_eq!("org-a-1".parse(), Ok(Organization::new("org-a-1")));
        let paid = Organization::new("org-b-2").named("Paying customers").on(Plan::AgentPaid).holding(30_000);
        assert_eq!("org-b-2:Paying customers:agent-paid:30000".parse(), Ok(paid));
        assert_eq!("org-c-3::free".parse(), Ok(Organization::new("org-c-3").on(Plan::Free)));
    }

    #[test]
    fn what_cannot_be_right_is_said() {
        for (text, words) in [
            ("", "an id has 1 to 60"),
            ("Org A", "an id has 1 to 60"),
            ("org-a:A:enterprise", "choose one of free, agent-free, launch, scale, agent-paid"),
            ("org-a:A:free:many", "is no number of projects"),
            ("org-a:A:free:-1", "must not be negative"),
        ] {
            let told = text.parse::<Organization>().unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
