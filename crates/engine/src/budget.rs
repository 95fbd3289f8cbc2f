//! The API budget as the screen shows it, over all replicas: what each has told the ledger, against the limits, and the work
//! that still waits for calls with its end.

use super::{Engine, Inner, forecast};
use fleet_types::{
    ApiBudget, BucketPause, BucketUse, CALL_TIME_BOUNDS_MS, CallSum, ClassUse, HeldWork, JobProgress, PoolRange,
    PoolSummary, ReplicaBreaker, ReplicaBudget, ReplicaClass, RouteBreaker, RouteUse, Time, UsageSource,
};
use ledger::{Backlogs, CallPause, CallRecord, HourOfCalls, LedgerError};
use neon_client::{Bucket, Class, budget::GateStatus, consumption::MAX_IDS, project::MAX_PAGE, stats};

/// The busiest of the last hour.
const ROUTES_SHOWN: usize = 30;

impl Engine {
    /// How the budget stands, over all replicas.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn api_budget(&self, range: PoolRange) -> Result<ApiBudget, LedgerError> {
        let ledger = &self.inner.ledger;
        let (replicas, hour) = (ledger.replicas().await?, ledger.hour_of_calls().await?);
        let pauses = ledger.call_pauses().await?;
        let gates = self.inner.neon.gates();
        Ok(ApiBudget {
            buckets: gates.iter().map(|gate| bucket_use(gate, &replicas, &pauses)).collect(),
            classes: Class::ALL.map(|class| class_use(class, &replicas, &hour)).to_vec(),
            routes: route_uses(&hour, &ledger.call_times().await?),
            breakers: breakers(&replicas),
            jobs: self.inner.running_jobs().await?,
            history: ledger.call_history(range).await?,
            range,
            replicas: replicas.len() as i64,
            as_of: chrono::Utc::now(),
        })
    }
}

/// The client counts times under the bounds that the screen names.
const _: () = {
    let mut n = 0;
    while n < CALL_TIME_BOUNDS_MS.len() {
        assert!(CALL_TIME_BOUNDS_MS[n] == stats::CALL_TIME_BOUNDS_MS[n]);
        n += 1;
    }
};

impl Inner {
    /// Hands over what was called since the last time, and how this replica stands.
    pub(super) async fn tell_calls(&self) -> Result<(), LedgerError> {
        let tallies = self.neon.take_tallies();
        let calls: Vec<CallRecord> = tallies
            .iter()
            .map(|tally| CallRecord {
                class: tally.class.as_str(),
                route: tally.route.to_string(),
                status: tally.status.to_string(),
                calls: tally.calls,
                times: tally.times,
            })
            .collect();
        if !calls.is_empty()
            && let Err(error) = self.ledger.record_calls(self.replica, &calls).await
        {
            self.neon.give_back_tallies(&tallies);
            return Err(error);
        }
        self.ledger.tell_replica(self.replica, &self.replica_budget()).await
    }

    fn replica_budget(&self) -> ReplicaBudget {
        let classes = self.neon.gates().into_iter().flat_map(|gate| {
            gate.classes.into_iter().map(move |status| ReplicaClass {
                bucket: gate.bucket.to_string(),
                class: status.class.to_string(),
                last_minute: status.last_minute,
                waiting: status.waiting,
            })
        });
        let breakers = self.neon.open_breakers().into_iter().map(|open| ReplicaBreaker {
            route: open.route.to_string(),
            open_for_seconds: open.open_for.as_secs() as i64,
            left_seconds: open.left.as_secs() as i64,
            failures_in_a_row: open.failures_in_a_row,
            cause: open.cause,
        });
        ReplicaBudget {
            classes: classes.filter(|class| class.last_minute + class.waiting > 0).collect(),
            breakers: breakers.collect(),
        }
    }

    /// Everything that waits for calls, with its end.
    async fn running_jobs(&self) -> Result<Vec<JobProgress>, LedgerError> {
        let histories = UsageSource::ALL.len() - self.ledger.usage_refusals().await?.len();
        let backlogs = self.ledger.backlogs().await?;
        let neon_answers = !self.neon_is_failing();
        let held = held_by_limits(&self.ledger.pools().await?);
        let gates = self.neon.gates();
        Ok(gates
            .iter()
            .flat_map(|gate| jobs_of(gate, &backlogs, histories as i64, neon_answers, held.as_ref()))
            .collect())
    }
}

