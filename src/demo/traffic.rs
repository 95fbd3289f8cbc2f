//! Simulated signups: they come over HTTP like anybody's, at a rate that is the given one on average, and some of the databases are then connected to.
//! Bounded: so many signups, and so many databases that are really used.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Access, people::person};

/// Signups of one run.
const AT_MOST: u32 = 5_000;
/// Databases that are connected to again and again.
const IN_USE: usize = 25;
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// Waits until the server answers, half a minute at most.
pub async fn answers(url: &str, shutdown: &CancellationToken) -> bool {
    let started = Instant::now();
    let client = reqwest::Client::new();
    while started.elapsed() < Duration::from_secs(30) {
        if client
            .get(format!("{url}/readyz"))
            .timeout(Duration::from_secs(2))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return true;
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_millis(50))).await.is_none() {
            return false;
        }
    }
    false
}

/// Signs up one simulated owner after another until shutdown.
pub async fn keep_signing_up(access: &Access, per_hour: u32, shutdown: &CancellationToken) {
    if per_hour == 0 {
        return;
    }
    let mut rng = SmallRng::from_rng(&mut rand::rng());
    let client = reqwest::Client::new();
    let mut in_use: VecDeque<SecretString> = VecDeque::with_capacity(IN_USE);
    for _ in 0..AT_MOST {
        // Exponential gaps: now and then several at once.
        let gap = -(1.0 - rng.random_range(0.0_f64..1.0)).ln() * 3600.0 / f64::from(per_hour);
        if shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs_f64(gap.min(3600.0)))).await.is_none() {
            return;
        }
        let pool = if rng.random_bool(0.25) { "europe" } else { "standard" };
        match sign_up(&client, access, pool).await {
            Ok(Some(uri)) if rng.random_bool(0.6) => remember(&mut in_use, uri),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a simulated signup was not answered")
            }
        }
        if let Some(uri) = in_use.get(rng.random_range(0..IN_USE)) {
            // It may sleep, be blocked or gone by now: that is its user's fate.
            let _ = shutdown.run_until_cancelled(probe::answers(uri, CONNECT_DEADLINE)).await;
        }
    }
}

/// One claim. Answers the connection string, unless the claim waits.
async fn sign_up(client: &reqwest::Client, access: &Access, pool: &str) -> reqwest::Result<Option<SecretString>> {
    let owner = person(u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or_default());
    let body = json!({
        "owner": { "id": owner.id, "email": owner.email, "organisation": owner.organisation, "plan": owner.plan },
        "pool": pool,
    });
    let answer = client
        .post(format!("{}/api/v1/claims", access.url))
        .bearer_auth(&access.token)
        .json(&body)
        .timeout(Duration::from_secs(10))
        .send()
        .await?
        .error_for_status()?;
    let answer: Value = answer.json().await?;
    Ok(answer.pointer("/connection/uri").and_then(Value::as_str).map(|uri| SecretString::from(uri.to_owned())))
}

fn remember(in_use: &mut VecDeque<SecretString>, uri: SecretString) {
    if in_use.len() == IN_USE {
        in_use.pop_front();
    }
    in_use.push_back(uri);
}
