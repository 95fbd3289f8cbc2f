//! Reading one answer of Neon's about one thing: an optional field may be absent or null, but what is strange is an error, because decisions hang on it.
//! Lists are read with more tolerance; see [`super::record`].

use chrono::{DateTime, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::record;

/// A moment that may be missing. Neon writes "not known" as `0001-01-01T00:00:00Z` in the answers to POST, PATCH and DELETE.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    record::moment(text).ok_or_else(|| D::Error::custom("no moment that can be"))
}

/// Bytes or seconds; zero where they are not told.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_count(deserializer).map(Option::unwrap_or_default)
}

/// Bytes or seconds.
pub(super) fn optional_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(value) = Option::<u64>::deserialize(deserializer)? else { return Ok(None) };
    record::count(value).map(Some).ok_or_else(|| D::Error::custom("no count that can be"))
}

/// A value that may be absent (with `#[serde(default)]`) or null.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
