//! Limits and what has been used of them.

use serde::{Deserialize, Serialize};

use super::{AppError, bytes, duration, parse_bytes};

/// Neon's five limits of a project. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quota {
    /// Bytes that a branch may hold: the storage quota.
    pub logical_size_bytes: Option<i64>,
    /// Seconds of wall time that the compute may be active in a billing period.
    pub active_time_seconds: Option<i64>,
    /// CU-seconds in a billing period.
    pub compute_time_seconds: Option<i64>,
    /// Bytes written in a billing period.
    pub written_data_bytes: Option<i64>,
    /// Bytes sent out in a billing period.
    pub data_transfer_bytes: Option<i64>,
}

/// What has been used of each limit, in the units of [`Quota`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Absent while not known: it is asked for where the synthetic size does not prove that it is below 80 % of its limit.
    pub logical_size_bytes: Option<i64>,
    pub active_time_seconds: i64,
    pub compute_time_seconds: i64,
    pub written_data_bytes: i64,
    pub data_transfer_bytes: i64,
}

impl Quota {
    /// Every limit with its name, as Neon has it.
    pub fn limits(&self) -> [(&'static str, Option<i64>); 5] {
        [
            ("logical_size_bytes", self.logical_size_bytes),
            ("active_time_seconds", self.active_time_seconds),
            ("compute_time_seconds", self.compute_time_seconds),
            ("written_data_bytes", self.written_data_bytes),
            ("data_transfer_bytes", self.data_transfer_bytes),
        ]
    }

    /// What differs in `after`, in words: `storage 512 MiB → 1 GiB, active time 100 h → unlimited`.
    pub fn changes_to(&self, after: &Self) -> String {
        let pairs = self.limits().into_iter().zip(after.limits()).filter(|(old, new)| old != new);
        let changes: Vec<String> = pairs
            .map(|((name, old), (_, new))| {
                format!("{} {} → {}", limit_name(name), limit_text(name, old), limit_text(name, new))
            })
            .collect();
        changes.join(", ")
    }
}

/// What a limit is of, by its field's name: `active time`.
pub fn limit_name(field: &str) -> &'static str {
    match field {
        "logical_size_bytes" => "storage",
        "active_time_seconds" => "active time",
        "compute_time_seconds" => "compute time",
        "written_data_bytes" => "written data",
        _ => "data transfer",
    }
}

/// How much a limit allows, in the unit of its field.
pub fn limit_text(field: &str, limit: Option<i64>) -> String {
    match limit {
        Some(limit) if field.ends_with("_bytes") => bytes(limit),
        Some(limit) => duration(limit),
        None => String::from("unlimited"),
    }
}

/// Which limits shall change: `None` leaves one as it is, `Some(None)` lifts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaChange {
    pub logical_size_bytes: Option<Option<i64>>,
    pub active_time_seconds: Option<Option<i64>>,
    pub compute_time_seconds: Option<Option<i64>>,
    pub written_data_bytes: Option<Option<i64>>,
    pub data_transfer_bytes: Option<Option<i64>>,
}

impl QuotaChange {
    /// From what a person wrote: sizes as `512 MiB`, times in hours as `100` or `0.5`; `unlimited` for no limit. A text that is absent changes nothing.
    ///
    /// # Errors
    /// [`AppError::Invalid`], naming the field.
    pub fn parse(
        storage: Option<&str>,
        active_hours: Option<&str>,
        compute_hours: Option<&str>,
        written: Option<&str>,
        transfer: Option<&str>,
    ) -> Result<Self, AppError> {
        let read = |field: &str, text: Option<&str>, read: fn(&str) -> Result<Option<i64>, String>| {
            text.map(|text| read(text).map_err(|message| AppError::invalid(field, message))).transpose()
        };
        Ok(Self {
            logical_size_bytes: read("storage", storage, parse_bytes)?,
            active_time_seconds: read("active_hours", active_hours, parse_hours)?,
            compute_time_seconds: read("compute_hours", compute_hours, parse_hours)?,
            written_data_bytes: read("written", written, parse_bytes)?,
            data_transfer_bytes: read("transfer", transfer, parse_bytes)?,
        })
    }

    /// Every limit, to those of this quota.
    pub fn to(quota: &Quota) -> Self {
        Self {
            logical_size_bytes: Some(quota.logical_size_bytes),
            active_time_seconds: Some(quota.active_time_seconds),
            compute_time_seconds: Some(quota.compute_time_seconds),
            written_data_bytes: Some(quota.written_data_bytes),
            data_transfer_bytes: Some(quota.data_transfer_bytes),
        }
    }

