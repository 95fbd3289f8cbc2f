//! Reading what Neon sends with tolerance: an optional field that is absent, null or strange never spoils an answer.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer};

use super::NeonQuota;

/// A moment that may be missing. Neon writes "not known" as `0001-01-01T00:00:00Z` in the answers to POST, PATCH and DELETE.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse::<DateTime<Utc>>().ok()).filter(|moment| moment.year() > 1))
}

/// A value that may be absent (with `#[serde(default)]`) or null.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The quota inside a project's `settings`.
pub(super) fn quota_of_settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NeonQuota, D::Error> {
    known_quota_of_settings(deserializer).map(Option::unwrap_or_default)
}

/// The same; `None` without `settings`.
pub(super) fn known_quota_of_settings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NeonQuota>, D::Error> {
    #[derive(Default, Deserialize)]
    struct Settings {
        #[serde(default)]
        quota: Option<NeonQuota>,
    }
    Ok(Option::<Settings>::deserialize(deserializer)?.map(|settings| settings.quota.unwrap_or_default()))
}
