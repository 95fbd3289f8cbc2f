//! The budget of calls: stands in front of every call, so that the limits of the account are never reached by our own doing.
//!
//! Neon allows so many calls a minute per account and so many a second per route. Both are kept with a margin: in no window
//! of 60 seconds (or one second and one route) are more calls let through than the limit. Whoever finds no free place stands
//! in a line: urgent classes first, then first come, first served. One that waits for its route holds up those behind it,
//! for a few milliseconds at most. A 429, or any answer with `Retry-After`, makes everybody pause.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Class, NeonError, Route};

/// However long Neon asks us to wait, we ask again after this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The first pause after a 429 that does not say how long; it doubles while further ones come.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

pub struct Budget {
    account: DefaultDirectRateLimiter,
    routes: DefaultKeyedRateLimiter<Route>,
    clock: DefaultClock,
    /// Time between two places once the burst is used up.
    interval: Duration,
    burst: u32,
    line: Mutex<Line>,
}

/// Who waits, with the bell that calls them, and until when everybody does.
#[derive(Default)]
struct Line {
    waiting: BTreeMap<Place, Arc<Notify>>,
    next_ticket: u64,
    paused_until: Option<Instant>,
    /// The end of the pause before this one: a success that was sent since shows that not everything is refused.
    resumed_at: Option<Instant>,
    refusals_in_a_row: u32,
}

/// Ordered: who stands first is next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    can_wait: bool,
    ticket: u64,
}

/// A place in the line, given up when dropped: also when the caller goes away.
struct Seat<'a> {
    budget: &'a Budget,
    place: Place,
    bell: Arc<Notify>,
}

/// What the one who asks has to wait for.
enum Turn {
    Now,
    At(Instant),
    /// Others are before; no sooner than this.
    Behind(Instant),
}

impl Budget {
    /// # Errors
    /// [`NeonError::Misconfigured`] if a limit is too low to work with.
    pub fn new(calls_per_minute: u32, calls_per_second_per_route: u32) -> Result<Self, NeonError> {
        let account = per_minute(calls_per_minute).ok_or_else(|| {
            NeonError::Misconfigured(format!(
                "{calls_per_minute} calls per minute are too few; allow at least 10 (Neon's own limit is 700)."
            ))
        })?;
        let route = per_second(calls_per_second_per_route).ok_or_else(|| {
            NeonError::Misconfigured(format!("{calls_per_second_per_route} calls per second and route are too few; allow at least 3 (Neon's own limit is 40)."))
        })?;
        Ok(Self {
            account: RateLimiter::direct(account),
            routes: RateLimiter::keyed(route),
            clock: DefaultClock::default(),
            interval: account.replenish_interval(),
            burst: account.burst_size().get(),
            line: Mutex::default(),
        })
    }

    /// Waits for a free place for one call, at most for `patience`.
    ///
    /// # Errors
    /// [`NeonError::BudgetExhausted`], at once where it is clear that the wait would be longer.
    pub async fn take(&self, class: Class, route: Route, patience: Duration) -> Result<(), NeonError> {
        let give_up = Instant::now() + patience;
        let seat = self.stand_in_line(class);
        let mut route_is_free = false;
        loop {
            let (until, at_head) = match self.turn(&seat, route, &mut route_is_free) {
                Turn::Now => return Ok(()),
                Turn::At(until) => (until, true),
                Turn::Behind(until) => (until, false),
            };
            let now = Instant::now();
            if until > give_up || now >= give_up {
                return Err(NeonError::BudgetExhausted {
                    wait: until.saturating_duration_since(now).max(self.interval),
                });
            }
            let wake = if at_head { until } else { give_up };
            tokio::select! {
                () = sleep_until(wake) => {}
                () = seat.bell.notified() => {}
            }
        }
    }

    /// Neon asked us to slow down: everybody pauses. `sent_at` is when the call that was refused had been sent.
    pub fn slow_down(&self, sent_at: Instant, retry_after: Option<Duration>) {
        let mut line = self.line();
        let told_before = line.paused_until.is_some_and(|until| sent_at < until);
        if !told_before {
            line.refusals_in_a_row = line.refusals_in_a_row.saturating_add(1);
            line.resumed_at = line.paused_until;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << line.refusals_in_a_row.saturating_sub(1).min(10));
        let pause = retry_after.unwrap_or(doubled).min(LONGEST_PAUSE);
        let base = if retry_after.is_none() && told_before { sent_at } else { Instant::now() };
        line.paused_until = line.paused_until.max(Some(base + pause));
        // Who cannot wait that long is told now.
        line.waiting.values().for_each(|bell| bell.notify_one());
    }

