//! The quota as the fleet has it and as Neon has it: the same five limits, in types of their own on either side.

use fleet_types::Quota;
use neon_client::NeonQuota;

/// As it is sent to Neon.
pub(super) fn to_neon(quota: &Quota) -> NeonQuota {
    NeonQuota {
        logical_size_bytes: quota.logical_size_bytes,
        active_time_seconds: quota.active_time_seconds,
        compute_time_seconds: quota.compute_time_seconds,
        written_data_bytes: quota.written_data_bytes,
        data_transfer_bytes: quota.data_transfer_bytes,
    }
}

/// As Neon has told it.
pub(super) fn from_neon(quota: &NeonQuota) -> Quota {
    Quota {
        logical_size_bytes: quota.logical_size_bytes,
        active_time_seconds: quota.active_time_seconds,
        compute_time_seconds: quota.compute_time_seconds,
        written_data_bytes: quota.written_data_bytes,
        data_transfer_bytes: quota.data_transfer_bytes,
    }
}