/// What the creation limits of pools hold of the refill.
fn held_by_limits(pools: &[PoolSummary]) -> Option<HeldWork> {
    let held = pools.iter().filter_map(|pool| Some((pool.name.clone(), pool.held_back_until?)));
    let (pools, times): (Vec<_>, Vec<_>) = held.unzip();
    Some(HeldWork { pools, until: times.into_iter().min()? })
}

/// What draws on this bucket, and when it will be done, which nobody knows while Neon does not answer.
fn jobs_of(
    gate: &GateStatus,
    backlogs: &Backlogs,
    histories: i64,
    neon_answers: bool,
    held: Option<&HeldWork>,
) -> Vec<JobProgress> {
    let mut jobs = match gate.bucket {
        Bucket::Account => account_jobs(backlogs),
        // Some are due at any time; a batch that is not full can wait.
        Bucket::Consumption if backlogs.to_ask < MAX_IDS as i64 => Vec::new(),
        Bucket::Consumption => {
            let calls = calls_for(backlogs.to_ask, MAX_IDS as i64) * histories;
            vec![job(Class::Sync, "Usage", "databases to ask Neon's history about", None, backlogs.to_ask, calls)]
        }
    };
    jobs.retain(|(_, job)| job.calls_left > 0);
    if neon_answers {
        foretell(&mut jobs, gate.rate.per_minute());
    }
    if let (Some(held), Some((_, refill))) = (held, jobs.iter_mut().find(|(class, _)| *class == Class::Refill)) {
        (refill.ends_in_seconds, refill.held) = (None, Some(held.clone()));
    }
    jobs.into_iter().map(|(_, job)| job).collect()
}

fn account_jobs(backlogs: &Backlogs) -> Vec<(Class, JobProgress)> {
    let Backlogs { ready, to_make, calls_to_make, to_apply, calls_to_apply, to_delete, to_measure, .. } = *backlogs;
    let mut jobs = vec![
        job(Class::Refill, "Refill", "databases to be made", Some(ready), to_make, calls_to_make),
        job(Class::Apply, "Apply", "databases with changes to be made", None, to_apply, calls_to_apply),
        job(Class::Apply, "Release", "databases to be deleted", None, to_delete, to_delete),
        job(Class::Sync, "Measure", "databases whose storage is to be measured", None, to_measure, to_measure),
    ];
    if let Some((seen, expected)) = backlogs.sweep {
        let left = (expected - seen).max(0);
        // That a page is the last one shows when it is read.
        let calls = calls_for(left, i64::from(MAX_PAGE)).max(1);
        jobs.push(job(Class::Sync, "Sweep", "projects of Neon's list to be read", Some(seen), left, calls));
    }
    jobs
}

fn calls_for(things: i64, a_call: i64) -> i64 {
    (things + a_call - 1) / a_call
}

fn job(class: Class, name: &str, what: &str, done: Option<i64>, left: i64, calls_left: i64) -> (Class, JobProgress) {
    let job = JobProgress {
        name: name.to_owned(),
        what: what.to_owned(),
        class: class.to_string(),
        done,
        left,
        calls_left,
        ends_in_seconds: None,
        held: None,
    };
    (class, job)
}

fn foretell(jobs: &mut [(Class, JobProgress)], calls_per_minute: f64) {
    let work: Vec<forecast::Work> =
        jobs.iter().map(|(class, job)| forecast::Work { class: *class, calls: job.calls_left as f64 }).collect();
    for ((_, job), minutes) in jobs.iter_mut().zip(forecast::minutes_until_done(&work, calls_per_minute)) {
        job.ends_in_seconds = Some((minutes * 60.0).ceil() as i64);
    }
}

