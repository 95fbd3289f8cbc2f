//! What is known of the storage used: the logical size of a database's branch, which the storage quota limits.
//!
//! Only some databases are asked about it. For all others the synthetic size (data and history of all branches) proves that the quota is far
//! away, because it is never less than the logical one. It is never shown in its place.

/// The storage used, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Measured, in bytes.
    Used(i64),
    /// Not measured, but at most so much, which is not near the quota.
    AtMost(i64),
    /// Not measured, and it may be near the quota.
    Unknown,
}

impl Storage {
    pub fn of(logical: Option<i64>, synthetic: Option<i64>, quota: Option<i64>) -> Self {
        match (logical, synthetic) {
            (Some(logical), _) => Self::Used(logical),
            (None, Some(synthetic)) if quota.is_none_or(|quota| synthetic < near(quota)) => Self::AtMost(synthetic),
            (None, _) => Self::Unknown,
        }
    }
}

/// From here on a database is near its storage quota: 80 %, as the ledger's index has it.
fn near(quota: i64) -> i64 {
    quota / 5 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synthetic_size_proves_that_the_quota_is_far_and_never_that_it_is_near() {
        assert_eq!(Storage::of(Some(7), Some(900), Some(1_000)), Storage::Used(7));
        assert_eq!(Storage::of(None, Some(799), Some(1_000)), Storage::AtMost(799));
        assert_eq!(Storage::of(None, Some(800), Some(1_000)), Storage::Unknown);
        assert_eq!(Storage::of(None, Some(5_000), Some(1_000)), Storage::Unknown, "not full, either");
        assert_eq!(Storage::of(None, Some(5_000), None), Storage::AtMost(5_000));
        assert_eq!(Storage::of(None, None, None), Storage::Unknown);
    }
}
