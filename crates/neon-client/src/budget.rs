//! The budget of calls: stands in front of every call, so that the limits of the account are never reached by our own doing.
//!
//! Two gates, one for each [`Bucket`] that Neon counts: all calls pass the account's. Whoever wants to call stands in the [`FairQueue`](super::fair_queue) of the
//! gate; while somebody does, one task of the gate asks the [`RateLimiter`] for permits, for those who wait and no more, and hands
//! them out. The limiter is shared by all replicas, so the limits hold over all of them; the shares by class are those of
//! each replica's own queue. A 429, or any answer with `Retry-After`, makes everybody pause.
//!
//! Every wait has an end: with a permit, with [`NeonError::BudgetExhausted`] as soon as it is clear that none comes in time, or
//! with [`NeonError::RateLimiterUnavailable`] when nobody says how many calls may be made.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::fair_queue::{FairQueue, Level, Ticket};
use super::rate::{PERMIT_LIFETIME, Rate};
use super::rate_limiter::{Ask, Bucket, FIRST_PAUSE, Grant, LONGEST_PAUSE, RateLimiter, RateLimiterError, Refusal};
use super::{Class, NeonError, Route};

/// Background calls ask for permits together, about this often, to spare whoever keeps the account. Urgent ones ask at once.
const PULSE: Duration = Duration::from_millis(200);
/// A rate limiter that does not answer is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long the limiter may take for an answer. A late one grants nothing any more, but may have opened the connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Budget {
    account: Arc<Gate>,
    consumption: Arc<Gate>,
}

/// How a gate stands, as seen from this process.
#[derive(Clone, Debug)]
pub struct GateStatus {
    pub bucket: Bucket,
    pub rate: Rate,
    pub classes: Vec<ClassStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassStatus {
    pub class: Class,
    /// Calls let through in the last 60 seconds.
    pub last_minute: u32,
    pub waiting: u32,
}

impl Budget {
    pub fn new(account: Rate, consumption: Rate, limiter: &Arc<dyn RateLimiter>) -> Self {
        Self {
            account: Gate::new(Bucket::Account, account, limiter),
            consumption: Gate::new(Bucket::Consumption, consumption, limiter),
        }
    }

    /// The same limits, drawn from another limiter.
    pub fn sharing(&self, limiter: &Arc<dyn RateLimiter>) -> Self {
        Self::new(self.account.rate, self.consumption.rate, limiter)
    }

    /// Waits for a free permit for one call, at most for `max_wait`. A call for usage history takes one of both buckets: Neon counts it apart, and does
    /// not say that it leaves it out of the account's.
    ///
    /// # Errors
    /// [`NeonError::BudgetExhausted`], at once where it is clear that the wait would be longer; [`NeonError::RateLimiterUnavailable`].
    pub async fn take(&self, class: Class, route: Route, max_wait: Duration) -> Result<(), NeonError> {
        let give_up = Instant::now() + max_wait;
        if route.bucket() == Bucket::Consumption {
            self.consumption.take(class, give_up).await?;
        }
        self.account.take(class, give_up).await
    }

    /// Neon asked us to slow down: everybody pauses. `sent_at` is when the call that was refused had been sent.
    pub async fn slow_down(&self, route: Route, sent_at: Instant, retry_after: Option<Duration>, reason: String) {
        self.gate(route).slow_down(sent_at, retry_after, reason).await;
    }

    /// A call was let through. Refusals among successes are single ones and pause shortly; only where nothing gets through the pause grows.
    pub async fn went_well(&self, route: Route, sent_at: Instant) {
        self.gate(route).went_well(sent_at).await;
    }

    /// How long everybody still pauses, as far as this process knows.
    pub fn paused_for(&self) -> Option<Duration> {
        [&self.account, &self.consumption].into_iter().filter_map(|gate| gate.paused_for()).max()
    }

    /// How many calls wait for a free permit.
    pub fn waiting(&self) -> usize {
        self.account.state().queue.len() + self.consumption.state().queue.len()
    }

    pub fn status(&self) -> [GateStatus; 2] {
        [self.account.status(), self.consumption.status()]
    }

    fn gate(&self, route: Route) -> &Arc<Gate> {
        match route.bucket() {
            Bucket::Account => &self.account,
            Bucket::Consumption => &self.consumption,
        }
    }
}

struct Gate {
    bucket: Bucket,
    rate: Rate,
    limiter: Arc<dyn RateLimiter>,
    state: Mutex<State>,
    /// Rung when the task that asks must not sleep on: somebody urgent came, or a pause.
    bell: Notify,
}

#[derive(Default)]
struct State {
    queue: FairQueue<Waiter>,
    asking: Option<JoinHandle<()>>,
    /// Since when the answer of the limiter is awaited.
    asked_at: Option<Instant>,
    /// Why the limiter could not answer last time.
    trouble: Option<String>,
    /// No background call is let through before this.
    earliest: Option<Instant>,
    paused_until: Option<Instant>,
    refusals_in_a_row: u32,
    let_through: VecDeque<(Instant, Class)>,
}

struct Waiter {
    give_up: Instant,
    /// Until when the permit may be used, or why there is none.
    reply: oneshot::Sender<Result<Instant, NeonError>>,
}

/// A position in the queue, given up when dropped: also when the caller goes away.
struct Enqueued<'a> {
    gate: &'a Gate,
    ticket: Ticket,
}