fn bucket_use(gate: &GateStatus, replicas: &[(Time, ReplicaBudget)], pauses: &[CallPause]) -> BucketUse {
    let name = gate.bucket.as_str();
    let classes = || replicas.iter().flat_map(|(_, replica)| &replica.classes).filter(|class| class.bucket == name);
    BucketUse {
        name: name.to_owned(),
        limit_per_minute: gate.rate.limit_per_minute,
        rate_per_minute: gate.rate.per_minute(),
        burst: gate.rate.burst,
        reserve: gate.rate.reserve,
        last_minute: classes().map(|class| i64::from(class.last_minute)).sum(),
        waiting: classes().map(|class| i64::from(class.waiting)).sum(),
        pause: pauses.iter().find(|pause| pause.bucket == name).map(|pause| BucketPause {
            since: pause.since,
            until: pause.until,
            reason: pause.reason.clone(),
            refusals_in_a_row: pause.refusals_in_a_row,
        }),
    }
}

fn class_use(class: Class, replicas: &[(Time, ReplicaBudget)], hour: &[HourOfCalls]) -> ClassUse {
    let told = || replicas.iter().flat_map(|(_, replica)| &replica.classes).filter(|told| told.class == class.as_str());
    let kin = Class::ALL.into_iter().filter(|other| other.is_urgent() == class.is_urgent());
    let weights: u32 = kin.map(Class::weight).sum();
    ClassUse {
        name: class.to_string(),
        is_urgent: class.is_urgent(),
        share_percent: f64::from(class.weight()) * 100.0 / f64::from(weights),
        waiting: told().map(|told| i64::from(told.waiting)).sum(),
        last_minute: told().map(|told| i64::from(told.last_minute)).sum(),
        last_hour: sum(hour.iter().filter(|calls| calls.class == class.as_str())),
    }
}

fn route_uses(hour: &[HourOfCalls], times: &[(String, Vec<i64>)]) -> Vec<RouteUse> {
    let mut names: Vec<&str> = hour.iter().map(|calls| calls.route.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut routes: Vec<RouteUse> = names
        .into_iter()
        .map(|name| {
            let times = times.iter().find(|(route, _)| route == name).map_or(&[][..], |(_, times)| times);
            RouteUse {
                route: name.to_owned(),
                last_hour: sum(hour.iter().filter(|calls| calls.route == name)),
                p50_ms: percentile(times, 0.5),
                p95_ms: percentile(times, 0.95),
            }
        })
        .collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.last_hour.sent));
    routes.truncate(ROUTES_SHOWN);
    routes
}

fn sum<'a>(calls: impl Iterator<Item = &'a HourOfCalls>) -> CallSum {
    calls.fold(CallSum::default(), |total, HourOfCalls { sum, .. }| CallSum {
        sent: total.sent + sum.sent,
        limited: total.limited + sum.limited,
        failed: total.failed + sum.failed,
        held_back: total.held_back + sum.held_back,
    })
}

/// The upper bound of the bucket in which this share of the calls is reached.
fn percentile(times: &[i64], share: f64) -> Option<u32> {
    let wanted = (times.iter().sum::<i64>() as f64 * share).ceil() as i64;
    let mut seen = 0;
    let bucket = times.iter().position(|n| {
        seen += n;
        wanted > 0 && seen >= wanted
    });
    CALL_TIME_BOUNDS_MS.get(bucket?).copied()
}

