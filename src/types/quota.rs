//! Limits and what has been used of them.

use serde::{Deserialize, Serialize};

use super::{AppError, parse_bytes};

/// Neon's five limits of a project. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Absent while not known: it is asked for where the synthetic size does not prove that it is below 80 % of its limit.
    pub logical_size_bytes: Option<i64>,
    pub active_time_seconds: i64,
    pub compute_time_seconds: i64,
    pub written_data_bytes: i64,
    pub data_transfer_bytes: i64,
}

impl Quota {
    /// From what a person wrote: sizes as `512 MiB`, times in hours as `100` or `0.5`; empty or `unlimited` for no limit.
    ///
    /// # Errors
    /// [`AppError::Invalid`], naming the field.
    pub fn parse(
        storage: &str,
        active_hours: &str,
        compute_hours: &str,
        written: &str,
        transfer: &str,
    ) -> Result<Self, AppError> {
        let size = |field: &str, text: &str| parse_bytes(text).map_err(|message| AppError::invalid(field, message));
        let hours = |field: &str, text: &str| parse_hours(text).map_err(|message| AppError::invalid(field, message));
        Ok(Self {
            logical_size_bytes: size("storage", storage)?,
            active_time_seconds: hours("active_hours", active_hours)?,
            compute_time_seconds: hours("compute_hours", compute_hours)?,
            written_data_bytes: size("written", written)?,
            data_transfer_bytes: size("transfer", transfer)?,
        })
    }
}

/// `0.5` → 1,800 seconds; empty or `unlimited` → `None`.
fn parse_hours(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim().to_ascii_lowercase();
    if matches!(text.as_str(), "" | "unlimited" | "none" | "∞") {
        return Ok(None);
    }
    let hours: f64 = text
        .trim_end_matches('h')
        .trim()
        .parse()
        .map_err(|_| String::from("Write a number of hours, or “unlimited”."))?;
    let seconds = hours * 3600.0;
    if !(1.0..=1e12).contains(&seconds) {
        return Err(String::from("Write more than 0 hours. For no limit write “unlimited”."));
    }
    Ok(Some(seconds.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        let quota = Quota::parse("1 GiB", "0.5", "unlimited", "", "5 GB").expect("valid");
        assert_eq!(quota.logical_size_bytes, Some(1_073_741_824));
        assert_eq!(quota.active_time_seconds, Some(1_800));
        assert_eq!((quota.compute_time_seconds, quota.written_data_bytes), (None, None));
        assert_eq!(quota.data_transfer_bytes, Some(5_368_709_120));
    }

    #[test]
    fn a_wrong_limit_names_its_field() {
        let error = Quota::parse("1 GiB", "soon", "", "", "").expect_err("not a number");
        assert!(matches!(error, AppError::Invalid { field, .. } if field == "active_hours"));
        assert!(Quota::parse("", "0", "", "", "").is_err());
        assert!(Quota::parse("", "NaN", "", "", "").is_err());
    }
}
