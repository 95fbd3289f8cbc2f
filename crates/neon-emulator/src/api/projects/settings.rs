//! The parts that creation and update of a project share.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::checks;
use crate::model::{Project, Quota, Refusal};

/// `settings` of a project. Everything but the quota is stored as given.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Settings {
    pub quota: Option<Quota>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Settings {
    pub fn check(&self) -> Result<(), Refusal> {
        checks::quota(self.quota.as_ref())
    }

    /// Settings that are absent stay as they are.
    pub fn apply(self, project: &mut Project, merges_quota: bool) {
        if let Some(given) = self.quota {
            let quota = if merges_quota { given.merged_over(project.quota.unwrap_or_default()) } else { given };
            project.quota = Some(quota).filter(|quota| !quota.is_empty());
        }
        if self.others.is_empty() {
            return;
        }
        let mut stored = match project.settings.take() {
            Some(Value::Object(stored)) => stored,
            _ => Map::new(),
        };
        stored.extend(self.others);
        project.settings = Some(Value::Object(stored));
    }
}

/// `default_endpoint_settings`: for computes that are made later.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EndpointDefaults {
    pub autoscaling_limit_min_cu: Option<f64>,
    pub autoscaling_limit_max_cu: Option<f64>,
    pub suspend_timeout_seconds: Option<i64>,
    pub pg_settings: Option<Value>,
}

impl EndpointDefaults {
    pub fn apply(self, project: &mut Project) -> Result<(), Refusal> {
        checks::suspend_timeout(self.suspend_timeout_seconds)?;
        let min_cu = self.autoscaling_limit_min_cu.unwrap_or(project.default_min_cu);
        // A lower limit alone above the upper one lifts it.
        let max_cu = self.autoscaling_limit_max_cu.unwrap_or(project.default_max_cu.max(min_cu));
        checks::autoscaling(min_cu, max_cu)?;
        project.default_min_cu = min_cu;
        project.default_max_cu = max_cu;
        project.default_suspend_seconds = self.suspend_timeout_seconds.unwrap_or(project.default_suspend_seconds);
        project.default_pg_settings = self.pg_settings.or(project.default_pg_settings.take());
        Ok(())
    }
}
