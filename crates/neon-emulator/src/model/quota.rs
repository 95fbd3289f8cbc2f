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

/// A quota by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    ActiveTime,
    ComputeTime,
    WrittenData,
    DataTransfer,
}

impl QuotaKind {
    /// What Neon's control plane calls it when it has been exceeded.
    pub fn code(self) -> &'static str {
        match self {
            Self::ActiveTime => "ACTIVE_TIME_QUOTA_EXCEEDED",
            Self::ComputeTime => "COMPUTE_TIME_QUOTA_EXCEEDED",
            Self::WrittenData => "WRITTEN_DATA_QUOTA_EXCEEDED",
            Self::DataTransfer => "DATA_TRANSFER_QUOTA_EXCEEDED",
        }
    }

    /// What Neon tells a client whose connection it refuses.
    pub fn message(self) -> &'static str {
        match self {
            Self::ActiveTime => {
                "Your project has exceeded the active time quota. Upgrade your plan to increase limits."
            }
            Self::ComputeTime => {
                "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits."
            }
            Self::WrittenData => {
                "Your project has exceeded the written data quota. Upgrade your plan to increase limits."
            }
            Self::DataTransfer => {
                "Your project has exceeded the data transfer quota. Upgrade your plan to increase limits."
            }
        }
    }
}

impl Quota {
    /// The quotas that suspend computes, with their limits; zero is no limit.
    pub fn limits(&self) -> impl Iterator<Item = (QuotaKind, i64)> {
        [
            (QuotaKind::ActiveTime, self.active_time_seconds),
            (QuotaKind::ComputeTime, self.compute_time_seconds),
            (QuotaKind::WrittenData, self.written_data_bytes),
            (QuotaKind::DataTransfer, self.data_transfer_bytes),
        ]
        .into_iter()
        .filter_map(|(kind, limit)| Some((kind, limit.filter(|limit| *limit > 0)?)))
    }

    /// The most that a branch may measure, in bytes.
    pub fn size_limit(&self) -> Option<i64> {
        self.logical_size_bytes.filter(|limit| *limit > 0)
    }

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
