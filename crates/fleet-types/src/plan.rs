//! Plans: what the databases of an owner are given, how a change of it reaches them, and where one of them differs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AppError, BlockReason, Quota, QuotaChange,
    template::{check_compute, check_suspend_timeout},
    text,
};

/// More than any project can hold, and small enough to be exact in every JSON reader.
pub const LARGEST_LIMIT: i64 = 1_000_000_000_000_000;
/// Neon's longest history: 30 days.
const LONGEST_HISTORY_SECONDS: i32 = 2_592_000;
/// What a quota may be raised to for a while, in per cent of the plan's.
const RELIEF_PERCENT: std::ops::RangeInclusive<i32> = 101..=1_000;
/// How long a plan's name, and its label, may be.
const LONGEST_NAME: usize = 32;
const LONGEST_LABEL: usize = 100;

/// What a plan gives to its members: the claimed databases of the owners who have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanTerms {
    /// For people.
    #[cfg_attr(feature = "openapi", schema(example = "Free"))]
    pub label: String,
    #[serde(default)]
    pub quota: Quota,
    /// Compute units, together with `max_cu`. Null is what the pool's template says.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.25, maximum = 56))]
    pub min_cu: Option<f64>,
    #[cfg_attr(feature = "openapi", schema(minimum = 0.25, maximum = 56))]
    pub max_cu: Option<f64>,
    /// Seconds without a connection after which the compute stops: 0 is Neon's default, -1 never. Null is what the pool's template says.
    #[cfg_attr(feature = "openapi", schema(minimum = -1, maximum = 604_800))]
    pub suspend_timeout_seconds: Option<i32>,
    /// How far back Neon can restore. Null leaves it to Neon.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 2_592_000))]
    pub history_retention_seconds: Option<i32>,
    /// The cap of relief: to how many per cent of the plan's a quota may be raised for a day. Null for no relief.
    #[cfg_attr(feature = "openapi", schema(minimum = 101, maximum = 1_000))]
    pub relief_percent: Option<i32>,
}

/// What of a plan shall be different: `None` stays, `Some(None)` is unlimited, or nothing that the plan says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanChange {
    pub label: Option<String>,
    pub quota: QuotaChange,
    pub min_cu: Option<Option<f64>>,
    pub max_cu: Option<Option<f64>>,
    pub suspend_timeout_seconds: Option<Option<i32>>,
    pub history_retention_seconds: Option<Option<i32>>,
    pub relief_percent: Option<Option<i32>>,
}

impl PlanChange {
    pub fn applied_to(&self, terms: &PlanTerms) -> PlanTerms {
        PlanTerms {
            label: self.label.clone().unwrap_or_else(|| terms.label.clone()),
            quota: self.quota.applied_to(terms.quota),
            min_cu: self.min_cu.unwrap_or(terms.min_cu),
            max_cu: self.max_cu.unwrap_or(terms.max_cu),
            suspend_timeout_seconds: self.suspend_timeout_seconds.unwrap_or(terms.suspend_timeout_seconds),
            history_retention_seconds: self.history_retention_seconds.unwrap_or(terms.history_retention_seconds),
            relief_percent: self.relief_percent.unwrap_or(terms.relief_percent),
        }
    }
}

/// One field of a plan, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TermChange {
    #[cfg_attr(feature = "openapi", schema(example = "logical_size_bytes"))]
    pub field: String,
    /// Null for no limit.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub before: Value,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub after: Value,
}

impl PlanTerms {
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn check(&self) -> Result<(), AppError> {
        text::label(&self.label, 1..=LONGEST_LABEL).map_err(|error| AppError::invalid("label", error.to_string()))?;
        for (field, limit) in self.quota.limits() {
            if limit.is_some_and(|limit| !(1..=LARGEST_LIMIT).contains(&limit)) {
                let message = format!("Write 1 to {LARGEST_LIMIT}, or null for no limit.");
                return Err(AppError::invalid(format!("quota.{field}"), message));
            }
        }
        match (self.min_cu, self.max_cu) {
            (None, None) => {}
            (Some(min_cu), Some(max_cu)) => check_compute(min_cu, max_cu)?,
            _ => return Err(AppError::invalid("max_cu", "Set min_cu and max_cu together, or neither.")),
        }
        if let Some(seconds) = self.suspend_timeout_seconds {
            check_suspend_timeout("suspend_timeout_seconds", seconds)?;
        }
        if self.history_retention_seconds.is_some_and(|seconds| !(0..=LONGEST_HISTORY_SECONDS).contains(&seconds)) {
            let message = format!("Write 0 to {LONGEST_HISTORY_SECONDS} seconds, or null to leave it to Neon.");
            return Err(AppError::invalid("history_retention_seconds", message));
        }
        if self.relief_percent.is_some_and(|percent| !RELIEF_PERCENT.contains(&percent)) {
            return Err(AppError::invalid("relief_percent", "Write 101 to 1000 per cent, or null for no relief."));
        }
        Ok(())
    }

