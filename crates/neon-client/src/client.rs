//! One call to Neon, from the budget to the typed answer: settings, building the request, counting, and the retries of reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::breaker::{Breakers, OpenBreaker};
use super::budget::{Budget, GateStatus};
use super::exchange::{exchange, innermost};
use super::rate_limiter::RateLimiter;
use super::record::{self, Fields, Reading, Record};
use super::stats::{CallStatus, CallTally, NeonHealth, Stats};
use super::unreadable::{UnreadableRecord, UnreadableRecords};
use super::{Class, LocalRateLimiter, NeonError, Rate, Route};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than load balancers keep a connection, so that no call is lost on one that they are about to close.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// How often a read that failed is repeated.
const RETRIES: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// Where and how to reach Neon.
#[derive(Clone, Debug)]
pub struct NeonConfig {
    /// Up to and including `/api/v2`.
    pub base_url: String,
    pub api_key: SecretString,
    /// Needed with a personal key; an organisation's key implies it.
    pub org_id: Option<String>,
    /// Neon's limit per account, less what others use of it. All who share an [`RateLimiter`] keep to it together.
    pub calls_per_minute: u32,
    /// Neon's limit per account and route.
    pub calls_per_second_per_route: u32,
    /// Neon's limit per account for calls for usage history, which it counts apart.
    pub consumption_calls_per_minute: u32,
    /// From sending a call to the end of its answer.
    pub timeout: Duration,
    /// Who calls, as `name/version`.
    pub user_agent: String,
    /// For what a call is made: sent along with the number of the call, and told by Neon in its errors. Asked in the task that makes the call.
    pub request_id: fn() -> String,
}

impl NeonConfig {
    /// Neon's documented limits, and half a minute for each answer.
    pub fn new(base_url: impl Into<String>, api_key: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            org_id: None,
            calls_per_minute: 700,
            calls_per_second_per_route: 40,
            consumption_calls_per_minute: 30,
            timeout: Duration::from_secs(30),
            user_agent: String::from(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"))),
            request_id: || format!("{:016x}", rand::random::<u64>()),
        }
    }
}

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

/// A call that is to be made.
pub(super) struct Call<'a> {
    route: Route,
    ids: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<serde_json::Value>,
}

impl<'a> Call<'a> {
    pub(super) fn to(route: Route, ids: &[&'a str]) -> Self {
        Self { route, ids: ids.to_vec(), query: Vec::new(), body: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// Chooses the cryptography behind TLS, once for the process. Before any client of reqwest is made.
pub fn prepare_tls() {
    // An error says that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
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

    pub(super) fn org_id(&self) -> Option<&str> {
        self.account.org_id.as_deref()
    }

    /// Makes the call; if it only reads, again after a passing failure. What changes something is sent once at most.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, NeonError> {
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
    /// What the call is made for, and the number of the call in this process. Neon tells it in its errors.
    fn next_request_id(&self) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}.{number}", (self.request_id)())
    }

    fn request(&self, call: &Call<'_>, request_id: &str) -> reqwest::RequestBuilder {
        let method = match call.route.method {
            "POST" => Method::POST,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        };
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.route.segments(&call.ids));
        }
        let request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header("X-Request-ID", request_id)
            .header(ACCEPT, "application/json")
            .query(&call.query);
        match &call.body {
            Some(body) => request.json(body),
            None if call.route.is_read() => request,
            // Some proxies refuse a change that does not say how long its body is.
            None => request.header(CONTENT_LENGTH, 0),
        }
    }

    /// A 429, and whatever comes with `Retry-After`, slows everybody down.
    async fn adjust_rate(&self, route: Route, sent_at: Instant, error: Option<&NeonError>) {
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

/// The answer lacks what was asked for.
pub(super) fn no_list(name: &str) -> NeonError {
    NeonError::Garbled { detail: format!("it has no list of {name}") }
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

fn base_url(text: &str) -> Result<Url, NeonError> {
    let wrong = |why: &str| {
        NeonError::Misconfigured(format!(
            "the address of the Neon API {why}; it looks like https://console.neon.tech/api/v2."
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(wrong("has to begin with https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("must hold neither a user nor a query"));
    }
    Ok(url)
}

fn bearer(key: &SecretString) -> Result<HeaderValue, NeonError> {
    let key = key.expose_secret().trim();
    let mut header =
        HeaderValue::from_str(&format!("Bearer {key}")).ok().filter(|_| !key.is_empty()).ok_or_else(|| {
            NeonError::Misconfigured(String::from("the Neon API key is empty or holds characters that no key has."))
        })?;
    header.set_sensitive(true);
    Ok(header)
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

impl fmt::Debug for NeonClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeonClient")
            .field("base", &self.account.base.as_str())
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}
