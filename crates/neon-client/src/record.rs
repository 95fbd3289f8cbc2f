//! Records of a list, each read by itself and field by field: what is wrong with one spoils neither its neighbours nor its own other fields.
//!
//! A field of another type or out of range counts as not told, never as zero, and is named. Values that no project of Neon's can have (a size above a
//! petabyte, a moment of the year 9999) are out of range: most of what we record only grows, so that one of them would stand for ever.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::NeonError;
use super::redact::presentable;

/// More than any count of bytes or seconds of one project.
const LARGEST_COUNT: u64 = 1_000_000_000_000_000;
/// Longer than any id or name of Neon's.
const LONGEST_TEXT: usize = 1_000;
/// What was, was since Neon exists; what will be, will be within two years.
const FIRST_YEAR: i32 = 2_020;
const FURTHEST: TimeDelta = TimeDelta::days(731);

/// What can be read from its fields.
pub(super) trait Record: Sized {
    /// The field by which a record is told from others.
    const ID: &'static str;

    /// `None` if a field is missing without which the record says nothing.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A record as far as it could be read.
pub(super) struct Reading<T> {
    pub id: Option<String>,
    pub value: Option<T>,
    /// What is wrong with it; nothing of its content but its name.
    pub wrong: Vec<String>,
}

/// The fields of one JSON object.
pub(super) struct Fields<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    wrong: Vec<String>,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// [`NeonError::Unreadable`] where it is no object.
    pub fn of(raw: &'a RawValue) -> Result<Self, NeonError> {
        serde_json::from_str(raw.get())
            .map(|fields| Self { fields, wrong: Vec::new() })
            .map_err(|_| NeonError::Unreadable { detail: String::from("it is no object") })
    }

    /// The field as this type; `None` where it is absent, null, or, which is noted, something else.
    pub fn read<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.checked(name, Some)
    }

    /// A text of sane length that PostgreSQL can hold.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.checked(name, |text: String| (text.len() <= LONGEST_TEXT && !text.contains('\0')).then_some(text))
    }

    /// An id, as it may stand in the path of a call.
    pub fn id(&mut self, name: &str) -> Option<String> {
        self.checked(name, |text: String| is_id(&text).then_some(text))
    }

    /// Bytes or seconds.
    pub fn count(&mut self, name: &str) -> Option<i64> {
        self.checked(name, count)
    }

    /// The same; zero where it is not told.
    pub fn count_or_zero(&mut self, name: &str) -> i64 {
        self.count(name).unwrap_or_default()
    }

    /// Neon writes "not known" as a moment of the year 1.
    pub fn moment(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.checked(name, moment).flatten()
    }

    /// The same, of something that has happened.
    pub fn past(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let at = self.moment(name)?;
        if at > Utc::now() + TimeDelta::days(1) {
            self.note(name);
            return None;
        }
        Some(at)
    }

    /// The values of an array; `None` where it is absent, null or, which is noted, something else.
    pub fn values(&mut self, name: &str) -> Option<Vec<&'a RawValue>> {
        let raw = self.fields.get(name).copied()?;
        match serde_json::from_str::<Option<Vec<&'a RawValue>>>(raw.get()) {
            Ok(values) => values,
            Err(_) => {
                self.note(name);
                None
            }
        }
    }

    /// The records of an array inside a record: whatever is wrong with one of them is wrong with the whole.
    pub fn parts<T: Record>(&mut self, name: &str) -> Vec<T> {
        let Some(values) = self.values(name) else { return Vec::new() };
        let mut parts = Vec::with_capacity(values.len());
        for value in values {
            let reading = read::<T>(value);
            self.wrong.extend(reading.wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
            parts.extend(reading.value);
        }
        self.wrong.truncate(5);
        parts
    }

    /// The fields of an object inside it; `None` where it is absent, null or, which is noted, something else.
    pub fn inner(&mut self, name: &str) -> Option<Fields<'a>> {
        let raw = self.fields.get(name).copied()?;
        if raw.get() == "null" {
            return None;
        }
        Fields::of(raw).map_err(|_| self.note(name)).ok()
    }

    /// This field cannot be read.
    pub fn note(&mut self, name: &str) {
        self.wrong.push(format!("{name} cannot be read"));
    }

    /// Whether nothing has been noted.
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }

    fn checked<T: DeserializeOwned, U>(&mut self, name: &str, check: impl FnOnce(T) -> Option<U>) -> Option<U> {
        let raw = self.fields.get(name)?;
        match serde_json::from_str::<Option<T>>(raw.get()).map(|value| value.map(check)) {
            Ok(None) => None,
            Ok(Some(Some(value))) => Some(value),
            Ok(Some(None)) | Err(_) => {
                self.note(name);
                None
            }
        }
    }
}