    /// What differs in the other.
    pub fn differences(&self, other: &Self) -> Vec<TermChange> {
        let fields = |terms: &Self| {
            let rest = [
                ("label", json!(terms.label)),
                ("min_cu", json!(terms.min_cu)),
                ("max_cu", json!(terms.max_cu)),
                ("suspend_timeout_seconds", json!(terms.suspend_timeout_seconds)),
                ("history_retention_seconds", json!(terms.history_retention_seconds)),
                ("relief_percent", json!(terms.relief_percent)),
            ];
            let limits = terms.quota.limits().map(|(name, limit)| (name, json!(limit)));
            limits.into_iter().chain(rest).collect::<Vec<_>>()
        };
        let pairs = fields(self).into_iter().zip(fields(other));
        pairs
            .filter(|((_, before), (_, after))| before != after)
            .map(|((field, before), (_, after))| TermChange { field: field.to_owned(), before, after })
            .collect()
    }

    /// Whether members are given something else by the other.
    pub fn gives_otherwise_than(&self, other: &Self) -> bool {
        self.differences(other).iter().any(|change| !matches!(change.field.as_str(), "label" | "relief_percent"))
    }
}

/// The name as it counts.
///
/// # Errors
/// `Invalid`, with what a name may be.
pub fn plan_name(name: &str) -> Result<String, AppError> {
    let is_right = name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_right {
        return Ok(name.to_owned());
    }
    Err(AppError::invalid(
        "name",
        "A plan's name begins with a lower-case letter, then letters, digits and hyphens, 32 at most.",
    ))
}

/// A plan as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    #[cfg_attr(feature = "openapi", schema(example = "free"))]
    pub name: String,
    /// Rises with every change. Send it along as `revision` when you change a plan that you have read.
    pub version: i32,
    #[serde(flatten)]
    pub terms: PlanTerms,
    pub changed_at: DateTime<Utc>,
    /// Pools whose databases are born with it.
    pub pools: Vec<String>,
    /// The latest change on its way to the members.
    pub roll_out: Option<PlanRollOut>,
}

/// A version of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanVersion {
    pub version: i32,
    pub at: DateTime<Utc>,
    /// An operator's e-mail, an API token's name, or `command line`.
    pub actor: String,
    /// `console`, `api` or `cli`.
    pub via: String,
    pub reason: Option<String>,
    pub terms: PlanTerms,
}

/// A plan with its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanDetail {
    #[serde(flatten)]
    pub plan: Plan,
    pub owners: i64,
    /// Claimed databases that have it: its members.
    pub databases: i64,
    /// Newest first, 50 at most.
    pub versions: Vec<PlanVersion>,
}

/// How far a change of a plan has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanRollOut {
    /// Of the plan.
    pub version: i32,
    pub state: RollOutState,
    pub began_at: DateTime<Utc>,
    /// Databases that were to follow when it began.
    pub members: i64,
    /// Those whose settings have been brought to it since; the engine takes them to Neon.
    pub done: i64,
    /// Of the plan's databases, those whose settings Neon has not confirmed yet; counted up to 1,000.
    pub unconfirmed: i64,
    pub stopped_by: Option<String>,
    pub stopped_reason: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RollOutState {
    Running,
    /// By a person, or by itself because Neon refuses the change or this ledger was found to be old; until somebody resumes it.
    Stopped,
    Done,
}

impl RollOutState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

