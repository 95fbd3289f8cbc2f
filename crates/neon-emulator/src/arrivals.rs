//! When the next project arrives in another organisation, known without asking the state at each call.

use std::sync::{Mutex, PoisonError};

use crate::clock::Instant;

/// When the next project arrives.
#[derive(Debug, Default)]
pub struct Arrivals {
    next: Mutex<Option<Instant>>,
    /// One at a time begins or ends transfers: who comes second finds projects arrived, and no time is lost.
    turn: tokio::sync::Mutex<()>,
}

impl Arrivals {
    pub fn new(next: Option<Instant>) -> Self {
        Self { next: Mutex::new(next), turn: tokio::sync::Mutex::default() }
    }

    pub fn next(&self) -> Option<Instant> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_next(&self, next: Option<Instant>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Waits until nobody else begins or ends transfers.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