    /// A call was let through. Refusals among successes are single ones and pause shortly; only where nothing gets through the pause grows.
    pub fn went_well(&self, sent_at: Instant) {
        let mut line = self.line();
        if line.resumed_at.is_none_or(|resumed_at| sent_at >= resumed_at) {
            line.refusals_in_a_row = 0;
        }
    }

    /// How long everybody still pauses.
    pub fn paused_for(&self) -> Option<Duration> {
        let left = self.line().paused_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// How many calls wait for a free place.
    pub fn waiting(&self) -> usize {
        self.line().waiting.len()
    }

    fn stand_in_line(&self, class: Class) -> Seat<'_> {
        let mut line = self.line();
        let place = Place { can_wait: !class.is_urgent(), ticket: line.next_ticket };
        line.next_ticket += 1;
        let bell = Arc::new(Notify::new());
        line.waiting.insert(place, bell.clone());
        Seat { budget: self, place, bell }
    }

    /// Takes the place if it is free now. What was got for the route is kept, the account's place is taken last.
    fn turn(&self, seat: &Seat<'_>, route: Route, route_is_free: &mut bool) -> Turn {
        let line = self.line();
        let now = Instant::now();
        let earliest = line.paused_until.unwrap_or(now).max(now);
        let ahead = line.waiting.range(..seat.place).count();
        if ahead > 0 {
            let beyond_burst = u32::try_from(ahead).unwrap_or(u32::MAX).saturating_sub(self.burst);
            return Turn::Behind(earliest + self.interval.saturating_mul(beyond_burst));
        }
        if earliest > now {
            return Turn::At(earliest);
        }
        let at = |refused: NotUntil<_>| Turn::At(now + refused.wait_time_from(self.clock.now()));
        if !*route_is_free {
            match self.routes.check_key(&route) {
                Ok(()) => *route_is_free = true,
                Err(refused) => return at(refused),
            }
        }
        match self.account.check() {
            Ok(()) => Turn::Now,
            Err(refused) => at(refused),
        }
    }

    /// Nothing that holds the lock can leave the line half changed, so a poisoned lock is still good.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut line = self.budget.line();
        line.waiting.remove(&self.place);
        if let Some((_, bell)) = line.waiting.first_key_value() {
            bell.notify_one();
        }
    }
}

/// Burst and rate together stay below the limit in every window of a minute; the margin is for calls that overtake each other on the way.
/// 700 a minute become a burst of 20 and 670 a minute, 96 % of what Neon allows.
fn per_minute(limit: u32) -> Option<Quota> {
    let burst = (limit / 35).clamp(1, 40);
    let margin = (limit / 70).max(1);
    steady(limit.checked_sub(burst + margin).filter(|rate| *rate >= 8)?, Duration::from_secs(60), burst)
}

/// 40 a second become a burst of 4 and 35 a second.
fn per_second(limit: u32) -> Option<Quota> {
    let burst = (limit / 10).max(1);
    steady(limit.checked_sub(burst + 1)?, Duration::from_secs(1), burst)
}

