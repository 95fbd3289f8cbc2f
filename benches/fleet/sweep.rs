//! The sweep over a large fleet, and the memory of the product: what a sweep costs, what it writes, and what others feel of it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use super::{
    Options,
    load::{Caller, Outcome, Sample},
    product::{Memory, Product},
    report::{Report, mib, ms, or_dash, progress},
    rows,
    stage::{Ground, Stage, pool},
};

const PAGE: u32 = 400;
const CALLS_A_MINUTE: f64 = 700.0;
/// Ended sweeps are told by this.
const SWEPT: &str = "flotilla_sync_last_sweep_timestamp_seconds";
/// Claims a second that go on meanwhile, and for how many there is a stock in all.
const CLAIMS_A_SECOND: f64 = 10.0;
const STOCK: u32 = 24_000;
/// Claims before those that are measured.
const WARM_UP: u32 = 200;
/// A part of the fleet at most.
const STOCK_SHARE: u32 = 4;
/// Databases that the support acts upon in turn, one a second.
const ACTED_UPON: i64 = 20;
/// No list call for this long: nobody reads the list any more.
const QUIET: Duration = Duration::from_secs(3);
const QUIET_AT_MOST: Duration = Duration::from_secs(600);
/// PostgreSQL's own statistics are that late at most.
const STATISTICS_LAG: Duration = Duration::from_secs(12);

/// How many calls Neon had answered at which moment.
struct Reading {
    at: Instant,
    listed: u64,
    all: u64,
}

type Calls = Vec<Reading>;

/// What was felt while the sweep ran and after it.
struct First {
    claims: Outcome,
    actions: Outcome,
    calls: Calls,
    /// Readings until the sweep had ended.
    calls_of_sweep: usize,
    highest: u64,
}

pub async fn measure(options: &Options, ground: &Ground, report: &mut Report) -> Result<()> {
    let count = options.projects;
    let stock = STOCK.min(count / STOCK_SHARE);
    progress(&format!("sweep: a fleet of {count} databases, {stock} of them not claimed yet"));
    let stage = ground.stage("sweep", &[pool("stocked", 0, true), pool("fleet", 0, false)]).await?;
    rows::fleet(&stage, "fleet", count - stock).await?;
    rows::stock(&stage, "stocked", stock).await?;
    stage.settle().await?;

    let (rest, busy) = memory(options, &stage, stock / 4).await?;
    progress("sweep: the first, with claims and support actions beside it");
    let first = first_sweep(options, &stage, stock / 2).await?;
    progress("sweep: the second, with nothing beside it");
    let second = later_sweep(options, &stage).await?;
    progress("sweep: the third, in which every row is new");
    forget(&stage).await?;
    let third = later_sweep(options, &stage).await?;
    stage.end().await?;

    report.heading("Sweep");
    report.table(
        [
            "sweep",
            "projects",
            "list calls",
            "fewest",
            "all calls",
            "time",
            "at 700 calls a minute",
            "ratio",
            "rows written",
        ],
        &[
            sweep_line("first", count, &first.calls[..first.calls_of_sweep], None),
            sweep_line("second", count, &second.calls, Some(second.written)),
            sweep_line("third", count, &third.calls, Some(third.written)),
        ],
    );
    report.note(&format!(
        "The time of a sweep includes the start of the product; what the budget dictates is that of all calls made until its last page, also those of the support and for usage. \
         Claims and actions are measured once the product has opened its connections. Before the first the ledger knows the fleet as Neon's list shows it; before the second \
         nothing has changed but the databases, {ACTED_UPON} at most, that were suspended and resumed; before the third the ledger has forgotten all that it had \
         seen, so that every row is written. One call more than the fewest is the sign of life that is asked for at the start. Memory: at most {} during the first sweep, {} above the product at rest.",
        mib(first.highest),
        mib(first.highest.saturating_sub(rest.resident))
    ));
    let swept = |sample: &Sample| runs_at(&first.calls, sample.due);
    let felt = |outcome: &Outcome, status| {
        let good = outcome.only(status);
        (good.filtered(swept), good.filtered(|sample| !swept(sample)))
    };
    let (claims, actions) = (felt(&first.claims, StatusCode::CREATED), felt(&first.actions, StatusCode::OK));
    report.note("What others feel of it:\n");
    report.table(
        ["", "during the sweep: p50", "p99", "samples", "without it: p50", "p99", "samples", "other answers in all"],
        &[
            felt_line("claim, 10 a second", &claims, &first.claims, StatusCode::CREATED),
            felt_line("suspend or resume, one a second", &actions, &first.actions, StatusCode::OK),
        ],
    );
    report.heading("Memory");
    report.table(
        ["rows", "at rest", "after claims and lists", "highest"],
        &[[count.to_string(), mib(rest.resident), mib(busy.resident), mib(busy.highest)]],
    );
    Ok(())
}