/// One line a route: the replica that has left it alone for the longest speaks for all.
fn breakers(replicas: &[(Time, ReplicaBudget)]) -> Vec<RouteBreaker> {
    let mut all: Vec<RouteBreaker> = Vec::new();
    for (told_at, breaker) in replicas.iter().flat_map(|(at, replica)| replica.breakers.iter().map(move |b| (*at, b))) {
        let seconds = |n: i64| chrono::TimeDelta::seconds(n);
        let (since, until) = (told_at - seconds(breaker.open_for_seconds), told_at + seconds(breaker.left_seconds));
        match all.iter_mut().find(|known| known.route == breaker.route) {
            Some(known) => {
                known.since = known.since.min(since);
                known.until = known.until.max(until);
                known.replicas += 1;
            }
            None => all.push(RouteBreaker {
                route: breaker.route.clone(),
                since,
                until,
                failures_in_a_row: breaker.failures_in_a_row,
                cause: breaker.cause.clone(),
                replicas: 1,
            }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_bounds_or_nothing() {
        let mut times = vec![0; CALL_TIME_BOUNDS_MS.len() + 1];
        assert_eq!(percentile(&times, 0.5), None);
        (times[2], times[4]) = (90, 10);
        assert_eq!((percentile(&times, 0.5), percentile(&times, 0.95)), (Some(50), Some(250)));
        times[11] = 100;
        assert_eq!(percentile(&times, 0.95), None, "longer than the last bound");
    }

    #[test]
    fn replicas_that_leave_the_same_route_alone_are_one_line() {
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let breaker = |open_for_seconds, left_seconds| ReplicaBreaker {
            route: String::from("POST /projects"),
            open_for_seconds,
            left_seconds,
            failures_in_a_row: 8,
            cause: String::from("500"),
        };
        let told = |breaker| (now, ReplicaBudget { classes: Vec::new(), breakers: vec![breaker] });
        let lines = breakers(&[told(breaker(2, 3)), told(breaker(9, 1))]);
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].replicas, lines[0].since, lines[0].until),
            (2, now - chrono::TimeDelta::seconds(9), now + chrono::TimeDelta::seconds(3))
        );
    }

    #[test]
    fn usage_is_a_job_of_its_own_bucket_once_a_batch_is_full() {
        let rate = neon_client::Rate::of_account(700, 40).unwrap();
        let [account, consumption] = Bucket::ALL.map(|bucket| GateStatus { bucket, rate, classes: Vec::new() });
        let backlogs = |to_ask| Backlogs { to_ask, ..Backlogs::default() };
        assert_eq!(jobs_of(&account, &backlogs(500), 2, true, None), []);
        assert_eq!(jobs_of(&consumption, &backlogs(99), 2, true, None), []);
        assert_eq!(jobs_of(&consumption, &backlogs(500), 0, true, None), [], "no history is on offer");
        let [usage] = &jobs_of(&consumption, &backlogs(501), 2, true, None)[..] else { panic!("one job") };
        assert_eq!(
            (usage.left, usage.calls_left, usage.ends_in_seconds.is_some_and(|seconds| seconds > 0)),
            (501, 12, true)
        );
        let [unknown] = &jobs_of(&consumption, &backlogs(501), 2, false, None)[..] else { panic!("one job") };
        assert_eq!(unknown.ends_in_seconds, None, "Neon does not answer");
        let held = HeldWork { pools: vec![String::from("standard")], until: chrono::DateTime::UNIX_EPOCH };
        let making = Backlogs { to_make: 20, calls_to_make: 40, to_delete: 1, ..Backlogs::default() };
        let told = jobs_of(&account, &making, 2, true, Some(&held));
        let told: Vec<_> = told.iter().map(|job| (job.ends_in_seconds.is_some(), job.held.as_ref())).collect();
        assert_eq!(told, [(false, Some(&held)), (true, None)], "a creation limit holds the refill and nothing else");
    }

    #[test]
    fn both_buckets_are_shown_with_what_all_replicas_used_of_them() {
        let class = |bucket: &str, class: &str, last_minute| ReplicaClass {
            bucket: bucket.to_owned(),
            class: class.to_owned(),
            last_minute,
            waiting: 1,
        };
        let replica = ReplicaBudget {
            classes: vec![class("account", "sync", 40), class("consumption", "sync", 5)],
            breakers: Vec::new(),
        };
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let replicas = [(now, replica.clone()), (now, replica)];
        let rate = neon_client::Rate::of_account(700, 40).unwrap();
        let used = Bucket::ALL.map(|bucket| {
            let gate = GateStatus { bucket, rate, classes: Vec::new() };
            let shown = bucket_use(&gate, &replicas, &[]);
            (shown.last_minute, shown.waiting)
        });
        assert_eq!(used, [(80, 2), (10, 2)]);
        let sync = class_use(Class::Sync, &replicas, &[]);
        assert_eq!((sync.last_minute, sync.waiting, sync.share_percent), (90, 4, 15.0));
    }
}
