//! What a page shows, kept fresh: the first answer comes with the page, later ones are asked for while the page is seen.
//!
//! A failed refresh never takes away what is shown; it says how old it is.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use leptos::{prelude::*, task::spawn_local};

use super::{Clock, Glyph, Icon, Timestamp, browser};

/// How long an answer may take before it is asked for anew.
const ANSWER_TIMEOUT_MS: f64 = 15_000.0;

/// A value that refreshes itself. Made by the page, outside of any suspense, so that it lives as long as the page.
pub struct Live<T: Send + Sync + 'static> {
    value: RwSignal<Option<T>>,
    refresh: Refresh,
}

/// The part that does not depend on the value.
#[derive(Clone, Copy)]
pub struct Refresh {
    /// Raised to ask for a refresh now.
    wanted: RwSignal<u32>,
    /// Why the last refresh failed.
    failed: RwSignal<Option<String>>,
    /// When the refresh that is under way began, in milliseconds.
    under_way: StoredValue<Option<f64>>,
    /// Raised when another page of data has been put in: answers asked for before it are dropped.
    generation: StoredValue<u32>,
    /// Seconds between refreshes; 0 is never.
    every: RwSignal<u32>,
}

impl<T: Send + Sync + 'static> Clone for Live<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Live<T> {}

impl<T: Clone + Send + Sync + 'static> Live<T> {
    pub fn new(every: u32) -> Self {
        let refresh = Refresh {
            wanted: RwSignal::new(0),
            failed: RwSignal::new(None),
            under_way: StoredValue::new(None),
            generation: StoredValue::new(0),
            every: RwSignal::new(every),
        };
        Self { value: RwSignal::new(None), refresh }
    }

    /// Puts in what came with the page.
    pub fn start_with(self, value: T) {
        self.refresh.forget();
        self.refresh.failed.try_set(None);
        self.value.try_set(Some(value));
    }

    /// What is shown now; `None` only before [`start_with`](Self::start_with).
    pub fn with<R>(self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.value.try_with(|value| value.as_ref().map(read))?
    }

    pub fn get(self) -> Option<T> {
        self.with(T::clone)
    }

    /// For handlers: reads without following later changes.
    pub fn with_untracked<R>(self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.value.try_with_untracked(|value| value.as_ref().map(read))?
    }

    pub fn refresh(self) -> Refresh {
        self.refresh
    }

    /// Asks again and again, in the browser, as long as the page is there.
    pub fn keep_asking<F, Fut, E>(self, ask: F)
    where
        F: Fn() -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + 'static,
        E: std::fmt::Display + 'static,
    {
        let now = move || {
            if !self.refresh.begin() {
                return;
            }
            let generation = self.refresh.generation.try_get_value();
            let answer = untrack(ask);
            spawn_local(async move {
                let answer = answer.await;
                if self.refresh.generation.try_get_value() != generation {
                    return;
                }
                self.refresh.under_way.try_set_value(None);
                match answer {
                    Ok(value) => {
                        self.refresh.failed.try_set(None);
                        self.value.try_set(Some(value));
                    }
                    Err(error) => {
                        self.refresh.failed.try_set(Some(error.to_string()));
                    }
                }
            });
        };
        self.refresh.drive(now);
    }
}

impl Refresh {
    /// Asks for a refresh now.
    pub fn now(self) {
        self.wanted.try_update(|wanted| *wanted += 1);
    }

    /// Why the last refresh failed, if it did.
    pub fn failure(self) -> Option<String> {
        self.failed.try_get().flatten()
    }

    pub fn set_every(self, seconds: u32) {
        if self.every.try_get_untracked() != Some(seconds) {
            self.every.try_set(seconds);
        }
    }

    /// False when one is under way or the page is gone. One that takes too long is given up.
    fn begin(self) -> bool {
        let now = browser::now_ms();
        match self.under_way.try_get_value() {
            None => return false,
            Some(Some(began)) if now - began < ANSWER_TIMEOUT_MS => return false,
            Some(Some(_)) => self.forget(),
            Some(None) => {}
        }
        self.under_way.try_set_value(Some(now));
        true
    }

    /// Whatever answer is still on its way no longer counts.
    fn forget(self) {
        self.generation.try_update_value(|generation| *generation += 1);
        self.under_way.try_set_value(None);
    }

    fn drive(self, ask: impl Fn() + Copy + 'static) {
        Effect::new(move |before: Option<u32>| {
            let wanted = self.wanted.get();
            if before.is_some_and(|before| before != wanted) {
                // What is on its way may have been read before whatever somebody wants to see now.
                self.forget();
                ask();
            }
            wanted
        });
        Effect::new(move || {
            let every = self.every.get();
            if every == 0 {
                return;
            }
            let due = move || {
                if browser::is_visible() {
                    ask();
                }
            };
            if let Ok(handle) = set_interval_with_handle(due, Duration::from_secs(every.into())) {
                on_cleanup(move || handle.clear());
            }
        });
    }
}

/// How old what is shown is, and a way to have it fresh. Says so when it could not be refreshed.
#[component]
pub fn Freshness(
    /// When it was read.
    #[prop(into)]
    as_of: Signal<Option<DateTime<Utc>>>,
    refresh: Refresh,
) -> impl IntoView {
    let clock = use_context::<Clock>();
    let is_stale = move || {
        refresh.failed.try_with(Option::is_some).unwrap_or(false)
            || as_of
                .try_get()
                .flatten()
                .zip(clock)
                .and_then(|(at, clock)| clock.age_seconds(at))
                .is_some_and(|age| age > 60)
    };
    view! {
        <span class="inline-flex items-center gap-1.5 text-xs text-muted" title=move || refresh.failed.try_get().flatten()>
            <span class=("text-warning", is_stale)>
                {move || as_of.try_get().flatten().map(|at| view! { {move || if is_stale() { "Not refreshed since " } else { "As of " }} <Timestamp at /> })}
            </span>
            <button
                type="button"
                class="btn btn-ghost btn-xs btn-square needs-wasm"
                aria-label="Refresh now"
                title="Refresh now"
                on:click=move |_| refresh.now()
            >
                <Icon glyph=Glyph::Refresh class="size-3.5" />
            </button>
        </span>
    }
}