impl PlanRollOut {
    /// `running: 40 of 300, 12 not confirmed by Neon`.
    pub fn in_words(&self) -> String {
        let of = self.members.max(self.done);
        let waiting = if self.unconfirmed == 0 || self.state == RollOutState::Done {
            String::new()
        } else {
            format!(", {} not confirmed by Neon", self.unconfirmed)
        };
        format!("version {} {}: {} of {of}{waiting}", self.version, self.state.as_str(), self.done)
    }
}

/// What a change does to the databases that it is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Effect {
    /// Databases that the change is for.
    pub databases: i64,
    /// Those that get other settings.
    pub changing: i64,
    /// Those that keep something because of an override.
    pub overridden: i64,
    /// Those that would be blocked at once by what they have used, as far as it is known, and are not blocked now.
    pub blocked: i64,
    /// Those that are blocked now and would not be.
    pub freed: i64,
    /// A few of those that change, those that would be blocked first.
    pub sample: Vec<AffectedDatabase>,
}

/// A database that a change reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AffectedDatabase {
    pub id: Uuid,
    pub owner_id: String,
    pub email: String,
    /// What would block it afterwards.
    pub blocked_by: Option<BlockReason>,
}

/// A change of a plan: what it changes, and for whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanChanged {
    /// Nothing was saved: this is what the change would do.
    pub dry_run: bool,
    /// As it is now, or would be.
    pub plan: Plan,
    pub changes: Vec<TermChange>,
    pub effect: Effect,
}

/// Where a database differs from its plan, because somebody wanted it to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Override {
    /// The name of a limit, or `suspend_timeout_seconds`.
    #[cfg_attr(feature = "openapi", schema(example = "compute_time_seconds"))]
    pub field: String,
    /// Null for no limit.
    pub value: Option<i64>,
    /// What the plan says.
    pub plan_value: Option<i64>,
    pub set_at: DateTime<Utc>,
    /// Then the plan's value returns by itself; null: never.
    pub until: Option<DateTime<Utc>>,
    /// An operator's e-mail, an API token's name, or `command line`.
    pub actor: String,
    pub via: String,
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> PlanTerms {
        PlanTerms { label: String::from("Free"), ..PlanTerms::default() }
    }

    #[test]
    fn a_plan_keeps_to_what_neon_has_and_names_what_is_wrong() {
        let field = |terms: PlanTerms| match terms.check() {
            Err(AppError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(terms().check(), Ok(()));
        assert_eq!(field(PlanTerms::default()), "label");
        let quota = Quota { written_data_bytes: Some(0), ..Quota::default() };
        assert_eq!(field(PlanTerms { quota, ..terms() }), "quota.written_data_bytes");
        assert_eq!(field(PlanTerms { min_cu: Some(1.0), ..terms() }), "max_cu");
        assert_eq!(field(PlanTerms { min_cu: Some(2.0), max_cu: Some(1.0), ..terms() }), "max_cu");
        assert_eq!(field(PlanTerms { suspend_timeout_seconds: Some(30), ..terms() }), "suspend_timeout_seconds");
        assert_eq!(field(PlanTerms { history_retention_seconds: Some(-1), ..terms() }), "history_retention_seconds");
        assert_eq!(field(PlanTerms { relief_percent: Some(100), ..terms() }), "relief_percent");
    }

    #[test]
    fn a_label_is_for_people_and_a_limit_for_members() {
        let renamed = PlanTerms { label: String::from("Starter"), relief_percent: Some(150), ..terms() };
        assert!(!terms().gives_otherwise_than(&renamed));
        let change = PlanChange {
            quota: QuotaChange { data_transfer_bytes: Some(Some(5)), ..QuotaChange::default() },
            ..PlanChange::default()
        };
        let smaller = change.applied_to(&renamed);
        assert!(renamed.gives_otherwise_than(&smaller));
        let expected =
            [TermChange { field: String::from("data_transfer_bytes"), before: Value::Null, after: json!(5) }];
        assert_eq!(renamed.differences(&smaller), expected);
    }

    #[test]
    fn a_name_is_one_that_an_address_can_hold() {
        assert!(plan_name("pro-2").is_ok());
        for wrong in ["", "Pro", "2pro", "a b", "a\0", "é", "p".repeat(33).as_str()] {
            assert!(plan_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
