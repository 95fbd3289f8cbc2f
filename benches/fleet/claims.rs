//! Claims: through HTTP against a stocked pool, beside the same writes by pgbench.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Result;
use reqwest::StatusCode;

use super::{
    Options,
    load::Outcome,
    pgbench,
    product::Product,
    report::{Report, ms, or_dash, progress},
    rows,
    stage::{Ground, pool},
    sweep,
};

/// Databases that are left over, so that the last claims search no more than the first.
const SLACK: u32 = 500;

pub async fn measure(options: &Options, ground: &Ground, report: &mut Report) -> Result<()> {
    let (many, all, few) = (u32::from(options.clients), options.claims, options.claims / 10);
    // Half of a rate that is not known yet, for the time given; more than any machine at hand reaches.
    let half_at_most = u32::from(options.seconds) * 4_000;
    progress(&format!("claims: a stock of {}", 2 * (all + few) + half_at_most.min(all)));
    let pools = [pool("claimed", 0, true), pool("ceiling", 0, false)];
    let stage = ground.stage("claims", &pools).await?;
    rows::stock(&stage, "claimed", all + few + half_at_most.min(all) + SLACK).await?;
    rows::stock(&stage, "ceiling", all + few + SLACK).await?;
    stage.settle().await?;

    progress("claims: pgbench");
    let raw_many = pgbench::claims(&stage, "ceiling", many, all).await?;
    let raw_one = pgbench::claims(&stage, "ceiling", 1, few).await?;
    stage.settle().await?;
    let product = Product::start(options, &stage, &[]).await?;
    sweep::until_quiet(&stage, &product).await?;
    // The first requests open connections and prepare statements.
    product.caller.claims("claimed", "warm-up", many, SLACK / 5).await;
    progress("claims: through HTTP");
    let through_many = product.caller.claims("claimed", "many", many, all).await;
    let through_one = product.caller.claims("claimed", "one", 1, few).await;
    let pace = through_many.per_second() / 2.0;
    let at_most = (pace * f64::from(options.seconds)) as u32;
    let stop = Arc::new(AtomicBool::new(false));
    let half =
        product.caller.paced_claims("claimed", "half", (many, pace), at_most.min(half_at_most.min(all)), stop).await;
    let memory = product.memory();
    product.stop().await?;
    stage.end().await?;

    report.heading("Claims");
    let many_clients = format!("{many} clients");
    report.table(
        ["load", "a second", "p50", "p99", "answers", "raw a second", "raw p50", "raw p99", "ratio"],
        &[
            line(&many_clients, &through_many, raw_many.as_ref()),
            line("1 client", &through_one, raw_one.as_ref()),
            line(&format!("{many} clients at half of that, {pace:.0} a second"), &half, None),
        ],
    );
    report.note(&format!(
        "Raw: the same writes on the same tables by pgbench, `{}`. At half load a claim counts from when it was due. One client: {} more than raw at p50. \
         Memory of the product afterwards: {}, at most {}.",
        "benches/fleet/claim.sql",
        or_dash(raw_one.as_ref().and_then(|raw| more(&through_one, raw)), ms),
        super::report::mib(memory.resident),
        super::report::mib(memory.highest),
    ));
    Ok(())
}

fn line(load: &str, outcome: &Outcome, raw: Option<&Outcome>) -> [String; 9] {
    let served = outcome.only(StatusCode::CREATED);
    [
        load.to_owned(),
        format!("{:.0}", served.per_second()),
        or_dash(served.percentile(0.5), ms),
        or_dash(served.percentile(0.99), ms),
        outcome.statuses(),
        or_dash(raw, |raw| format!("{:.0}", raw.per_second())),
        or_dash(raw.and_then(|raw| raw.percentile(0.5)), ms),
        or_dash(raw.and_then(|raw| raw.percentile(0.99)), ms),
        or_dash(raw, |raw| format!("{:.2}", served.per_second() / raw.per_second())),
    ]
}

fn more(outcome: &Outcome, raw: &Outcome) -> Option<Duration> {
    Some(outcome.percentile(0.5)?.saturating_sub(raw.percentile(0.5)?))
}