impl Drop for Enqueued<'_> {
    fn drop(&mut self) {
        self.gate.state().queue.leave(self.ticket);
    }
}

impl Gate {
    fn new(bucket: Bucket, rate: Rate, limiter: &Arc<dyn RateLimiter>) -> Arc<Self> {
        let limiter = Arc::clone(limiter);
        Arc::new(Self { bucket, rate, limiter, state: Mutex::default(), bell: Notify::new() })
    }

    async fn take(self: &Arc<Self>, class: Class, give_up: Instant) -> Result<(), NeonError> {
        loop {
            let (_enqueued, reply) = self.enqueue(class, give_up)?;
            match timeout_at(give_up, reply).await {
                Ok(Ok(Ok(valid_until))) if Instant::now() <= valid_until => {
                    self.note(class);
                    return Ok(());
                }
                // This task was not run in time to use its permit.
                Ok(Ok(Ok(_))) => {}
                Ok(Ok(Err(error))) => return Err(error),
                Ok(Err(_)) | Err(_) => return Err(self.no_permit()),
            }
        }
    }

    fn enqueue(
        self: &Arc<Self>,
        class: Class,
        give_up: Instant,
    ) -> Result<(Enqueued<'_>, oneshot::Receiver<Result<Instant, NeonError>>), NeonError> {
        let mut state = self.state();
        if let Some(earliest) = state.earliest.filter(|earliest| *earliest > give_up && !class.is_urgent()) {
            return Err(exhausted(earliest, self.rate));
        }
        let (reply, answer) = oneshot::channel();
        let ticket = state.queue.join(class, Waiter { give_up, reply });
        if state.asking.as_ref().is_none_or(JoinHandle::is_finished) {
            state.asking = Some(tokio::spawn(Arc::clone(self).ask_for_all()));
        } else if class.is_urgent() {
            self.bell.notify_one();
        }
        Ok((Enqueued { gate: self, ticket }, answer))
    }

    /// Asks for permits as long as somebody waits.
    async fn ask_for_all(self: Arc<Self>) {
        while let Some((level, ask)) = self.next_ask() {
            let asked_at = Instant::now();
            let answer = timeout(ANSWER_WITHIN, self.limiter.take(self.bucket, ask)).await;
            let rest = match answer {
                Ok(Ok(grant)) => self.hand_out(level, ask, grant, asked_at),
                Ok(Err(error)) => self.note_trouble(&error),
                Err(_) => self.note_trouble(&no_answer(ANSWER_WITHIN)),
            };
            if let Some(rest) = rest {
                tokio::select! {
                    () = sleep(rest) => {}
                    () = self.bell.notified() => {}
                }
            }
        }
    }

    /// For those at the head of the queue: the urgent if there are any, else all. `None` ends the task that asks.
    fn next_ask(&self) -> Option<(Level, Ask)> {
        let mut state = self.state();
        let Some((level, waiting)) = state.queue.head() else {
            state.asking = None;
            return None;
        };
        let keep = if level == Level::Urgent { 0 } else { self.rate.reserve };
        let wanted = u32::try_from(waiting).unwrap_or(u32::MAX).min(self.rate.burst);
        state.asked_at = Some(Instant::now());
        Some((level, Ask { wanted, keep, rate: self.rate }))
    }

    /// Gives the permits to those who are next and tells those for whom none comes in time. Answers when to ask again; `None` is now.
    fn hand_out(&self, level: Level, ask: Ask, grant: Grant, asked_at: Instant) -> Option<Duration> {
        let mut state = self.state();
        let (now, valid_until) = (Instant::now(), asked_at + PERMIT_LIFETIME);
        state.asked_at = None;
        state.trouble = (now > valid_until).then(|| no_answer(now - asked_at).to_string());
        state.refusals_in_a_row = grant.refusals_in_a_row;
        state.paused_until = Some(now + grant.paused_for);
        if now > valid_until {
            // The permits have lapsed. Asking again at once would only use up more.
            return Some(ASK_AGAIN);
        }
        let mut left = grant.granted;
        while left > 0 {
            let Some(next) = state.queue.next(level) else { break };
            // Who has gone away meanwhile takes no permit.
            left -= u32::from(next.reply.send(Ok(valid_until)).is_ok());
        }
        if grant.granted == ask.wanted {
            state.earliest = None;
            return None;
        }
        let earliest = now + grant.wait;
        state.earliest = Some(earliest);
        for waiter in state.queue.take_out(level, |waiter| waiter.give_up < earliest) {
            let _ = waiter.reply.send(Err(exhausted(earliest, self.rate)));
        }
        Some(if level == Level::Urgent { grant.wait } else { grant.wait.max(self.pulse()) })
    }