    /// All five by name; `None` where it says nothing, `Some(None)` for no limit.
    pub fn limits(&self) -> [(&'static str, Option<Option<i64>>); 5] {
        [
            ("logical_size_bytes", self.logical_size_bytes),
            ("active_time_seconds", self.active_time_seconds),
            ("compute_time_seconds", self.compute_time_seconds),
            ("written_data_bytes", self.written_data_bytes),
            ("data_transfer_bytes", self.data_transfer_bytes),
        ]
    }

    /// The limits that it names, changed or not.
    pub fn named(&self) -> Vec<String> {
        let named = self.limits().into_iter().filter(|(_, limit)| limit.is_some());
        named.map(|(name, _)| name.to_owned()).collect()
    }

    pub fn applied_to(&self, quota: Quota) -> Quota {
        Quota {
            logical_size_bytes: self.logical_size_bytes.unwrap_or(quota.logical_size_bytes),
            active_time_seconds: self.active_time_seconds.unwrap_or(quota.active_time_seconds),
            compute_time_seconds: self.compute_time_seconds.unwrap_or(quota.compute_time_seconds),
            written_data_bytes: self.written_data_bytes.unwrap_or(quota.written_data_bytes),
            data_transfer_bytes: self.data_transfer_bytes.unwrap_or(quota.data_transfer_bytes),
        }
    }
}

/// More than any billing period has, with every compute at its largest.
const MOST_HOURS: f64 = 1_000_000.0;

/// `0.5` → 1,800 seconds; `unlimited` → `None`.
fn parse_hours(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim().to_ascii_lowercase();
    if matches!(text.as_str(), "unlimited" | "none" | "∞") {
        return Ok(None);
    }
    let hours: f64 = text
        .trim_end_matches('h')
        .trim()
        .parse()
        .map_err(|_| String::from("Write a number of hours, or “unlimited”."))?;
    if hours.is_nan() {
        return Err(String::from("Write a number of hours, or “unlimited”."));
    }
    if hours > MOST_HOURS {
        return Err(String::from("Write at most 1,000,000 hours, which is 114 years. For no limit write “unlimited”."));
    }
    let seconds = hours * 3600.0;
    if seconds < 1.0 {
        return Err(String::from("Write a time of at least a second, as 0.001 hours. For no limit write “unlimited”."));
    }
    Ok(Some(seconds.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words() {
        let before =
            Quota { logical_size_bytes: Some(512 << 20), active_time_seconds: Some(3_600), ..Quota::default() };
        let after = Quota { logical_size_bytes: Some(1 << 30), active_time_seconds: None, ..before };
        assert_eq!(before.changes_to(&after), "storage 512 MiB → 1 GiB, active time 1 h → unlimited");
    }

    const OLD: Quota = Quota {
        logical_size_bytes: Some(1),
        active_time_seconds: Some(2),
        compute_time_seconds: None,
        written_data_bytes: Some(4),
        data_transfer_bytes: None,
    };

    #[test]
    fn limits_are_read_as_people_write_them() {
        let change =
            QuotaChange::parse(Some("1 GiB"), Some("0.5"), Some("unlimited"), None, Some("5 GB")).expect("valid");
        assert_eq!(change.logical_size_bytes, Some(Some(1_073_741_824)));
        assert_eq!(change.active_time_seconds, Some(Some(1_800)));
        assert_eq!((change.compute_time_seconds, change.written_data_bytes), (Some(None), None));
        assert_eq!(change.data_transfer_bytes, Some(Some(5_000_000_000)));
    }

    #[test]
    fn what_is_absent_stays() {
        let change = QuotaChange {
            logical_size_bytes: Some(None),
            compute_time_seconds: Some(Some(7)),
            ..QuotaChange::default()
        };
        assert_eq!(change.applied_to(OLD), Quota { logical_size_bytes: None, compute_time_seconds: Some(7), ..OLD });
        assert_eq!(QuotaChange::default().applied_to(OLD), OLD);
        assert_eq!(QuotaChange::to(&OLD).applied_to(Quota::default()), OLD);
    }

    #[test]
    fn a_wrong_limit_names_its_field() {
        let error = QuotaChange::parse(Some("1 GiB"), Some("soon"), None, None, None).expect_err("not a number");
        assert!(matches!(error, AppError::Invalid { field, .. } if field == "active_hours"));
        for (hours, told) in [
            ("", "a number of hours"),
            ("NaN", "a number of hours"),
            ("0", "at least a second"),
            ("-1", "at least a second"),
            ("1e9", "at most 1,000,000 hours"),
            ("inf", "at most 1,000,000 hours"),
        ] {
            let error = parse_hours(hours).expect_err(hours);
            assert!(error.contains(told), "{hours}: {error}");
        }
    }
}
