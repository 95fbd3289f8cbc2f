//! Each kind of fault, by the library and by HTTP.

use std::time::{Duration, Instant};

use neon_emulator::{Cut, Fault, NO_ANSWER, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestEmulator;

async fn create(test: &TestEmulator) -> reqwest::Result<reqwest::Response> {
    test.api.request(Method::POST, "/projects").json(&json!({"project": {"name": "faulty"}})).send().await
}

async fn made(test: &TestEmulator) -> usize {
    test.emulator.projects().await.unwrap().len()
}

#[tokio::test]
async fn a_status_comes_in_place_of_the_work() {
    let test = TestEmulator::start().await;
    for status in [429, 423, 500, 503] {
        test.emulator.faults().add(Rule::new(Fault::status(status)).on("POST", "/projects").times(1));
        let answer = create(&test).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(answer.json::<Value>().await.unwrap()["message"].is_string());
    }
    assert_eq!(made(&test).await, 0);
    assert_eq!(create(&test).await.unwrap().status(), 201, "the rules are used up");
    test.finish().await;
}

#[tokio::test]
async fn a_rule_concerns_its_route_only() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::status(500)).on("GET", "/projects/{project_id}"));
    let created = test.api.create("concerned").await;
    test.api.get(&created.path()).await.refused(500);
    test.api.patch(&created.path(), json!({"project": {"name": "x"}})).await.ok(200);
    test.api.get("/projects").await.ok(200);
    test.emulator.faults().clear();
    test.api.get(&created.path()).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn probability_zero_never_strikes() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::status(500)).with_probability(0.0));
    for _ in 0..20 {
        test.api.get("/regions").await.ok(200);
    }
    assert_eq!(test.emulator.faults().rules()[0].struck, 0);
    test.finish().await;
}

#[tokio::test]
async fn retry_after_is_sent_if_it_is_given() {
    let test = TestEmulator::start().await;
    let limited =
        |retry_after_seconds| Rule::new(Fault::Status { status: 429, retry_after_seconds, after_work: false }).times(1);
    test.emulator.faults().set(vec![limited(Some(2)), limited(None)]);
    let first = test.api.request(Method::GET, "/regions").send().await.unwrap();
    assert_eq!(first.headers()["retry-after"], "2");
    let second = test.api.request(Method::GET, "/regions").send().await.unwrap();
    assert_eq!((second.status().as_u16(), second.headers().get("retry-after")), (429, None));
    test.finish().await;
}

#[tokio::test]
async fn an_error_may_come_although_the_work_is_done() {
    let test = TestEmulator::start().await;
    let fault = Fault::Status { status: 500, retry_after_seconds: None, after_work: true };
    test.emulator.faults().add(Rule::new(fault).on("POST", "/projects"));
    assert_eq!(create(&test).await.unwrap().status(), 500);
    assert_eq!(made(&test).await, 1);
    test.finish().await;
}

#[tokio::test]
async fn the_page_of_524_is_html() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::status(524)));
    let answer = test.api.request(Method::GET, "/regions").send().await.unwrap();
    assert_eq!(answer.status(), 524);
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    test.finish().await;
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::Delay { delay_ms: 150 }));
    let start = Instant::now();
    test.api.get("/regions").await.ok(200);
    assert!(start.elapsed() >= Duration::from_millis(150));
    test.finish().await;
}

#[tokio::test]
async fn truncated_and_foreign_bodies_come_after_the_work() {
    let test = TestEmulator::start().await;
    for (fault, work) in [(Fault::TruncatedJson, 1), (Fault::Html, 2)] {
        test.emulator.faults().set(vec![Rule::new(fault).on("POST", "/projects")]);
        let answer = create(&test).await.unwrap();
        assert!(answer.status().is_success());
        let text = answer.text().await.unwrap();
        assert!(!text.is_empty() && serde_json::from_str::<Value>(&text).is_err(), "{text}");
        assert_eq!(made(&test).await, work);
    }
    test.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_a_dropped_connection_after_the_work() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::AnswerLost).on("POST", "/projects").times(1));
    let error = create(&test).await.unwrap_err();
    assert!(error.is_request() && error.status().is_none(), "{error:?}");
    assert_eq!(made(&test).await, 1);
    assert_eq!(test.emulator.stats().count_status(NO_ANSWER), 1);
    assert_eq!(create(&test).await.unwrap().status(), 201);
    test.finish().await;
}

#[tokio::test]
async fn a_cut_network_answers_nothing_until_it_is_back() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::Delay { delay_ms: 60_000 }).on("POST", "/projects"));
    let (waiting, ()) = tokio::join!(create(&test), async {
        while test.emulator.faults().rules()[0].struck == 0 {
            tokio::task::yield_now().await;
        }
        test.emulator.faults().cut(Cut { api: true, proxy: false });
    });
    waiting.expect_err("a call that waits falls at once");
    test.api.request(Method::GET, "/regions").send().await.expect_err("nobody answers");
    let shown: Value = test.api.switch(Method::GET, "/faults").send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["cut"], json!({"api": true, "proxy": false}), "the switches stay within reach");
    test.emulator.faults().clear();
    test.api.get("/regions").await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn the_switches_work_over_http() {
    let test = TestEmulator::start().await;
    let rules = json!({"rules": [{"method": "GET", "route": "/regions", "times": 1, "fault": "status", "status": 503},
                                 {"fault": "delay", "delay_ms": 1}]});
    let set = test.api.switch(Method::PUT, "/faults").json(&rules).send().await.unwrap();
    assert_eq!(set.status(), 200);
    test.api.get("/regions").await.refused(503);
    test.api.get("/regions").await.ok(200);
    let shown: Value = test.api.switch(Method::GET, "/faults").send().await.unwrap().json().await.unwrap();
    assert_eq!((&shown["rules"][0]["times"], &shown["rules"][0]["struck"]), (&json!(0), &json!(1)));
    test.api.switch(Method::DELETE, "/faults").send().await.unwrap();
    assert!(test.emulator.faults().rules().is_empty());
    let wrong =
        test.api.switch(Method::PUT, "/faults").json(&json!({"rules": [{"fault": "gremlin"}]})).send().await.unwrap();
    assert!(wrong.status().is_client_error());
    test.finish().await;
}

#[tokio::test]
async fn work_is_done_even_if_its_caller_gives_up() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::Delay { delay_ms: 5_000 }).on("POST", "/projects"));
    let call = test.api.request(Method::POST, "/projects").json(&json!({"project": {"name": "abandoned"}}));
    let error = call.timeout(Duration::from_secs(2)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    crate::support::eventually("the project", || async { (made(&test).await == 1).then_some(()) }).await;
    assert_eq!(test.emulator.stats().count("POST", "/projects"), 1);
    test.finish().await;
}
