//! The seam between the budget and whoever keeps its account: how many calls may be made now, over everybody who shares it.
//!
//! The client does not know who that is. [`LocalRateLimiter`](super::LocalRateLimiter) is one process on its own;
//! with a store in its place that they share, all replicas of a program draw from one bucket.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::Rate;

/// However long Neon asks us to wait, we ask again after this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The first pause after a 429 that does not say how long; it doubles while further ones come.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Neon counts calls for usage history apart, beside counting all calls of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    Account,
    Consumption,
}

impl Bucket {
    pub const ALL: [Self; 2] = [Self::Account, Self::Consumption];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Consumption => "consumption",
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is asked for: permits for calls that wait now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub wanted: u32,
    /// Places of the burst that must be left, for calls that are more urgent than these.
    pub keep: u32,
    pub rate: Rate,
}

/// The answer: good for [`PERMIT_LIFETIME`](super::rate::PERMIT_LIFETIME) from the moment of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    pub granted: u32,
    /// Until one more could be granted, if nobody else takes it.
    pub wait: Duration,
    /// How long everybody still pauses because Neon asked for it; part of `wait`.
    pub paused_for: Duration,
    /// Above zero, somebody wants to know when a call goes well: see [`RateLimiter::went_well`].
    pub refusals_in_a_row: u32,
}

/// Neon asked us to slow down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How long ago the refused call had been sent: calls that were under way together are one refusal.
    pub sent_ago: Duration,
    pub retry_after: Option<Duration>,
    /// For the screen.
    pub reason: String,
}

/// Why nothing can be said about how many calls may be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RateLimiterError(pub String);

/// An answer on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, RateLimiterError>> + Send + 'a>>;

/// Keeps the account of calls for everybody who shares a Neon account.
pub trait RateLimiter: Send + Sync {
    /// Grants as many of the wanted permits as are free.
    fn take(&self, bucket: Bucket, ask: Ask) -> Pending<'_, Grant>;

    /// Makes everybody pause; answers how long, and how often Neon has refused in a row.
    fn slow_down(&self, bucket: Bucket, refusal: Refusal) -> Pending<'_, Grant>;

    /// A call that was sent so long ago was let through: single refusals pause shortly, only where nothing gets through the
    /// pause grows.
    fn went_well(&self, bucket: Bucket, sent_ago: Duration) -> Pending<'_, ()>;
}
