//! Limits of a project. Zero or absent means unlimited.

use serde::{Deserialize, Serialize};

/// `settings.quota` of a project, as Neon writes it. What was never given stays absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_time_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_time_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_data_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_transfer_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_size_bytes: Option<i64>,
}

impl Quota {
    fn fields(&self) -> [(&'static str, Option<i64>); 5] {
        [
            ("active_time_seconds", self.active_time_seconds),
            ("compute_time_seconds", self.compute_time_seconds),
            ("written_data_bytes", self.written_data_bytes),
            ("data_transfer_bytes", self.data_transfer_bytes),
            ("logical_size_bytes", self.logical_size_bytes),
        ]
    }

    pub fn is_empty(&self) -> bool {
        self.fields().iter().all(|(_, value)| value.is_none())
    }

    /// The first field that is below zero.
    pub fn negative_field(&self) -> Option<&'static str> {
        self.fields().into_iter().find(|(_, value)| value.is_some_and(|v| v < 0)).map(|(name, _)| name)
    }

    /// This quota over an older one: what is absent here is kept.
    pub fn merged_over(self, older: Self) -> Self {
        Self {
            active_time_seconds: self.active_time_seconds.or(older.active_time_seconds),
            compute_time_seconds: self.compute_time_seconds.or(older.compute_time_seconds),
            written_data_bytes: self.written_data_bytes.or(older.written_data_bytes),
            data_transfer_bytes: self.data_transfer_bytes.or(older.data_transfer_bytes),
            logical_size_bytes: self.logical_size_bytes.or(older.logical_size_bytes),
        }
    }
}
