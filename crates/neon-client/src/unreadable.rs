//! Which records of Neon's answers could not be read: kept until whoever shows them takes them over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Route;

/// Kept between two hand-overs; what comes beyond is not named.
const AT_MOST: usize = 1_000;

/// A record, named as far as it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRecord {
    pub route: Route,
    /// Its id, or that it has none.
    pub record: String,
    /// Nothing of its content.
    pub problem: String,
    pub times: u64,
}

#[derive(Default)]
pub(super) struct UnreadableRecords(Mutex<BTreeMap<(Route, String), (String, u64)>>);

impl UnreadableRecords {
    pub fn note(&self, route: Route, record: &str, problem: &str) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (route, record.to_owned());
        if records.len() >= AT_MOST && !records.contains_key(&key) {
            return;
        }
        let (last, times) = records.entry(key).or_default();
        problem.clone_into(last);
        *times += 1;
    }

    pub fn take(&self) -> Vec<UnreadableRecord> {
        let records = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let named = |((route, record), (problem, times))| UnreadableRecord { route, record, problem, times };
        records.into_iter().map(named).collect()
    }
}
