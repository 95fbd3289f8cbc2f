//! Peaks that are known beforehand: every week on some days, or once. All in UTC.

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

use super::{AppError, LARGEST_TARGET, Time, grouped, text};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONGEST_LABEL: usize = 100;

/// A schedule of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub id: i64,
    pub peak: Peak,
}

/// A known peak: what it is called, when it is, and what it asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    pub label: String,
    pub when: When,
    pub asks: Asks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On the days of the mask (bit 0 is Monday), between two minutes of the day. An end that is not after the start is on the next day.
    Weekly { weekdays: u8, start_minute: u16, end_minute: u16 },
    /// From the first moment until just before the second.
    Once { starts_at: Time, ends_at: Time },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asks {
    /// So many databases.
    AtLeast(i32),
    /// So many times the rate of the policy.
    Factor(f64),
}

impl When {
    pub fn is_in_force(self, now: Time) -> bool {
        match self {
            Self::Once { starts_at, ends_at } => (starts_at..ends_at).contains(&now),
            Self::Weekly { weekdays, start_minute, end_minute } => {
                let minute = (now.hour() * 60 + now.minute()) as u16;
                let today = now.weekday().num_days_from_monday();
                let has = |day: u32| weekdays & (1 << (day % 7)) != 0;
                if start_minute < end_minute {
                    has(today) && (start_minute..end_minute).contains(&minute)
                } else {
                    has(today) && minute >= start_minute || has(today + 6) && minute < end_minute
                }
            }
        }
    }

    /// A single peak that will not come again.
    pub fn is_over(self, now: Time) -> bool {
        matches!(self, Self::Once { ends_at, .. } if ends_at <= now)
    }

    /// From what a person wrote: days as `Mon-Fri` or `Sat, Sun` or `daily`, a date as `2026-11-27`, or two dates with `to` between; times as `08:00`.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(days: &str, from: &str, to: &str) -> Result<Self, AppError> {
        let (from, to) = (time("from", from)?, time("to", to)?);
        let days = days.trim();
        if let Some(weekdays) = weekdays(days) {
            let minute = |time: NaiveTime| (time.hour() * 60 + time.minute()) as u16;
            return Ok(Self::Weekly { weekdays, start_minute: minute(from), end_minute: minute(to) });
        }
        let (first, last) = days.split_once("to").unwrap_or((days, days));
        let date = |text: &str| text.trim().parse::<NaiveDate>().ok();
        let (Some(first), Some(last)) = (date(first), date(last)) else {
            return Err(AppError::invalid(
                "days",
                "Write days as Mon-Fri or Sat, Sun or daily, or a date as 2026-11-27, or two dates with “to” between.",
            ));
        };
        let starts_at = first.and_time(from).and_utc();
        let mut ends_at = last.and_time(to).and_utc();
        if first == last && ends_at <= starts_at {
            ends_at += TimeDelta::days(1);
        }
        if ends_at <= starts_at || ends_at - starts_at > TimeDelta::days(366) {
            return Err(AppError::invalid("days", "The end must come after the start, and within a year of it."));
        }
        Ok(Self::Once { starts_at, ends_at })
    }

    /// `Mon–Fri 08:00–10:00 UTC`, `2026-11-27 00:00 to 2026-11-30 06:00 UTC`.
    pub fn in_words(self) -> String {
        let moment = |at: Time| format!("{} {}", at.date_naive(), clock(at.hour() as u16 * 60 + at.minute() as u16));
        match self {
            Self::Weekly { weekdays, start_minute, end_minute } => {
                format!("{} {}–{} UTC", days_text(weekdays), clock(start_minute), clock(end_minute))
            }
            Self::Once { starts_at, ends_at } => format!("{} to {} UTC", moment(starts_at), moment(ends_at)),
        }
    }
}

impl Asks {
    /// # Errors
    /// `Invalid`, field `amount`.
    pub fn parse(kind: &str, amount: &str) -> Result<Self, AppError> {
        let amount = amount.trim().replace(',', "");
        match kind {
            "at_least" => match amount.parse() {
                Ok(n) if (1..=LARGEST_TARGET).contains(&n) => Ok(Self::AtLeast(n)),
                _ => Err(AppError::invalid("amount", "Write how many databases at least: a whole number from 1.")),
            },
            "factor" => match amount.trim_start_matches('×').trim().parse::<f64>() {
                Ok(factor) if factor > 0.0 && factor <= 100.0 => Ok(Self::Factor(factor)),
                _ => Err(AppError::invalid("amount", "Write a factor such as 2 or 1.5, at most 100.")),
            },
            _ => Err(AppError::invalid("kind", "Choose “at least” or “times the rate”.")),
        }
    }

    /// `at least 200`, `2 × the rate`.
    pub fn in_words(self) -> String {
        match self {
            Self::AtLeast(n) => format!("at least {}", grouped(n.into())),
            Self::Factor(factor) => format!("{factor} × the rate"),
        }
    }
}

/// A peak as it is being written: the fields of its form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeakDraft {
    pub label: String,
    /// As [`When::parse`] reads them.
    pub days: String,
    pub from: String,
    pub to: String,
    /// `at_least` or `factor`.
    pub kind: String,
    pub amount: String,
}

impl PeakDraft {
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(&self) -> Result<Peak, AppError> {
        let label = text::label(&self.label, 1..=LONGEST_LABEL)
            .map_err(|error| AppError::invalid("label", error.to_string()))?;
        Ok(Peak {
            label,
            when: When::parse(&self.days, &self.from, &self.to)?,
            asks: Asks::parse(&self.kind, &self.amount)?,
        })
    }
}

