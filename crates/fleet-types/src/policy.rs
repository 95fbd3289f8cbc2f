//! How a pool finds its own target: hours of cover at a chosen rate, between a floor and a ceiling, in bounded steps.

use serde::{Deserialize, Serialize};

use super::{AppError, QueryReader, Time, duration, grouped};

/// The largest target a pool may have.
pub const LARGEST_TARGET: i32 = 100_000;
/// 30 days.
const LONGEST_COVER_HOURS: f64 = 720.0;
const LONGEST_WAIT_MINUTES: i32 = 43_200;
/// Characters of a field of the form.
const LONGEST_FIELD: usize = 40;

/// The rate of claims that the cover is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizingRate {
    /// The last hour's.
    Current,
    /// That of an hour that only one in twenty exceeds.
    #[default]
    P95,
    /// The busiest hour's.
    Worst,
}

impl SizingRate {
    pub const ALL: [Self; 3] = [Self::Current, Self::P95, Self::Worst];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::P95 => "p95",
            Self::Worst => "worst",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rate| rate.as_str() == text)
    }

    /// As it reads after "at".
    pub fn label(self) -> &'static str {
        match self {
            Self::Current => "the current rate",
            Self::P95 => "the p95 rate",
            Self::Worst => "the worst-hour rate",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How long claims go on if Neon stops creating.
    pub cover_hours: f64,
    pub rate: SizingRate,
    pub floor: i32,
    pub ceiling: i32,
    /// By how much one decision may change the target.
    pub largest_step: i32,
    /// No decrease sooner than this after the last change of the target.
    pub decrease_after_minutes: i32,
}

/// A policy as it stands in a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyInForce {
    pub policy: Policy,
    pub set_at: Time,
    pub set_by: String,
}

impl Policy {
    /// # Errors
    /// `Invalid`, naming the field of [`PolicyDraft`].
    pub fn check(&self) -> Result<(), AppError> {
        let refuse = |field: &str, message: String| Err(AppError::invalid(field, message));
        if !(self.cover_hours > 0.0 && self.cover_hours <= LONGEST_COVER_HOURS) {
            return refuse("cover", format!("Write the hours of cover: more than 0, at most {LONGEST_COVER_HOURS}."));
        }
        if !(0..=LARGEST_TARGET).contains(&self.floor) {
            return refuse("floor", format!("Choose a floor from 0 to {}.", grouped(LARGEST_TARGET.into())));
        }
        if !(self.floor..=LARGEST_TARGET).contains(&self.ceiling) {
            return refuse(
                "ceiling",
                format!(
                    "Choose a ceiling from the floor ({}) to {}.",
                    grouped(self.floor.into()),
                    grouped(LARGEST_TARGET.into())
                ),
            );
        }
        if !(1..=LARGEST_TARGET).contains(&self.largest_step) {
            return refuse("step", String::from("Choose a largest step of at least 1."));
        }
        if !(0..=LONGEST_WAIT_MINUTES).contains(&self.decrease_after_minutes) {
            return refuse("wait", format!("Write the minutes before a decrease: 0 to {LONGEST_WAIT_MINUTES}."));
        }
        Ok(())
    }

    /// One sentence without its full stop: `2 h of cover at the p95 rate, 30 to 400 databases, …`.
    pub fn in_words(&self) -> String {
        format!(
            "{} of cover at {}, between {} and {} databases, at most {} a step, no decrease within {} of a change",
            cover_text(self.cover_hours),
            self.rate.label(),
            grouped(self.floor.into()),
            grouped(self.ceiling.into()),
            grouped(self.largest_step.into()),
            duration(i64::from(self.decrease_after_minutes) * 60),
        )
    }
}

/// `2 h`, `1 h 30 min`.
pub fn cover_text(hours: f64) -> String {
    duration((hours * 3600.0).round() as i64)
}

/// A policy as it is being written: the fields of its form, and of the URL that shows what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyDraft {
    /// Hours, as `4` or `0.5`.
    pub cover: String,
    pub rate: String,
    pub floor: String,
    pub ceiling: String,
    pub step: String,
    /// Minutes before a decrease.
    pub wait: String,
}