/// At rest, and after some load, of a product that only serves.
async fn memory(options: &Options, stage: &Stage, claims_at_most: u32) -> Result<(Memory, Memory)> {
    progress("memory: at rest and under load");
    let product = Product::start(options, stage, &["--no-engine"]).await?;
    product.caller.get("/api/v1/pools").await?;
    sleep(Duration::from_secs(options.seconds.min(10).into())).await;
    let rest = product.memory();
    let (clients, total) = (u32::from(options.clients), (options.claims / 10).min(claims_at_most));
    let claims = product.caller.claims("stocked", "memory", clients, total);
    let lists = async {
        for _ in 0..total / 10 {
            // A machine that is too busy to answer is loaded all the same.
            let _ = product.caller.get("/api/v1/databases?limit=100").await;
        }
    };
    tokio::join!(claims, lists);
    let busy = product.memory();
    product.stop().await?;
    Ok((rest, busy))
}

/// Claims and support actions, from the start of the product over its first sweep, and for some seconds more.
async fn first_sweep(options: &Options, stage: &Stage, claims_at_most: u32) -> Result<First> {
    let stop = Arc::new(AtomicBool::new(false));
    let calls = from_now(stage);
    let product = Product::start(options, stage, &[]).await?;
    // A process that has just started opens its connections first.
    product.caller.claims("stocked", "first", u32::from(options.clients), WARM_UP.min(claims_at_most / 2)).await;
    let claims =
        product.caller.paced_claims("stocked", "beside", (8, CLAIMS_A_SECOND), claims_at_most, Arc::clone(&stop));
    let targets = claimed_ids(stage).await?;
    let actions = support(&product.caller, targets, Arc::clone(&stop));
    let watch = async {
        let outcome = watch_sweep(options, stage, &product, None, &calls).await;
        if outcome.is_ok() {
            watch_for(stage, Duration::from_secs(options.seconds.into()), &calls).await;
        }
        stop.store(true, Ordering::Relaxed);
        outcome
    };
    let (claims, actions, watched) = tokio::join!(claims, actions, watch);
    let calls_of_sweep = watched?;
    let highest = product.memory().highest;
    product.stop().await?;
    let calls = calls.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(First { claims, actions, calls, calls_of_sweep, highest })
}

/// Waits until the sweep that a start brings with it has ended, and what compares its list with the ledger too.
pub async fn until_quiet(stage: &Stage, product: &Product) -> Result<()> {
    let end = Instant::now() + QUIET_AT_MOST;
    let mut before = None;
    while Instant::now() < end {
        sleep(QUIET).await;
        let calls = stage.emulator.stats().count("GET", "/projects");
        if before == Some(calls) && product.metric(SWEPT).await?.is_some() {
            return Ok(());
        }
        before = Some(calls);
    }
    bail!("the first sweep did not end within {} s", QUIET_AT_MOST.as_secs())
}

struct Later {
    calls: Calls,
    written: i64,
}

/// A product that is started anew sweeps at once.
async fn later_sweep(options: &Options, stage: &Stage) -> Result<Later> {
    sleep(STATISTICS_LAG).await;
    let before = updates(stage).await?;
    let calls = from_now(stage);
    let product = Product::start(options, stage, &[]).await?;
    let earlier = product.metric(SWEPT).await?;
    watch_sweep(options, stage, &product, earlier, &calls).await?;
    product.stop().await?;
    sleep(STATISTICS_LAG).await;
    Ok(Later {
        calls: calls.into_inner().unwrap_or_else(PoisonError::into_inner),
        written: updates(stage).await? - before,
    })
}

/// Calls are counted anew.
fn from_now(stage: &Stage) -> Mutex<Calls> {
    stage.emulator.reset_stats();
    Mutex::new(vec![Reading { at: Instant::now(), listed: 0, all: 0 }])
}

/// Notes the list calls until a sweep later than `earlier` has ended. Answers how many readings that took.
async fn watch_sweep(
    options: &Options,
    stage: &Stage,
    product: &Product,
    earlier: Option<f64>,
    calls: &Mutex<Calls>,
) -> Result<usize> {
    // A call a second, and ten minutes.
    let end = Instant::now() + Duration::from_secs(u64::from(options.projects / PAGE) + 600);
    while Instant::now() < end {
        watch_for(stage, Duration::from_secs(1), calls).await;
        if product.metric(SWEPT).await? > earlier {
            return Ok(calls.lock().unwrap_or_else(PoisonError::into_inner).len());
        }
    }
    bail!("no sweep ended within {} s", options.projects / PAGE + 600)
}

