//! Rate limits and the record of calls.

use neon_emulator::{Config, Unknowns};
use reqwest::Method;
use serde_json::Value;

use crate::support::{TestEmulator, config};

#[tokio::test]
async fn the_forty_first_call_of_a_second_on_a_route_is_refused() {
    let unknowns = Unknowns { rate_limit_retry_after: Some(3), ..Unknowns::default() };
    let test = TestEmulator::with(Config { rate_limits: true, unknowns, ..config() }).await;
    let calls = (0..80).map(|_| test.api.request(Method::GET, "/regions").send());
    let mut refused = None;
    for call in futures(calls).await {
        if call.status() == 429 {
            refused = Some(call);
        }
    }
    let refused = refused.expect("80 calls in far less than two seconds");
    assert_eq!(refused.headers()["retry-after"], "3");
    assert!(refused.json::<Value>().await.unwrap()["message"].is_string());
    test.api.get("/auth").await.ok(200);
    let stats = test.emulator.stats();
    assert!(stats.count_status(429) > 0);
    assert_eq!(stats.count("GET", "/regions"), 80);
    test.finish().await;
}

async fn futures(
    calls: impl Iterator<Item = impl Future<Output = reqwest::Result<reqwest::Response>>>,
) -> Vec<reqwest::Response> {
    let mut answers = Vec::new();
    let mut pending: Vec<_> = calls.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        pending.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test]
async fn the_statistics_count_by_route_and_status() {
    let test = TestEmulator::start().await;
    let created = test.api.create("counted").await;
    test.api.get(&created.path()).await.ok(200);
    test.api.get("/projects/nobody-here-1").await.refused(404);
    let stats = test.emulator.stats();
    assert_eq!(stats.count("GET", "/projects/{project_id}"), 2);
    assert_eq!(stats.count_status(404), 1);
    assert_eq!(stats.total, 3);
    assert!((1..=3).contains(&stats.peak_per_second) && stats.peak_per_minute == 3);
    let over_http: Value = test.api.switch(Method::GET, "/stats").send().await.unwrap().json().await.unwrap();
    assert_eq!(over_http["live_projects"], 1);
    assert_eq!(over_http["total"], 3);
    test.finish().await;
}