impl PolicyDraft {
    /// Name and value of each field, in the order of the form.
    pub fn fields(&self) -> [(&'static str, &str); 6] {
        [
            ("cover", &self.cover),
            ("rate", &self.rate),
            ("floor", &self.floor),
            ("ceiling", &self.ceiling),
            ("step", &self.step),
            ("wait", &self.wait),
        ]
    }

    /// From the query of a URL, as it was written: [`PolicyDraft::parse`] tells what is wrong with a value.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        let mut text = |name| query.text(&[name], LONGEST_FIELD).unwrap_or_default();
        Self {
            cover: text("cover"),
            rate: text("rate"),
            floor: text("floor"),
            ceiling: text("ceiling"),
            step: text("step"),
            wait: text("wait"),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.fields().iter().all(|(_, value)| value.is_empty())
    }

    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(&self) -> Result<Policy, AppError> {
        let cover_hours = self.cover.trim().trim_end_matches('h').trim().parse().map_err(|_| {
            AppError::invalid("cover", "Write the hours of cover as a number: 4, or 0.5 for half an hour.")
        })?;
        let rate = SizingRate::parse(self.rate.trim())
            .ok_or_else(|| AppError::invalid("rate", "Choose a rate: current, p95 or worst."))?;
        let policy = Policy {
            cover_hours,
            rate,
            floor: whole("floor", "the floor", &self.floor)?,
            ceiling: whole("ceiling", "the ceiling", &self.ceiling)?,
            largest_step: whole("step", "the largest step", &self.step)?,
            decrease_after_minutes: whole("wait", "the minutes before a decrease", &self.wait)?,
        };
        policy.check().map(|()| policy)
    }

    /// What a form begins with where there is no policy yet: the target at hand as the floor, room for four times as many.
    pub fn suggested(target: i32) -> Self {
        let target = target.clamp(1, LARGEST_TARGET);
        Self::from(&Policy {
            cover_hours: 4.0,
            rate: SizingRate::P95,
            floor: target,
            ceiling: target.saturating_mul(4).min(LARGEST_TARGET),
            largest_step: (target / 4).max(5),
            decrease_after_minutes: 60,
        })
    }
}

impl From<&Policy> for PolicyDraft {
    fn from(policy: &Policy) -> Self {
        Self {
            cover: policy.cover_hours.to_string(),
            rate: policy.rate.as_str().to_owned(),
            floor: policy.floor.to_string(),
            ceiling: policy.ceiling.to_string(),
            step: policy.largest_step.to_string(),
            wait: policy.decrease_after_minutes.to_string(),
        }
    }
}

fn whole(field: &str, what: &str, text: &str) -> Result<i32, AppError> {
    text.trim()
        .replace(',', "")
        .parse()
        .map_err(|_| AppError::invalid(field, format!("Write {what} as a whole number.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            cover_hours: 0.5,
            rate: SizingRate::Worst,
            floor: 30,
            ceiling: 4_000,
            largest_step: 50,
            decrease_after_minutes: 90,
        }
    }

    fn refused_field(policy: &Policy) -> Option<String> {
        match policy.check() {
            Err(AppError::Invalid { field, .. }) => Some(field),
            _ => None,
        }
    }

    #[test]
    fn what_the_form_shows_reads_back_as_the_policy() {
        assert_eq!(PolicyDraft::from(&policy()).parse(), Ok(policy()));
        assert!(PolicyDraft::suggested(0).parse().is_ok());
        assert!(PolicyDraft::suggested(LARGEST_TARGET).parse().is_ok());
    }

    #[test]
    fn each_field_is_refused_by_its_name() {
        assert_eq!(refused_field(&policy()), None);
        let field = |change: fn(&mut Policy)| {
            let mut wrong = policy();
            change(&mut wrong);
            refused_field(&wrong).unwrap_or_default()
        };
        assert_eq!(field(|policy| policy.cover_hours = 0.0), "cover");
        assert_eq!(field(|policy| policy.cover_hours = f64::NAN), "cover");
        assert_eq!(field(|policy| policy.floor = -1), "floor");
        assert_eq!(field(|policy| policy.ceiling = 29), "ceiling");
        assert_eq!(field(|policy| policy.largest_step = 0), "step");
        assert_eq!(field(|policy| policy.decrease_after_minutes = -1), "wait");
    }

    #[test]
    fn a_policy_reads_as_a_sentence() {
        assert_eq!(
            policy().in_words(),
            "30 min of cover at the worst-hour rate, between 30 and 4,000 databases, at most 50 a step, no decrease within 1 h 30 min of a change"
        );
    }

    #[test]
    fn numbers_may_be_written_with_commas_and_units() {
        let draft =
            PolicyDraft { cover: String::from("4 h"), ceiling: String::from("1,200"), ..PolicyDraft::from(&policy()) };
        let read = draft.parse().expect("readable");
        assert_eq!((read.cover_hours, read.ceiling), (4.0, 1_200));
    }
}
