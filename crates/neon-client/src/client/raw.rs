//! A call whose answer is handed over as it came, whatever its status: for finding out how Neon behaves where that is not documented.
//!
//! It keeps to the budget as every call does, is sent once, and is no business of the breakers: that a call is refused may be what is to be found out.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;

use super::{Call, NeonClient};
use crate::answer;
use crate::exchange::exchange_raw;
use crate::redact::presentable;
use crate::{NeonError, Route};

/// An answer, successful or not.
pub struct RawAnswer {
    pub status: u16,
    /// What the call was sent with as `X-Request-ID`.
    pub request_id: String,
    /// `Null` where it is no JSON. May hold passwords.
    pub body: Value,
    /// What a typed call would have made of it, had it failed.
    pub error: Option<NeonError>,
    headers: HeaderMap,
}

impl RawAnswer {
    fn of(status: u16, request_id: String, headers: HeaderMap, body: &[u8]) -> Self {
        let is_success = (200..300).contains(&status);
        let error = (!is_success).then(|| answer::error(status, answer::retry_after(&headers, Utc::now()), body));
        Self { status, request_id, body: serde_json::from_slice(body).unwrap_or_default(), error, headers }
    }

    pub fn is_success(&self) -> bool {
        self.error.is_none()
    }

    /// The headers whose names hold one of these words, as `name: value`.
    pub fn headers_with(&self, words: &[&str]) -> Vec<String> {
        let named = self.headers.iter().filter(|(name, _)| words.iter().any(|word| name.as_str().contains(word)));
        named
            .map(|(name, value)| presentable(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))))
            .collect()
    }

    /// A field of Neon's errors, fit for a screen; empty where it is absent.
    pub fn told(&self, field: &str) -> String {
        presentable(self.body[field].as_str().unwrap_or_default())
    }

    /// Its status and, of a failure, code and message.
    pub fn in_words(&self) -> String {
        let parts = match self.is_success() {
            true => [String::new(), String::new()],
            false => [self.told("code"), self.told("message")],
        };
        let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let separator = if told.is_empty() { "" } else { " " };
        format!("{}{separator}{}", self.status, told.join(": "))
    }
}

/// Without headers and body.
impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAnswer").field("status", &self.status).field("error", &self.error).finish_non_exhaustive()
    }
}

impl NeonClient {
    /// Makes the call and hands over its answer, whatever its status. Never repeated.
    ///
    /// # Errors
    /// Where there is no answer: [`NeonError::Unreachable`], [`NeonError::NoAnswer`], or that the budget did not let it through in time.
    pub async fn raw(&self, call: Call<'_>) -> Result<RawAnswer, NeonError> {
        let account = &*self.account;
        let end = Instant::now() + self.deadline;
        account.budget.take(self.class, call.route, self.deadline / 2).await?;
        let (request_id, sent_at) = (account.next_request_id(), Instant::now());
        let limit = end.saturating_duration_since(sent_at).min(account.timeout);
        let (status, outcome) = exchange_raw(account.request(&call, &request_id), limit).await;
        let outcome = outcome.map(|(status, headers, body)| RawAnswer::of(status, request_id, headers, &body));
        let error = match &outcome {
            Ok(answer) => answer.error.as_ref(),
            Err(error) => Some(error),
        };
        account.adjust_rate(call.route, sent_at, error).await;
        account.stats.record(self.class, call.route, status, sent_at.elapsed(), error);
        note(call.route, sent_at.elapsed(), error);
        outcome
    }
}

/// Failures are no news here.
fn note(route: Route, took: Duration, error: Option<&NeonError>) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match error {
        None => tracing::debug!(neon.route = %route, neon.duration_ms = ms, "Neon answered"),
        Some(error) => tracing::debug!(neon.route = %route, neon.duration_ms = ms, %error, "Neon answered"),
    }
}