fn steady(rate: u32, period: Duration, burst: u32) -> Option<Quota> {
    let interval = period.checked_div(rate)?;
    Some(Quota::with_period(interval)?.allow_burst(NonZeroU32::new(burst)?))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const ROUTE: Route = Route::LIST_PROJECTS;

    /// The most calls in any window of `window`, if somebody asks every millisecond for `total`.
    fn most_in_a_window(quota: Quota, window: Duration, total: Duration) -> usize {
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut recent, mut most) = (VecDeque::new(), 0);
        for millisecond in 0..total.as_millis() {
            while limiter.check().is_ok() {
                recent.push_back(millisecond);
            }
            while recent.front().is_some_and(|then| *then + window.as_millis() <= millisecond) {
                recent.pop_front();
            }
            most = most.max(recent.len());
            clock.advance(Duration::from_millis(1));
        }
        most
    }

    #[test]
    fn no_window_ever_holds_more_than_the_limit_and_little_is_given_away() {
        for limit in [10, 60, 700, 7_000] {
            let most =
                most_in_a_window(per_minute(limit).unwrap(), Duration::from_secs(60), Duration::from_secs(200)) as u32;
            assert!(most <= limit, "{most} of {limit} a minute");
            assert!(limit < 60 || most >= limit * 95 / 100, "only {most} of {limit} a minute");
        }
        for limit in [3, 10, 40, 400] {
            let most =
                most_in_a_window(per_second(limit).unwrap(), Duration::from_secs(1), Duration::from_secs(10)) as u32;
            assert!(most <= limit, "{most} of {limit} a second");
        }
    }

    #[test]
    fn limits_too_low_to_work_with_are_refused() {
        assert!(matches!(Budget::new(0, 40), Err(NeonError::Misconfigured(_))));
        assert!(matches!(Budget::new(700, 0), Err(NeonError::Misconfigured(_))));
        assert!(Budget::new(10, 3).is_ok());
    }

    #[tokio::test]
    async fn a_crowd_is_let_through_at_the_pace_of_the_budget() {
        let budget = Arc::new(Budget::new(3_000, 400).unwrap());
        let start = Instant::now();
        let crowd: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn({
                    let budget = budget.clone();
                    async move { budget.take(Class::Refill, ROUTE, Duration::from_secs(30)).await }
                })
            })
            .collect();
        for one in crowd {
            one.await.unwrap().unwrap();
        }
        // 40 at once, 60 more at 2,918 a minute: never sooner, whatever the machine does meanwhile.
        assert!(start.elapsed() >= Duration::from_secs(60) * 59 / 2_918, "{:?}", start.elapsed());
        assert_eq!(budget.waiting(), 0);
    }

    #[tokio::test]
    async fn who_cannot_be_served_in_time_is_told_at_once_and_how_long() {
        let budget = Budget::new(10, 40).unwrap();
        budget.take(Class::Refill, ROUTE, Duration::ZERO).await.unwrap();
        let start = Instant::now();
        let refused = budget.take(Class::Support, ROUTE, Duration::from_secs(3)).await;
        assert!(
            matches!(refused, Err(NeonError::BudgetExhausted { wait }) if wait > Duration::from_secs(3)),
            "{refused:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(3));
        assert_eq!(budget.waiting(), 0);
    }

    #[tokio::test]
    async fn an_urgent_call_overtakes_the_line() {
        let budget = Arc::new(Budget::new(600, 40).unwrap());
        budget.slow_down(Instant::now(), Some(LONGEST_PAUSE));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (already, class) in [Class::Refill, Class::Bulk, Class::WaitingClaim].into_iter().enumerate() {
            let (shared, order) = (budget.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                shared.take(class, ROUTE, LONGEST_PAUSE * 2).await.unwrap();
                order.lock().unwrap().push(class);
            }));
            while budget.waiting() <= already {
                tokio::task::yield_now().await;
            }
        }
        budget.line().paused_until = None;
        budget.line().waiting.values().for_each(|bell| bell.notify_one());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [Class::WaitingClaim, Class::Refill, Class::Bulk]);
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_leaves_the_line() {
        let budget = Budget::new(10, 40).unwrap();
        budget.take(Class::Bulk, ROUTE, Duration::ZERO).await.unwrap();
        let gone =
            tokio::time::timeout(Duration::from_millis(1), budget.take(Class::Bulk, ROUTE, Duration::from_secs(60)));
        assert!(gone.await.is_err());
        assert_eq!(budget.waiting(), 0);
    }

    #[tokio::test]
    async fn a_pause_holds_everybody_and_has_an_end() {
        let budget = Budget::new(700, 40).unwrap();
        budget.slow_down(Instant::now(), Some(Duration::from_secs(3_600)));
        let refused = budget.take(Class::WaitingClaim, ROUTE, Duration::from_secs(5)).await;
        assert!(
            matches!(refused, Err(NeonError::BudgetExhausted { wait }) if wait > Duration::from_secs(50) && wait <= LONGEST_PAUSE),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn refusals_without_a_time_double_the_pause_once_per_pause() {
        let budget = Budget::new(700, 40).unwrap();
        let sent = Instant::now();
        for _ in 0..10 {
            budget.slow_down(sent, None);
        }
        let first = budget.line().paused_until.unwrap();
        assert!(first <= Instant::now() + FIRST_PAUSE, "ten calls in flight are one refusal");
        let before = Instant::now();
        budget.slow_down(first, None);
        let second = budget.line().paused_until.unwrap();
        assert!(second >= before + FIRST_PAUSE * 2);
        budget.went_well(sent);
        assert_eq!(budget.line().refusals_in_a_row, 2, "an answer from before the first pause says nothing");
        budget.went_well(first);
        assert_eq!(budget.line().refusals_in_a_row, 0, "something got through in between");
    }

    #[tokio::test]
    async fn who_waits_is_told_when_a_pause_comes_that_is_too_long() {
        let budget = Arc::new(Budget::new(10, 40).unwrap());
        while budget.account.check().is_ok() {}
        let shared = budget.clone();
        let waiting = tokio::spawn(async move { shared.take(Class::Refill, ROUTE, Duration::from_secs(30)).await });
        while budget.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        budget.slow_down(Instant::now(), Some(LONGEST_PAUSE));
        let refused = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("at once").unwrap();
        assert!(matches!(refused, Err(NeonError::BudgetExhausted { .. })), "{refused:?}");
    }
}