fn time(field: &str, text: &str) -> Result<NaiveTime, AppError> {
    let text = text.trim();
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
    parts
        .and_then(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0))
        .ok_or_else(|| AppError::invalid(field, "Write a time of the day in UTC as 08:00."))
}

/// `None` where it names no days of the week.
fn weekdays(text: &str) -> Option<u8> {
    let text = text.to_ascii_lowercase().replace('–', "-");
    if text == "daily" || text == "every day" {
        return Some(0b111_1111);
    }
    let day = |name: &str| {
        let name = name.trim();
        DAYS.iter().position(|day| name.len() >= 3 && name.starts_with(&day.to_ascii_lowercase()))
    };
    let mut mask = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        mask |= (0..=length).fold(0, |days, next| days | 1 << ((first + next) % 7));
    }
    Some(mask)
}

/// `Mon–Fri`, `Tue, Sat`, `daily`.
fn days_text(weekdays: u8) -> String {
    let has = |day: usize| weekdays & (1 << day) != 0;
    let days: Vec<usize> = (0..7).filter(|day| has(*day)).collect();
    match days.as_slice() {
        [_, _, _, _, _, _, _] => String::from("daily"),
        [first, .., last] if days.len() > 2 && last - first == days.len() - 1 => {
            format!("{}–{}", DAYS[*first], DAYS[*last])
        }
        _ => days.iter().map(|day| DAYS[*day]).collect::<Vec<_>>().join(", "),
    }
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The moment of a text like `2026-11-27T08:00:00Z`, for tests of what depends on the calendar.
#[cfg(test)]
fn moment(text: &str) -> Time {
    chrono::DateTime::parse_from_rfc3339(text).expect("a moment").to_utc()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_and_dates_are_read_as_people_write_them() {
        let weekly = |weekdays, start_minute, end_minute| Ok(When::Weekly { weekdays, start_minute, end_minute });
        assert_eq!(When::parse("Mon-Fri", "08:00", "10:30"), weekly(0b001_1111, 480, 630));
        assert_eq!(When::parse("sat, Sunday", "0:00", "12:00"), weekly(0b110_0000, 0, 720));
        assert_eq!(When::parse("Fri–Mon", "22:00", "02:00"), weekly(0b111_0001, 1_320, 120));
        assert_eq!(When::parse("daily", "09:00", "09:00"), weekly(0b111_1111, 540, 540));
        assert_eq!(
            When::parse("2026-11-27 to 2026-11-30", "08:00", "06:00"),
            Ok(When::Once { starts_at: moment("2026-11-27T08:00:00Z"), ends_at: moment("2026-11-30T06:00:00Z") })
        );
        assert_eq!(
            When::parse("2026-11-27", "22:00", "02:00"),
            Ok(When::Once { starts_at: moment("2026-11-27T22:00:00Z"), ends_at: moment("2026-11-28T02:00:00Z") })
        );
        for (days, from, to) in
            [("soon", "08:00", "10:00"), ("", "08:00", "10:00"), ("2026-11-30 to 2026-11-27", "08:00", "10:00")]
        {
            assert!(matches!(When::parse(days, from, to), Err(AppError::Invalid { field, .. }) if field == "days"));
        }
        assert!(
            matches!(When::parse("daily", "25:00", "10:00"), Err(AppError::Invalid { field, .. }) if field == "from")
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began_on() {
        let friday_night = When::parse("Fri", "22:00", "02:00").expect("readable");
        for (at, expected) in [
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T01:59:59Z", true),
            ("2026-11-28T02:00:00Z", false),
            ("2026-11-27T01:00:00Z", false),
        ] {
            assert_eq!(friday_night.is_in_force(moment(at)), expected, "{at}");
        }
    }

    #[test]
    fn a_single_peak_ends() {
        let once = When::parse("2026-11-27", "08:00", "10:00").expect("readable");
        assert!(once.is_in_force(moment("2026-11-27T08:00:00Z")));
        assert!(!once.is_in_force(moment("2026-11-27T10:00:00Z")));
        assert!(once.is_over(moment("2026-11-27T10:00:00Z")));
        assert!(!When::parse("daily", "08:00", "10:00").expect("readable").is_over(moment("2030-01-01T00:00:00Z")));
    }

    #[test]
    fn what_it_asks_for_has_bounds() {
        assert_eq!(Asks::parse("at_least", "1,200"), Ok(Asks::AtLeast(1_200)));
        assert_eq!(Asks::parse("factor", "1.5"), Ok(Asks::Factor(1.5)));
        for (kind, amount) in
            [("at_least", "0"), ("factor", "0"), ("factor", "NaN"), ("factor", "1000"), ("twice", "2")]
        {
            assert!(Asks::parse(kind, amount).is_err(), "{kind} {amount}");
        }
    }

    proptest! {
        #[test]
        fn a_week_has_as_many_minutes_in_force_as_its_days_and_hours_say(weekdays in 1_u8..128, start in 0_u16..1440, length in 1_u16..=1440) {
            let when = When::Weekly { weekdays, start_minute: start, end_minute: (start + length) % 1440 };
            let monday = moment("2026-11-23T00:00:00Z");
            let minutes = (0..7 * 1440).filter(|minute| when.is_in_force(monday + TimeDelta::minutes(*minute))).count();
            prop_assert_eq!(minutes, weekdays.count_ones() as usize * usize::from(length));
        }

        #[test]
        fn what_is_shown_reads_back_as_the_same_days(weekdays in 1_u8..128) {
            let text = days_text(weekdays);
            prop_assert_eq!(super::weekdays(&text), Some(weekdays), "{}", text);
        }
    }
}