/// Reads one record.
pub(super) fn read<T: Record>(raw: &RawValue) -> Reading<T> {
    let Ok(mut fields) = Fields::of(raw) else {
        return Reading { id: None, value: None, wrong: vec![String::from("it is no object")] };
    };
    let value = T::read(&mut fields);
    let mut wrong = std::mem::take(&mut fields.wrong);
    if value.is_none() && wrong.is_empty() {
        wrong.push(String::from("a field that it must have is missing"));
    }
    let id = fields.id(T::ID);
    wrong.truncate(5);
    Reading { id, value, wrong: wrong.iter().map(|text| presentable(text)).collect() }
}

/// Letters, digits, hyphens and underscores: as Neon's ids are, and nothing that would lead a call elsewhere.
pub(super) fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Neon counts in unsigned 64 bits, PostgreSQL in signed ones.
pub(super) fn count(value: u64) -> Option<i64> {
    i64::try_from(value).ok().filter(|_| value <= LARGEST_COUNT)
}

/// `None` for what is no moment that can be; `Some(None)` for Neon's "not known".
pub(super) fn moment(text: String) -> Option<Option<DateTime<Utc>>> {
    let at = text.parse::<DateTime<Utc>>().ok()?;
    match at.year() {
        ..=1 => Some(None),
        FIRST_YEAR.. if at <= Utc::now() + FURTHEST => Some(Some(at)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        size: Option<i64>,
        at: Option<DateTime<Utc>>,
    }

    impl Record for Thing {
        const ID: &'static str = "id";

        fn read(fields: &mut Fields<'_>) -> Option<Self> {
            fields.id("id")?;
            Some(Self { size: fields.count("size"), at: fields.past("at") })
        }
    }

    fn thing(json: &str) -> Reading<Thing> {
        read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn a_strange_field_is_named_and_counts_as_not_told() {
        let strange = [
            r#"{"id":"p-1","size":"7"}"#,
            r#"{"id":"p-1","size":-1}"#,
            r#"{"id":"p-1","size":7.5}"#,
            r#"{"id":"p-1","size":18446744073709551615}"#,
            r#"{"id":"p-1","size":9007199254740993000}"#,
            r#"{"id":"p-1","size":1e999}"#,
            r#"{"id":"p-1","size":[1]}"#,
            r#"{"id":"p-1","at":"99999-01-01T00:00:00Z"}"#,
            r#"{"id":"p-1","at":"9999-12-31T00:00:00Z"}"#,
            r#"{"id":"p-1","at":"1970-01-01T00:00:00Z"}"#,
            r#"{"id":"p-1","at":"yesterday"}"#,
            r#"{"id":"p-1","at":"\ud800"}"#,
            r#"{"id":"p-1","at":1767225600}"#,
        ];
        for json in strange {
            let read = thing(json);
            assert_eq!((read.id.as_deref(), read.wrong.len()), (Some("p-1"), 1), "{json}: {:?}", read.wrong);
            let value = read.value.unwrap();
            assert_eq!((value.size, value.at), (None, None), "{json}");
        }
    }

    #[test]
    fn what_is_absent_null_or_not_known_is_nothing_strange() {
        for json in
            [r#"{"id":"p-1"}"#, r#"{"id":"p-1","size":null,"at":null}"#, r#"{"id":"p-1","at":"0001-01-01T00:00:00Z"}"#]
        {
            let read = thing(json);
            assert!(read.wrong.is_empty() && read.value.is_some_and(|value| value.at.is_none()), "{json}");
        }
        let read = thing(r#"{"id":"p-1","size":5368709120,"at":"2026-03-01T00:00:00Z","new":{"deep":[1e999]}}"#);
        assert!(read.wrong.is_empty() && read.value.is_some_and(|value| value.size == Some(5_368_709_120)));
    }

    #[test]
    fn an_id_that_would_lead_elsewhere_is_none() {
        for json in [
            r#"{"id":".."}"#,
            r#"{"id":"a/b"}"#,
            r#"{"id":""}"#,
            r#"{"id":"a\u0000"}"#,
            r#"{"id":7}"#,
            "7",
            "null",
            "[]",
            "{}",
        ] {
            let read = thing(json);
            assert!(read.value.is_none() && read.id.is_none() && !read.wrong.is_empty(), "{json}");
        }
    }
}
