//! Sync: reads the list of projects page by page, slowly, for last activity and size. Only rows that changed are written.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Inner, Report};
use crate::server::{
    ledger::ListedProject,
    neon::{Class, project::MAX_PAGE},
};

/// Between the end of a sweep and the next.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const CALL_DEADLINE: Duration = Duration::from_secs(40);

/// Where the sweep stands. One page a run, and so one call a second at most: a fleet of 300,000 takes 13 minutes and a twelfth of the budget.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    cursor: Option<String>,
    swept_at: Option<Instant>,
    seen: u64,
    changed: u64,
}

impl Progress {
    fn get(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Inner {
    pub(super) async fn sync(self: &Arc<Self>) -> Report {
        let mut state = self.sync_progress.get();
        if self.neon_is_failing() || state.swept_at.is_some_and(|at| at.elapsed() < SWEEP_EVERY) {
            return Report::idle();
        }
        let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
        let page = match neon.list_projects(state.cursor.as_deref(), MAX_PAGE).await {
            Ok(page) => page,
            Err(error) => return Report { postponed: 1, error: Some(error.to_string()), ..Report::idle() },
        };
        let listed: Vec<ListedProject> = page
            .items
            .into_iter()
            .map(|item| ListedProject {
                project_id: item.id,
                last_active_at: item.last_active_at,
                size_bytes: item.synthetic_size_bytes,
            })
            .collect();
        match self.ledger.record_listed(&listed).await {
            Ok(changed) => state.changed += changed,
            Err(error) => return Report::ledger_failed(&error),
        }
        state.seen += listed.len() as u64;
        if page.next.is_some() {
            self.sync_progress.set(State { cursor: page.next, ..state });
            return Report::idle();
        }
        self.sync_progress.set(State { swept_at: Some(Instant::now()), ..State::default() });
        Report { done: vec![("projects seen", state.seen), ("changed", state.changed)], ..Report::idle() }
    }
}
