//! API keys: who calls, and what that one may do. All valid keys are in memory, as every call asks for one; changes are
//! written to the state first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::FromRow;

use crate::clock::Instant;

/// Whom a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The one person of the account, a member of every organisation, who has to say which one is meant.
    Person,
    /// The organisation with this id.
    Organization(String),
}

/// A key that is accepted from the start.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub token: String,
    pub holder: Holder,
}

impl Key {
    pub fn personal(token: impl Into<String>) -> Self {
        Self { token: token.into(), holder: Holder::Person }
    }

    pub fn of_organization(token: impl Into<String>, org_id: impl Into<String>) -> Self {
        Self { token: token.into(), holder: Holder::Organization(org_id.into()) }
    }
}

/// Without the token.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("holder", &self.holder).finish_non_exhaustive()
    }
}

#[derive(Clone, FromRow)]
pub struct ApiKey {
    pub id: i64,
    pub key: String,
    pub name: String,
    /// Of a person's key there is none.
    pub org_id: Option<String>,
    pub project_id: Option<String>,
    pub created_at: Instant,
    /// Since the emulator was started.
    #[sqlx(skip)]
    pub last_used_at: Option<Instant>,
}

impl ApiKey {
    pub fn holder(&self) -> Holder {
        self.org_id.clone().map_or(Holder::Person, Holder::Organization)
    }
}

/// The holder of the key that came with a call, and what it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub holder: Holder,
    /// The only project that it reaches; all of its holder's if absent.
    pub project_id: Option<String>,
}

impl Caller {
    /// What its calls are counted for: the organisation, or the person.
    pub fn account(&self) -> &str {
        match &self.holder {
            Holder::Person => "person",
            Holder::Organization(org_id) => org_id,
        }
    }
}

#[derive(Default)]
pub struct Keys(Mutex<HashMap<String, ApiKey>>);

/// Without the tokens.
impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("valid", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Keys {
    pub fn new(valid: Vec<ApiKey>) -> Self {
        Self(Mutex::new(valid.into_iter().map(|key| (key.key.clone(), key)).collect()))
    }

    /// Who holds this key, if it is valid; its use is noted.
    pub fn caller(&self, key: &str, now: Instant) -> Option<Caller> {
        let mut keys = self.lock();
        let found = keys.get_mut(key)?;
        found.last_used_at = Some(now);
        Some(Caller { holder: found.holder(), project_id: found.project_id.clone() })
    }

    /// Valid keys of a holder, oldest first.
    pub fn list(&self, holder: &Holder) -> Vec<ApiKey> {
        let mut keys: Vec<ApiKey> = self.lock().values().filter(|key| key.holder() == *holder).cloned().collect();
        keys.sort_by_key(|key| key.id);
        keys
    }

    pub fn add(&self, key: ApiKey) {
        self.lock().insert(key.key.clone(), key);
    }

    /// From now on nobody is let in with it.
    pub fn remove(&self, id: i64) {
        self.lock().retain(|_, key| key.id != id);
    }

    /// Nor with those of one project.
    pub fn remove_of_project(&self, project_id: &str) {
        self.lock().retain(|_, key| key.project_id.as_deref() != Some(project_id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ApiKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
