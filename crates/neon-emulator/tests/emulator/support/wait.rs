//! Waiting for what comes by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A wait that ends early costs nothing; a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again until there is an answer.
pub async fn eventually<T, F, A>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
