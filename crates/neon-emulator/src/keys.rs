//! API keys: who calls, and what that one may do. All valid keys are in memory, as every call asks for one; changes are
//! written to the state first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::FromRow;

use crate::clock::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum KeyKind {
    /// Of a person, who has to name an organisation.
    Personal,
    /// Of the organisation.
    Organization,
}

#[derive(Clone, FromRow)]
pub struct ApiKey {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub kind: KeyKind,
    pub project_id: Option<String>,
    pub created_at: Instant,
    /// Since the emulator was started.
    #[sqlx(skip)]
    pub last_used_at: Option<Instant>,
}

/// The holder of the key that came with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub kind: KeyKind,
    pub project_id: Option<String>,
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
        Some(Caller { kind: found.kind, project_id: found.project_id.clone() })
    }

    /// Valid keys of a kind, oldest first.
    pub fn list(&self, kind: KeyKind) -> Vec<ApiKey> {
        let mut keys: Vec<ApiKey> = self.lock().values().filter(|key| key.kind == kind).cloned().collect();
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ApiKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
