//! The organisations that there are. All are in memory, as most calls ask for one; changes are written to the state first.

use std::sync::{PoisonError, RwLock};

use crate::model::{Organization, Plan};

#[derive(Debug, Default)]
pub struct Organizations(RwLock<Vec<Organization>>);

impl Organizations {
    /// In the order in which they are listed.
    pub fn new(all: Vec<Organization>) -> Self {
        Self(RwLock::new(all))
    }

    pub fn all(&self) -> Vec<Organization> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn get(&self, id: &str) -> Option<Organization> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|organization| organization.id == id).cloned()
    }

    /// The plan of an organisation; the default where there is none of this id.
    pub fn plan_of(&self, id: &str) -> Plan {
        self.get(id).map(|organization| organization.plan).unwrap_or_default()
    }

    pub fn are_several(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() > 1
    }

    /// Puts one in the place of the one with its id, or behind the others.
    pub fn put(&self, organization: Organization) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|known| known.id == organization.id) {
            Some(known) => *known = organization,
            None => all.push(organization),
        }
    }
}
