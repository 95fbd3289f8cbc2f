//! What the databases of a pool are made of, and how far a change of it has come.

use serde::{Deserialize, Serialize};

use super::{AppError, Time};

/// Neon's largest compute, and its largest span of autoscaling.
const LARGEST_CU: f64 = 56.0;
const WIDEST_SPAN_CU: f64 = 8.0;
/// A fixed size may be larger than what scales.
const LARGEST_SCALING_CU: f64 = 16.0;

/// The region is not in it: a pool stays where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Neon cannot change it in place: databases are replaced.
    pub pg_version: i32,
    pub min_cu: f64,
    pub max_cu: f64,
    /// 0 is Neon's default, -1 never.
    pub suspend_timeout_seconds: i32,
    /// The plan whose quotas a database is born with.
    pub birth_plan: String,
}

/// Unclaimed databases on their way to the newest template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollOut {
    pub since: Time,
    /// Available ones that Neon has confirmed to be as the template says.
    pub done: i64,
    /// All that are available.
    pub of: i64,
}

/// A pool's template, its revision, and the roll-out that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateStatus {
    pub template: Template,
    pub revision: i32,
    pub roll_out: Option<RollOut>,
    /// The plans there are to choose from.
    pub plans: Vec<String>,
}

/// A template as it is being written: the fields of its form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateDraft {
    pub pg_version: String,
    pub min_cu: String,
    pub max_cu: String,
    /// In seconds.
    pub suspend_timeout: String,
    pub birth_plan: String,
}

impl TemplateDraft {
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(&self) -> Result<Template, AppError> {
        let cu = |field: &str, text: &str| {
            text.trim().parse().map_err(|_| AppError::invalid(field, "Write a compute size such as 0.25 or 2."))
        };
        let template = Template {
            pg_version: self
                .pg_version
                .trim()
                .parse()
                .map_err(|_| AppError::invalid("pg_version", "Choose a Postgres version from 14 to 18."))?,
            min_cu: cu("min_cu", &self.min_cu)?,
            max_cu: cu("max_cu", &self.max_cu)?,
            suspend_timeout_seconds: self
                .suspend_timeout
                .trim()
                .parse()
                .map_err(|_| AppError::invalid("suspend_timeout", "Write the timeout in whole seconds."))?,
            birth_plan: self.birth_plan.trim().to_owned(),
        };
        template.check().map(|()| template)
    }
}

impl From<&Template> for TemplateDraft {
    fn from(template: &Template) -> Self {
        Self {
            pg_version: template.pg_version.to_string(),
            min_cu: template.min_cu.to_string(),
            max_cu: template.max_cu.to_string(),
            suspend_timeout: template.suspend_timeout_seconds.to_string(),
            birth_plan: template.birth_plan.clone(),
        }
    }
}

impl Template {
    /// # Errors
    /// `Invalid`, naming the field of the form.
    pub fn check(&self) -> Result<(), AppError> {
        if !(14..=18).contains(&self.pg_version) {
            return Err(AppError::invalid("pg_version", "Choose a Postgres version from 14 to 18."));
        }
        check_compute(self.min_cu, self.max_cu)?;
        check_suspend_timeout("suspend_timeout", self.suspend_timeout_seconds)?;
        Ok(())
    }

    /// Whether databases made by the other must be replaced to become like this.
    pub fn replaces(&self, other: &Self) -> bool {
        self.pg_version != other.pg_version
    }

    /// Field, before and after of what differs.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let timeout = |seconds: i32| match seconds {
            0 => String::from("Neon's default"),
            -1 => String::from("never"),
            seconds => super::duration(seconds.into()),
        };
        [
            ("Postgres", self.pg_version.to_string(), other.pg_version.to_string()),
            ("smallest compute", format!("{} CU", self.min_cu), format!("{} CU", other.min_cu)),
            ("largest compute", format!("{} CU", self.max_cu), format!("{} CU", other.max_cu)),
            ("suspend after", timeout(self.suspend_timeout_seconds), timeout(other.suspend_timeout_seconds)),
            ("birth plan", self.birth_plan.clone(), other.birth_plan.clone()),
        ]
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .collect()
    }
}

/// What Neon makes of computes.
pub(super) fn check_compute(min_cu: f64, max_cu: f64) -> Result<(), AppError> {
    let is_size = |cu: f64| (0.25..=LARGEST_CU).contains(&cu) && (cu * 4.0).fract() == 0.0;
    if !is_size(min_cu) {
        return Err(AppError::invalid("min_cu", "Neon's computes have 0.25 to 56 CU, in quarters."));
    }
    if !is_size(max_cu) || max_cu < min_cu {
        return Err(AppError::invalid("max_cu", "The largest compute must not be smaller than the smallest."));
    }
    let scales = max_cu > min_cu;
    if scales && (max_cu - min_cu > WIDEST_SPAN_CU || max_cu > LARGEST_SCALING_CU) {
        return Err(AppError::invalid("max_cu", "Neon scales over 8 CU at most, up to 16 CU."));
    }
    Ok(())
}

/// And after how long it lets them stop.
pub(super) fn check_suspend_timeout(field: &str, seconds: i32) -> Result<(), AppError> {
    if matches!(seconds, -1 | 0 | 60..=604_800) {
        return Ok(());
    }
    Err(AppError::invalid(field, "Choose 60 to 604,800 seconds; 0 is Neon's default, -1 is never."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pg_version: &str, min_cu: &str, max_cu: &str, suspend_timeout: &str) -> Result<Template, AppError> {
        let [pg_version, min_cu, max_cu, suspend_timeout, birth_plan] =
            [pg_version, min_cu, max_cu, suspend_timeout, "free"].map(str::to_owned);
        TemplateDraft { pg_version, min_cu, max_cu, suspend_timeout, birth_plan }.parse()
    }

    #[test]
    fn a_template_keeps_to_what_neon_has() {
        assert!(parse("17", "0.25", "2", "300").is_ok());
        assert!(parse("18", "56", "56", "-1").is_ok());
        let field = |pg, min, max, timeout| match parse(pg, min, max, timeout) {
            Err(AppError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field("13", "1", "1", "0"), "pg_version");
        assert_eq!(field("17", "0.3", "1", "0"), "min_cu");
        assert_eq!(field("17", "NaN", "1", "0"), "min_cu");
        assert_eq!(field("17", "2", "1", "0"), "max_cu");
        assert_eq!(field("17", "1", "10", "0"), "max_cu");
        assert_eq!(field("17", "1", "1", "30"), "suspend_timeout");
    }

    #[test]
    fn what_the_form_shows_reads_back_as_the_template() {
        let template = parse("17", "0.25", "8", "-1").expect("valid");
        assert_eq!(TemplateDraft::from(&template).parse(), Ok(template));
    }

    #[test]
    fn only_what_differs_is_told_and_only_the_version_replaces() {
        let old = parse("17", "0.25", "1", "0").expect("valid");
        let new = Template { max_cu: 2.0, suspend_timeout_seconds: 90, ..old.clone() };
        let expected = [
            ("largest compute", String::from("1 CU"), String::from("2 CU")),
            ("suspend after", String::from("Neon's default"), String::from("1 min 30 s")),
        ];
        assert_eq!(old.differences(&new), expected);
        assert!(!new.replaces(&old));
        assert!(Template { pg_version: 18, ..old.clone() }.replaces(&old));
    }
}
