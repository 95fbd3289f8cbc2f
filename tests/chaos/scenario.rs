//! What every scenario has: a size, a line in the table of results, and waits with an end.

use std::{
    fmt::Display,
    future::Future,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// Whether `make chaos` runs, rather than `make test`.
pub fn is_full() -> bool {
    std::env::var("FLOTILLA_CHAOS").is_ok_and(|form| form == "full")
}

/// The first in the short form, the second in full size.
pub fn sized<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}

/// Many measure how long something takes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Has the machine to itself. Writes its line when it ends: `FAILED`, unless it got as far as [`Scenario::passed`].
pub struct Scenario {
    id: &'static str,
    size: String,
    figures: Option<String>,
    began: Instant,
    _alone: MutexGuard<'static, ()>,
}

impl Scenario {
    /// Waits until the scenario before it has ended.
    pub fn begin(id: &'static str, size: impl Display) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self { id, size: size.to_string(), figures: None, began: Instant::now(), _alone: alone }
    }

    pub fn passed(mut self, figures: impl Display) {
        self.figures = Some(figures.to_string());
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let verdict = if self.figures.is_some() { "passed" } else { "FAILED" };
        let took = self.began.elapsed().as_secs();
        let figures = self.figures.take().unwrap_or_default();
        let line = format!("{:<4}{:<8}{took:>5} s  {:<60}  {figures}\n", self.id, verdict, self.size);
        let table = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos.txt");
        let written = std::fs::OpenOptions::new().create(true).append(true).open(table);
        written.and_then(|mut table| table.write_all(line.as_bytes())).unwrap();
    }
}

/// Waits until it holds, and says how long that took. Asks every 50 ms.
pub async fn within<F, T>(timeout: Duration, what: &str, holds: F) -> Duration
where
    F: Fn() -> T,
    T: Future<Output = bool>,
{
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < timeout, "waited {timeout:?} in vain until {what}");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}