async fn watch_for(stage: &Stage, time: Duration, calls: &Mutex<Calls>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let stats = stage.emulator.stats();
        let all = stats.calls.iter().map(|call| call.count).sum();
        let reading = Reading { at: Instant::now(), listed: stats.count("GET", "/projects"), all };
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        sleep(Duration::from_millis(100)).await;
    }
}

/// One action a second, on one database after another: first all are suspended, then resumed.
async fn support(caller: &Caller, targets: Vec<String>, stop: Arc<AtomicBool>) -> Outcome {
    let began = Instant::now();
    let mut samples = Vec::new();
    let actions =
        ["resume", "suspend"].into_iter().cycle().flat_map(|action| targets.iter().map(move |id| (id, action)));
    for (number, (id, action)) in actions.enumerate() {
        let due = began + Duration::from_secs(number as u64);
        tokio::time::sleep_until(due).await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let sent = Instant::now();
        let status = caller.act(id, action).await;
        samples.push(Sample { due: sent, took: sent.elapsed(), status });
    }
    Outcome { samples, elapsed: began.elapsed() }
}

async fn claimed_ids(stage: &Stage) -> Result<Vec<String>> {
    let mut connection = stage.connect().await?;
    Ok(sqlx::query_scalar(
        "SELECT d.id::text FROM databases AS d JOIN pools AS p ON p.id = d.pool_id WHERE p.name = 'fleet' AND d.state = 'claimed' ORDER BY d.id LIMIT $1",
    )
    .bind(ACTED_UPON)
    .fetch_all(&mut connection)
    .await?)
}

/// As if nothing of the fleet had ever been seen.
async fn forget(stage: &Stage) -> Result<()> {
    sqlx::query("UPDATE databases SET synthetic_size_bytes = NULL, logical_size_bytes = NULL, last_active_at = NULL, observed_at = NULL")
        .execute(&mut stage.connect().await?)
        .await?;
    stage.settle().await
}

async fn updates(stage: &Stage) -> Result<i64> {
    let mut connection = stage.connect().await?;
    Ok(sqlx::query_scalar("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'databases'")
        .fetch_one(&mut connection)
        .await?)
}

/// Whether a page was asked for within a second of this moment.
fn runs_at(calls: &Calls, at: Instant) -> bool {
    let second = Duration::from_secs(1);
    let mut near = calls
        .iter()
        .filter(|reading| reading.at + second >= at && reading.at <= at + second)
        .map(|reading| reading.listed);
    near.next().zip(near.next_back()).is_some_and(|(first, last)| last > first)
}

fn sweep_line(name: &str, projects: u32, calls: &[Reading], written: Option<i64>) -> [String; 9] {
    let listed = calls.last().map_or(0, |reading| reading.listed);
    let began = calls.iter().rfind(|reading| reading.listed == 0).map(|reading| reading.at);
    let last = calls.iter().find(|reading| reading.listed == listed);
    let all = last.map_or(0, |last| last.all);
    let time = began.zip(last).map(|(began, last)| last.at.saturating_duration_since(began).as_secs_f64());
    let by_budget = all as f64 * 60.0 / CALLS_A_MINUTE;
    [
        name.to_owned(),
        projects.to_string(),
        listed.to_string(),
        // A page that is not full ends the list, and may be empty.
        (projects / PAGE + 1).to_string(),
        all.to_string(),
        or_dash(time, |time| format!("{time:.1} s")),
        format!("{by_budget:.1} s"),
        or_dash(time, |time| format!("{:.2}", time / by_budget)),
        or_dash(written, |written| written.to_string()),
    ]
}

fn felt_line(what: &str, (during, without): &(Outcome, Outcome), all: &Outcome, good: StatusCode) -> [String; 8] {
    let figure = |outcome: &Outcome, share| or_dash(outcome.percentile(share), ms);
    let others = all.filtered(|sample| sample.status != good.as_u16());
    [
        what.to_owned(),
        figure(during, 0.5),
        figure(during, 0.99),
        during.samples.len().to_string(),
        figure(without, 0.5),
        figure(without, 0.99),
        without.samples.len().to_string(),
        if others.samples.is_empty() { String::from("none") } else { others.statuses() },
    ]
}
