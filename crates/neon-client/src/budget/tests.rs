use std::sync::atomic::{AtomicU32, Ordering};

use super::super::LocalRateLimiter;
use super::super::rate_limiter::Pending;
use super::*;

const ROUTE: Route = Route::LIST_PROJECTS;
const PERMIT_DEADLINE: Duration = Duration::from_secs(30);

fn budget(calls_per_minute: u32) -> Arc<Budget> {
    over(calls_per_minute, Arc::new(LocalRateLimiter::default()))
}

fn over(calls_per_minute: u32, limiter: Arc<dyn RateLimiter>) -> Arc<Budget> {
    let account = Rate::of_account(calls_per_minute, 400).unwrap();
    Arc::new(Budget::new(account, Rate::of_consumption(30).unwrap(), &limiter))
}

/// `calls` that ask at once; answers when the last one is through.
async fn crowd(budget: &Arc<Budget>, class: Class, calls: usize) {
    let all: Vec<_> = (0..calls)
        .map(|_| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.take(class, ROUTE, PERMIT_DEADLINE).await })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_crowd_is_let_through_at_the_pace_of_the_budget() {
    let budget = budget(3_000);
    let rate = budget.account.rate;
    let start = Instant::now();
    crowd(&budget, Class::Refill, 100).await;
    // What is not in the part of the burst that background calls may take, one by one: never sooner, whatever the machine does meanwhile.
    let at_once = rate.burst - rate.reserve;
    assert!(start.elapsed() >= rate.interval * (100 - at_once), "{:?}", start.elapsed());
    assert_eq!(budget.waiting(), 0);
}

#[tokio::test]
async fn two_clients_of_one_rate_limiter_are_within_one_limit() {
    let limiter: Arc<dyn RateLimiter> = Arc::new(LocalRateLimiter::default());
    let (one, other) = (over(3_000, limiter.clone()), over(3_000, limiter));
    let rate = one.account.rate;
    let start = Instant::now();
    tokio::join!(crowd(&one, Class::Refill, 50), crowd(&other, Class::Sync, 50));
    assert!(start.elapsed() >= rate.interval * (100 - rate.burst + rate.reserve), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_person_does_not_wait_for_a_running_sweep() {
    let budget = budget(600);
    let rate = budget.account.rate;
    let sweep = tokio::spawn({
        let budget = budget.clone();
        async move { crowd(&budget, Class::Sync, 60).await }
    });
    // The burst that the sweep may take is used up, and all others of it wait.
    while budget.waiting() < 60 - (rate.burst - rate.reserve) as usize {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    for _ in 0..rate.reserve {
        budget.take(Class::Support, ROUTE, PERMIT_DEADLINE).await.unwrap();
    }
    assert!(start.elapsed() < rate.interval, "took {:?}, the sweep left nothing", start.elapsed());
    assert!(budget.waiting() >= 50, "the sweep is still waiting");
    sweep.abort();
}

#[tokio::test]
async fn calls_for_usage_history_have_a_bucket_of_their_own_and_count_in_the_accounts() {
    let history = Route { method: "GET", template: "/consumption_history/v2/projects" };
    let budget = budget(600);
    budget.take(Class::Sync, history, PERMIT_DEADLINE).await.unwrap();
    let second = budget.take(Class::Sync, history, Duration::from_secs(1)).await;
    assert!(matches!(second, Err(NeonError::BudgetExhausted { wait }) if wait > Duration::from_secs(1)), "{second:?}");
    budget.take(Class::Sync, ROUTE, PERMIT_DEADLINE).await.unwrap();
    let [account, consumption] = budget.status();
    let used = |gate: GateStatus| gate.classes.iter().map(|class| class.last_minute).sum::<u32>();
    assert_eq!((used(account), used(consumption)), (2, 1));
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_told_at_once_and_how_long() {
    let budget = budget(10);
    budget.take(Class::Refill, ROUTE, PERMIT_DEADLINE).await.unwrap();
    let start = Instant::now();
    for class in [Class::Support, Class::Refill] {
        let refused = budget.take(class, ROUTE, Duration::from_secs(3)).await;
        assert!(
            matches!(refused, Err(NeonError::BudgetExhausted { wait }) if wait > Duration::from_secs(3)),
            "{refused:?}"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(budget.waiting(), 0);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_the_line() {
    let budget = budget(10);
    budget.take(Class::Bulk, ROUTE, PERMIT_DEADLINE).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(1), budget.take(Class::Bulk, ROUTE, PERMIT_DEADLINE));
    assert!(gone.await.is_err());
    assert_eq!(budget.waiting(), 0);
}

#[tokio::test]
async fn who_waits_is_told_when_a_pause_comes_that_is_too_long() {
    let budget = budget(10);
    budget.take(Class::Refill, ROUTE, PERMIT_DEADLINE).await.unwrap();
    let shared = budget.clone();
    let waiting = tokio::spawn(async move { shared.take(Class::Refill, ROUTE, PERMIT_DEADLINE).await });
    while budget.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    budget.slow_down(ROUTE, Instant::now(), Some(LONGEST_PAUSE), String::new()).await;
    let refused = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("at once").unwrap();
    assert!(matches!(refused, Err(NeonError::BudgetExhausted { .. })), "{refused:?}");
    assert!(budget.paused_for().is_some_and(|left| left > Duration::from_secs(30)));
}

/// A rate limiter that fails as often as told, and then grants everything.
struct Failing(AtomicU32);

impl RateLimiter for Failing {
    fn take(&self, _: Bucket, ask: Ask) -> Pending<'_, Grant> {
        let fails = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let answer = match fails {
            true => Err(RateLimiterError(String::from("the ledger is gone"))),
            false => Ok(Grant { granted: ask.wanted, ..Grant::default() }),
        };
        Box::pin(async { answer })
    }

    fn slow_down(&self, _: Bucket, _: Refusal) -> Pending<'_, Grant> {
        Box::pin(async { Err(RateLimiterError(String::from("the ledger is gone"))) })
    }

    fn went_well(&self, _: Bucket, _: Duration) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn without_an_answer_calls_wait_and_then_say_why() {
    let budget = over(700, Arc::new(Failing(AtomicU32::new(u32::MAX))));
    let refused = budget.take(Class::Support, ROUTE, Duration::from_millis(100)).await.unwrap_err();
    assert!(
        matches!(&refused, NeonError::RateLimiterUnavailable { cause } if cause == "the ledger is gone"),
        "{refused}"
    );
    assert!(refused.is_worth_retrying() && !refused.may_have_been_carried_out() && !refused.is_outage());
    budget.slow_down(ROUTE, Instant::now(), Some(LONGEST_PAUSE), String::new()).await;
    assert!(budget.paused_for().is_some(), "this process pauses also if it cannot tell the others");
}

#[tokio::test]
async fn calls_go_on_when_the_answers_come_back() {
    let budget = over(700, Arc::new(Failing(AtomicU32::new(2))));
    budget.take(Class::Support, ROUTE, PERMIT_DEADLINE).await.unwrap();
}
