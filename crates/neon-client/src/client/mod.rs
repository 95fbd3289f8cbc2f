//! A handle on one Neon account: who calls, for what, and until when. What all its clones share is the account.

mod attempt;
mod call;
mod config;
mod raw;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::value::RawValue;

pub use call::Call;
pub use config::{NeonConfig, prepare_tls};
pub use raw::RawAnswer;

use super::breaker::{Breakers, OpenBreaker};
use super::budget::{Budget, GateStatus};
use super::exchange::innermost;
use super::rate_limiter::RateLimiter;
use super::record::{self, Fields, Reading, Record};
use super::stats::{CallTally, NeonHealth, Stats};
use super::unreadable::{UnreadableRecord, UnreadableRecords};
use super::{Class, LocalRateLimiter, NeonError, Rate, Route};
use config::{base_url, bearer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than load balancers keep a connection, so that no call is lost on one that they are about to close.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// A handle on one Neon account. Cheap to clone; all clones share the budget and the counters.
#[derive(Clone)]
pub struct NeonClient {
    account: Arc<Account>,
    class: Class,
    deadline: Duration,
}

struct Account {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    org_id: Option<String>,
    timeout: Duration,
    request_id: fn() -> String,
    budget: Budget,
    breakers: Breakers,
    stats: Stats,
    unreadable: UnreadableRecords,
    /// Calls sent so far.
    sent: AtomicU64,
}

impl NeonClient {
    /// A client of class [`Class::Reconcile`] with twice the time limit of one call as its deadline; see [`Self::with_class`].
    ///
    /// # Errors
    /// [`NeonError::Misconfigured`], saying which setting.
    pub fn new(config: NeonConfig) -> Result<Self, NeonError> {
        prepare_tls();
        let account = Rate::of_account(config.calls_per_minute, config.calls_per_second_per_route)?;
        let consumption = Rate::of_consumption(config.consumption_calls_per_minute)?;
        let alone: Arc<dyn RateLimiter> = Arc::new(LocalRateLimiter::default());
        let http = reqwest::Client::builder()
            .user_agent(config.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()
            .map_err(|error| NeonError::Misconfigured(innermost(&error)))?;
        let account = Account {
            http,
            base: base_url(&config.base_url)?,
            authorization: bearer(&config.api_key)?,
            org_id: config.org_id,
            timeout: config.timeout,
            request_id: config.request_id,
            budget: Budget::new(account, consumption, &alone),
            breakers: Breakers::default(),
            stats: Stats::default(),
            unreadable: UnreadableRecords::default(),
            sent: AtomicU64::default(),
        };
        Ok(Self { account: Arc::new(account), class: Class::Reconcile, deadline: config.timeout * 2 })
    }

    /// The same account with its budget drawn from `limiter`, together with all others who draw from it. Counters and
    /// breakers begin anew.
    #[must_use]
    pub fn sharing(&self, limiter: &Arc<dyn RateLimiter>) -> Self {
        let account = &*self.account;
        let account = Account {
            http: account.http.clone(),
            base: account.base.clone(),
            authorization: account.authorization.clone(),
            org_id: account.org_id.clone(),
            timeout: account.timeout,
            request_id: account.request_id,
            budget: account.budget.sharing(limiter),
            breakers: Breakers::default(),
            stats: Stats::default(),
            unreadable: UnreadableRecords::default(),
            sent: AtomicU64::default(),
        };
        Self { account: Arc::new(account), ..*self }
    }

    /// The same client for calls of this class.
    #[must_use]
    pub fn with_class(&self, class: Class) -> Self {
        Self { class, ..self.clone() }
    }

    /// The same client for calls that have to end within this time, waiting for the budget and retries included.
    /// At most half of it is spent waiting before a call is sent, so that its answer has a chance to arrive.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Counters and health since the start.
    pub fn health(&self) -> NeonHealth {
        let Account { budget, stats, .. } = &*self.account;
        NeonHealth { paused_for: budget.paused_for(), waiting: budget.waiting(), ..stats.snapshot() }
    }

    /// What was called since the last time this was asked; see [`Self::give_back_tallies`].
    pub fn take_tallies(&self) -> Vec<CallTally> {
        self.account.stats.take_fresh()
    }

    /// The tallies could not be written down: the next ones hold them too.
    pub fn give_back_tallies(&self, tallies: &[CallTally]) {
        self.account.stats.give_back(tallies);
    }

    /// Records of Neon's answers that could not be read since the last time this was asked.
    pub fn take_unreadable(&self) -> Vec<UnreadableRecord> {
        self.account.unreadable.take()
    }

    /// Remembers that a record could not be read.
    pub(super) fn note_unreadable(&self, route: Route, record: Option<&str>, problem: &str) {
        self.account.unreadable.note(route, record.unwrap_or("a record without an id"), problem);
    }

    /// Reads each record of an answer by itself; what is wrong with any is remembered under its name.
    pub(super) fn readings<T: Record>(&self, route: Route, values: &[&RawValue]) -> Vec<Reading<T>> {
        let readings: Vec<Reading<T>> = values.iter().map(|value| record::read(value)).collect();
        for reading in readings.iter().filter(|reading| !reading.wrong.is_empty()) {
            self.note_unreadable(route, reading.id.as_deref(), &reading.wrong.join("; "));
        }
        readings
    }

    /// Makes a call of whose success nothing is read.
    pub(super) async fn done(&self, call: Call<'_>) -> Result<(), NeonError> {
        self.call::<serde::de::IgnoredAny>(call).await.map(drop)
    }

    /// Asks for a list and reads its records. One that cannot be read must not pass for one that is not there.
    pub(super) async fn list<T: Record>(&self, call: Call<'_>, name: &str) -> Result<Vec<T>, NeonError> {
        let route = call.route;
        let answer: Box<RawValue> = self.call(call).await?;
        let values = Fields::of(&answer)?.values(name).ok_or_else(|| no_list(name))?;
        let records: Vec<T> = self.readings(route, &values).into_iter().filter_map(|reading| reading.value).collect();
        match values.len() - records.len() {
            0 => Ok(records),
            lost => Err(NeonError::Unreadable { detail: format!("{lost} of its {name}") }),
        }
    }

    /// How the budget stands, as seen from this process.
    pub fn gates(&self) -> [GateStatus; 2] {
        self.account.budget.status()
    }

    /// The routes that are not called for a while.
    pub fn open_breakers(&self) -> Vec<OpenBreaker> {
        self.account.breakers.open()
    }

    /// The organisation that calls name, if one is set.
    pub fn org_id(&self) -> Option<&str> {
        self.account.org_id.as_deref()
    }
}

/// The answer lacks what was asked for.
pub(super) fn no_list(name: &str) -> NeonError {
    NeonError::Garbled { detail: format!("it has no list of {name}") }
}

impl fmt::Debug for NeonClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeonClient")
            .field("base", &self.account.base.as_str())
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}
