//! Neon's five limits of a project, as they stand on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire;

/// `settings.quota` of a project. Neon writes "no limit" as 0 or leaves the field out; here it is `None`.
///
/// All five are always sent: whether a PATCH merges into the quota or replaces it is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NeonQuota {
    /// Bytes per branch. Beyond it the compute starts but writes fail.
    #[serde(serialize_with = "or_zero", deserialize_with = "zero_is_none")]
    pub logical_size_bytes: Option<i64>,
    /// Wall-clock seconds of activity per billing period. Beyond this and the following ones the compute is stopped until the period ends.
    #[serde(serialize_with = "or_zero", deserialize_with = "zero_is_none")]
    pub active_time_seconds: Option<i64>,
    /// CU-seconds per billing period.
    #[serde(serialize_with = "or_zero", deserialize_with = "zero_is_none")]
    pub compute_time_seconds: Option<i64>,
    /// Bytes written per billing period.
    #[serde(serialize_with = "or_zero", deserialize_with = "zero_is_none")]
    pub written_data_bytes: Option<i64>,
    /// Bytes sent out per billing period.
    #[serde(serialize_with = "or_zero", deserialize_with = "zero_is_none")]
    pub data_transfer_bytes: Option<i64>,
}

fn or_zero<S: Serializer>(limit: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(limit.unwrap_or(0))
}

fn zero_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(wire::optional_count(deserializer)?.filter(|limit| *limit != 0))
}

/// The quota inside a project's `settings`.
pub(super) fn of_settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NeonQuota, D::Error> {
    #[derive(Default, Deserialize)]
    struct Settings {
        #[serde(default)]
        quota: Option<NeonQuota>,
    }
    Ok(Option::<Settings>::deserialize(deserializer)?.and_then(|settings| settings.quota).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_quota_is_sent_with_zero_for_unlimited() {
        let quota = NeonQuota { logical_size_bytes: Some(536_870_912), ..NeonQuota::default() };
        assert_eq!(
            serde_json::to_value(quota).unwrap(),
            serde_json::json!({"logical_size_bytes": 536_870_912, "active_time_seconds": 0, "compute_time_seconds": 0, "written_data_bytes": 0, "data_transfer_bytes": 0})
        );
    }

    #[test]
    fn zero_null_and_absent_all_mean_unlimited() {
        let quota: NeonQuota = serde_json::from_str(
            r#"{"active_time_seconds":0,"compute_time_seconds":null,"data_transfer_bytes":7,"a_new_limit":1}"#,
        )
        .unwrap();
        assert_eq!(quota, NeonQuota { data_transfer_bytes: Some(7), ..NeonQuota::default() });
    }
}
