//! Refill: an emptied pool, filled against the emulator with Neon's limits and times.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use super::{
    Options,
    product::Product,
    report::{Report, progress},
    stage::{Ground, Stage, pool},
};

const CALLS_A_MINUTE: f64 = 700.0;
/// Slower than this nothing can be called a refill.
const LONGEST_A_DATABASE: Duration = Duration::from_secs(3);

pub async fn measure(options: &Options, ground: &Ground, report: &mut Report) -> Result<()> {
    let target = i64::from(options.refill);
    progress(&format!(
        "refill: {target} databases (about {:.0} minutes)",
        (target as f64 * 2.0 / CALLS_A_MINUTE).ceil()
    ));
    let stage = ground.stage("refill", &[pool("emptied", options.refill.into(), true)]).await?;
    let product = Product::start(options, &stage, &[]).await?;
    let began = Instant::now();
    let end = began + LONGEST_A_DATABASE * u32::from(options.refill) + Duration::from_secs(60);
    let mut next_word = Instant::now() + Duration::from_secs(30);
    while available(&stage).await? < target {
        if Instant::now() > end {
            bail!(
                "the pool has {} of {target} databases after {} s",
                available(&stage).await?,
                began.elapsed().as_secs()
            );
        }
        if Instant::now() > next_word {
            progress(&format!("  {} of {target}", available(&stage).await?));
            next_word += Duration::from_secs(30);
        }
        sleep(Duration::from_millis(100)).await;
    }
    let (elapsed, stats) = (began.elapsed(), stage.emulator.stats());
    product.stop().await?;
    stage.end().await?;

    let minutes = elapsed.as_secs_f64() / 60.0;
    report.heading("Refill");
    let row = [
        target.to_string(),
        format!("{:.1} s", elapsed.as_secs_f64()),
        stats.total.to_string(),
        format!("{:.2}", stats.total as f64 / target as f64),
        format!("{:.0} %", stats.total as f64 * 100.0 / (CALLS_A_MINUTE * minutes)),
        stats.peak_per_minute.to_string(),
        stats.count("POST", "/projects").to_string(),
        stats.count_status(429).to_string(),
    ];
    report.table(
        ["databases", "time", "calls", "calls each", "of 700 a minute", "most in a minute", "POST /projects", "429"],
        &[row],
    );
    report.note("From the start of the product with an empty pool to the last database. Below a minute the share can exceed 100 %, as the first calls may come at once.");
    Ok(())
}

async fn available(stage: &Stage) -> Result<i64> {
    Ok(stage.ledger.pools().await?.first().map_or(0, |pool| pool.available))
}
