//! One call, from the budget to the typed answer: the gates, the exchange, the books, and the retries of reads.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{Account, Call, NeonClient};
use crate::exchange::exchange;
use crate::stats::CallStatus;
use crate::{Class, NeonError, Route};

/// How often a read that failed is repeated.
const RETRIES: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);

impl NeonClient {
    /// Makes the call; if it only reads, again after a passing failure. What changes something is sent once at most.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, NeonError> {
        let end = Instant::now() + self.deadline;
        let mut error = match self.attempt(&call, end).await {
            Err(error) if call.route.is_read() => error,
            outcome => return outcome,
        };
        for retry in 0..RETRIES {
            let pause = FIRST_BACKOFF.saturating_mul(1 << retry).mul_f64(rand::random());
            if !is_passing(&error) || Instant::now() + pause >= end {
                break;
            }
            sleep(pause).await;
            match self.attempt(&call, end).await {
                Ok(answer) => return Ok(answer),
                // What Neon said tells more than that there is no time left to ask again.
                Err(newer) if newer.is_held_back() => break,
                Err(newer) => error = newer,
            }
        }
        Err(error)
    }

    /// One call: the breaker's leave, a permit in the budget, the exchange, the books.
    async fn attempt<T: DeserializeOwned>(&self, call: &Call<'_>, end: Instant) -> Result<T, NeonError> {
        let account = &*self.account;
        let not_sent = |error| {
            account.stats.record(self.class, call.route, CallStatus::NotSent, Duration::ZERO, Some(&error));
            error
        };
        let pass = account.breakers.admit(call.route).map_err(not_sent)?;
        let max_wait = end.saturating_duration_since(Instant::now()) / 2;
        account.budget.take(self.class, call.route, max_wait).await.map_err(not_sent)?;
        let (request_id, sent_at) = (account.next_request_id(), Instant::now());
        let limit = end.saturating_duration_since(sent_at).min(account.timeout);
        let (status, outcome) = exchange(account.request(call, &request_id), limit).await;
        let outcome = outcome.map_err(|error| as_the_plan_has_it(call.route, error));
        let took = sent_at.elapsed();
        let error = outcome.as_ref().err();
        if let Some(NeonError::Unreadable { detail }) = error {
            self.note_unreadable(call.route, call.ids.last().copied(), detail);
        }
        pass.settle(error, took, limit);
        account.adjust_rate(call.route, sent_at, error).await;
        account.stats.record(self.class, call.route, status, took, error);
        log(self.class, call.route, &request_id, status, took, error);
        outcome
    }
}

impl Account {
    /// A 429, and whatever comes with `Retry-After`, slows everybody down.
    pub(super) async fn adjust_rate(&self, route: Route, sent_at: Instant, error: Option<&NeonError>) {
        let retry_after = match error {
            Some(NeonError::RateLimited { retry_after }) => *retry_after,
            Some(NeonError::Unavailable { retry_after: Some(wait), .. }) => Some(*wait),
            Some(_) => return,
            None => return self.budget.went_well(route, sent_at).await,
        };
        let status = if matches!(error, Some(NeonError::RateLimited { .. })) { 429 } else { 503 };
        let wait = retry_after.map(|wait| format!(" with Retry-After {} s", wait.as_secs())).unwrap_or_default();
        self.budget.slow_down(route, sent_at, retry_after, format!("{status} from {route}{wait}")).await;
    }
}

/// A 403 is an outage of the key, but where the plan decides it is an answer.
fn as_the_plan_has_it(route: Route, error: NeonError) -> NeonError {
    match error {
        NeonError::Unauthorised { status: 403, message } if route.depends_on_plan() => {
            NeonError::NotOffered { message }
        }
        error => error,
    }
}

/// What a repeated read may overcome within a second.
fn is_passing(error: &NeonError) -> bool {
    use NeonError::{NoAnswer, RateLimited, Server, Unavailable, Unreachable};
    matches!(error, Unreachable { .. } | NoAnswer { .. } | RateLimited { .. } | Unavailable { .. } | Server { .. })
}

/// One line a call. What belongs to everyday work stays at the level of success.
fn log(class: Class, route: Route, id: &str, status: CallStatus, took: Duration, error: Option<&NeonError>) {
    let (class, ms) = (class.as_str(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    macro_rules! log {
        ($level:ident, $($rest:tt)+) => {
            tracing::$level!(neon.request_id = id, neon.route = %route, neon.status = %status, neon.class = class, neon.duration_ms = ms, $($rest)+)
        };
    }
    match error {
        None => log!(debug, "Neon answered"),
        Some(error) if error.is_everyday() => log!(debug, %error, "Neon answered"),
        Some(error) => log!(warn, %error, "a call to Neon failed"),
    }
}