    /// Never so long that permits are lost, and of random length, so that no replica is always before another.
    fn pulse(&self) -> Duration {
        let room = self.rate.interval * self.rate.burst.saturating_sub(self.rate.reserve);
        PULSE.min(room / 2).mul_f64(0.5 + rand::random::<f64>())
    }

    fn note_trouble(&self, error: &RateLimiterError) -> Option<Duration> {
        let mut state = self.state();
        if state.trouble.is_none() {
            tracing::warn!(%error, bucket = self.bucket.as_str(), "nobody says how many calls to Neon may be made; calls wait");
        }
        state.asked_at = None;
        state.trouble = Some(error.to_string());
        state.earliest = None;
        Some(ASK_AGAIN)
    }

    /// Why somebody whose time is up got no permit.
    fn no_permit(&self) -> NeonError {
        let state = self.state();
        let silent_for = state.asked_at.map(|asked_at| asked_at.elapsed()).filter(|silent| *silent > PERMIT_LIFETIME);
        match (&state.trouble, silent_for) {
            (Some(cause), _) => NeonError::RateLimiterUnavailable { cause: cause.clone() },
            (None, Some(silent)) => NeonError::RateLimiterUnavailable { cause: no_answer(silent).to_string() },
            (None, None) => exhausted(state.earliest.unwrap_or_else(Instant::now), self.rate),
        }
    }

    async fn slow_down(self: &Arc<Self>, sent_at: Instant, retry_after: Option<Duration>, reason: String) {
        let at_least = retry_after.unwrap_or(FIRST_PAUSE).min(LONGEST_PAUSE);
        self.pause(at_least);
        let gate = Arc::clone(self);
        // Told to all replicas also if the caller goes away.
        let told = tokio::spawn(async move {
            let refusal = Refusal { sent_ago: sent_at.elapsed(), retry_after, reason };
            match timeout(ANSWER_WITHIN, gate.limiter.slow_down(gate.bucket, refusal)).await {
                Ok(Ok(grant)) => {
                    gate.state().refusals_in_a_row = grant.refusals_in_a_row;
                    gate.pause(grant.paused_for);
                }
                Ok(Err(error)) => tracing::warn!(%error, "could not make the other replicas pause"),
                Err(_) => tracing::warn!("could not make the other replicas pause: no answer"),
            }
        });
        let _ = told.await;
    }

    fn pause(&self, length: Duration) {
        let mut state = self.state();
        let until = Some(Instant::now() + length);
        state.paused_until = state.paused_until.max(until);
        state.earliest = state.earliest.max(until);
        drop(state);
        // Who cannot wait that long is told now.
        self.bell.notify_one();
    }

    async fn went_well(self: &Arc<Self>, sent_at: Instant) {
        // One tells it; the next answer says whether it was enough.
        if std::mem::take(&mut self.state().refusals_in_a_row) == 0 {
            return;
        }
        let gate = Arc::clone(self);
        let told = tokio::spawn(async move {
            let told = gate.limiter.went_well(gate.bucket, sent_at.elapsed());
            if let Ok(Err(error)) = timeout(ANSWER_WITHIN, told).await {
                tracing::debug!(%error, "could not tell that calls go through again");
            }
        });
        let _ = told.await;
    }

    fn paused_for(&self) -> Option<Duration> {
        let left = self.state().paused_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn note(&self, class: Class) {
        let (mut state, now) = (self.state(), Instant::now());
        state.let_through.push_back((now, class));
        state.forget(now);
    }

    fn status(&self) -> GateStatus {
        let mut state = self.state();
        state.forget(Instant::now());
        let classes = Class::ALL.map(|class| ClassStatus {
            class,
            last_minute: state.let_through.iter().filter(|(_, of)| *of == class).count() as u32,
            waiting: state.queue.by_class().filter(|(of, _)| *of == class).map(|(_, n)| n as u32).sum(),
        });
        GateStatus { bucket: self.bucket, rate: self.rate, classes: classes.to_vec() }
    }

    /// Nothing that holds the lock can leave the queue half changed, so a poisoned lock is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The rate bounds what is left.
    fn forget(&mut self, now: Instant) {
        while self.let_through.front().is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            self.let_through.pop_front();
        }
    }
}

fn exhausted(earliest: Instant, rate: Rate) -> NeonError {
    NeonError::BudgetExhausted { wait: earliest.saturating_duration_since(Instant::now()).max(rate.interval) }
}

fn no_answer(within: Duration) -> RateLimiterError {
    RateLimiterError(format!("no answer for {:.1} s", within.as_secs_f64()))
}

#[cfg(test)]
mod tests;
