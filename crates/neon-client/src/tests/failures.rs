//! What goes wrong on the way, what is made of it, and that only reads are repeated.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use tokio::time::Instant;

use super::stub::{NOBODY, Stub, breaking_off, html, json, refusal, silent};
use super::{KEY, client, impatient, new_project};
use crate::{NeonClient, NeonConfig, NeonError, NeonQuota};

const CREATED: &str = include_str!("fixtures/create_project.json");
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn no_connection_means_surely_not_carried_out() {
    let error = client(NOBODY).create_project(&new_project()).await.unwrap_err();
    assert!(matches!(&error, NeonError::Unreachable { cause } if cause.contains("refused")), "{error}");
    assert!(!error.may_have_been_carried_out() && error.is_worth_retrying());
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_is_sent_nothing() {
    let stub = Stub::answering([json(200, "{}")]).await;
    let error = client(&stub.url.replace("http://", "https://")).create_project(&new_project()).await.unwrap_err();
    assert!(matches!(error, NeonError::Unreachable { .. }), "{error}");
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn a_lost_answer_means_perhaps_carried_out_and_is_not_repeated() {
    let (url, requests) = breaking_off(b"").await;
    let error = client(&url).create_project(&new_project()).await.unwrap_err();
    assert!(matches!(error, NeonError::NoAnswer { .. }), "{error}");
    assert!(error.may_have_been_carried_out());
    assert_eq!(*requests.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_lost_too() {
    let (url, requests) = breaking_off(
        b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{\"project\":{",
    )
    .await;
    let error = client(&url).create_project(&new_project()).await.unwrap_err();
    assert!(matches!(error, NeonError::NoAnswer { .. }), "{error}");
    assert_eq!(*requests.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_lost_too() {
    let error = impatient(&silent().await, SHORT).suspend_endpoint("p-1", "ep-1").await.unwrap_err();
    assert!(matches!(&error, NeonError::NoAnswer { cause } if cause.contains("0.2 s")), "{error}");
}

#[tokio::test]
async fn a_deadline_ends_a_call_with_all_its_retries() {
    let start = Instant::now();
    let patient = client(&silent().await);
    assert!(patient.with_deadline(SHORT).get_project("p-1").await.is_err());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn json_cut_short_may_have_been_carried_out_and_is_not_quoted() {
    let stub = Stub::answering([json(201, &CREATED[..1_900])]).await;
    let error = client(&stub.url).create_project(&new_project()).await.unwrap_err();
    assert!(matches!(&error, NeonError::Garbled { detail } if detail.contains("breaks off")), "{error}");
    assert!(error.may_have_been_carried_out());
    assert_eq!(stub.count(), 1);
}

#[tokio::test]
async fn a_web_page_instead_of_json_is_told_as_such() {
    let stub = Stub::answering([html(200), html(524)]).await;
    let client = client(&stub.url);
    let page = client.update_project("p-1", Some(&NeonQuota::default()), None).await.unwrap_err();
    assert!(matches!(&page, NeonError::Garbled { detail } if detail.contains("web page")), "{page}");
    let slow = client.update_project("p-1", Some(&NeonQuota::default()), None).await.unwrap_err();
    assert!(matches!(slow, NeonError::Server { status: 524, .. }) && slow.may_have_been_carried_out(), "{slow}");
    assert_eq!(stub.count(), 2);
}

#[tokio::test]
async fn a_busy_project_is_told_as_such_and_left_to_the_caller() {
    let message = "endpoint is in some transitive state, could not suspend";
    let stub = Stub::answering([refusal(423, "", message)]).await;
    let error = client(&stub.url).suspend_endpoint("p-1", "ep-1").await.unwrap_err();
    assert_eq!(error, NeonError::Locked { message: message.into() });
    assert!(!error.may_have_been_carried_out() && error.is_worth_retrying());
    assert_eq!(stub.count(), 1);
}

#[tokio::test]
async fn reads_are_repeated_twice_and_writes_never() {
    for (failure, calls) in [
        (refusal(503, "", ""), 3),
        (refusal(500, "", ""), 3),
        (html(524), 3),
        (refusal(404, "", ""), 1),
        (refusal(423, "", ""), 1),
    ] {
        let stub = Stub::answering([failure]).await;
        let client = client(&stub.url);
        assert!(client.get_project("p-1").await.is_err());
        assert_eq!(stub.count(), calls, "reads");
        assert!(client.start_endpoint("p-1", "ep-1").await.is_err());
        assert_eq!(stub.count(), calls + 1, "writes");
    }
}

#[tokio::test]
async fn a_read_overcomes_a_passing_failure() {
    let stub = Stub::answering([refusal(503, "", ""), html(524), json(200, json!({"endpoints": []}))]).await;
    assert_eq!(client(&stub.url).endpoints("p-1").await.unwrap(), []);
    let (url, requests) = breaking_off(b"").await;
    assert!(client(&url).endpoints("p-1").await.is_err());
    assert_eq!(*requests.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_429_makes_every_caller_pause_as_long_as_asked() {
    let stub = Stub::answering([
        refusal(429, "", "slow down").header("retry-after", "30"),
        json(200, json!({"endpoints": []})),
    ])
    .await;
    let client = client(&stub.url);
    let limited = client.start_endpoint("p-1", "ep-1").await.unwrap_err();
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(30)));
    assert!(client.health().paused_for.is_some_and(|left| left > Duration::from_secs(25)));
    let waits = client.with_deadline(Duration::from_secs(10)).endpoints("p-1").await.unwrap_err();
    assert!(matches!(waits, NeonError::BudgetExhausted { wait } if wait > Duration::from_secs(25)), "{waits}");
    assert_eq!(stub.count(), 1, "nothing is sent during the pause");
}

#[tokio::test]
async fn a_read_that_was_told_to_wait_waits() {
    let stub =
        Stub::answering([refusal(429, "", "").header("retry-after", "1"), json(200, json!({"endpoints": []}))]).await;
    let start = Instant::now();
    client(&stub.url).endpoints("p-1").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Stub::answering([json(200, json!({"endpoints": []}))]).await;
    let stub = Stub::answering([json(302, "").header("location", &elsewhere.url)]).await;
    let error = client(&stub.url).endpoints("p-1").await.unwrap_err();
    assert!(matches!(error, NeonError::Refused { status: 302, .. }), "{error}");
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let stub = Stub::answering([json(200, "x".repeat(17 * 1024 * 1024))]).await;
    let error = client(&stub.url).endpoints("p-1").await.unwrap_err();
    assert!(matches!(&error, NeonError::Garbled { detail } if detail.contains("16 MiB")), "{error}");
}

#[tokio::test]
async fn nothing_secret_is_told_by_errors_or_debug() {
    let echo = format!("key {KEY} may not read postgresql://neondb_owner:npg_N67FDMtGvJke@ep-a.neon.tech/neondb");
    let wrong_kind = CREATED.replace(r#""connection_uris":["#, r#""connection_uris":["npg_N67FDMtGvJke","#);
    assert_ne!(wrong_kind, CREATED);
    let answers = [
        refusal(400, "", &echo),
        refusal(500, KEY, &echo),
        refusal(422, "X_LIMIT_EXCEEDED", &echo),
        json(401, &echo),
        json(201, &wrong_kind),
        json(201, &CREATED[..1_900]),
    ];
    let stub = Stub::answering(answers.clone()).await;
    let client = client(&stub.url);
    let mut told = format!("{client:?} {:?}", NeonConfig::new(&stub.url, SecretString::from(KEY)));
    for _ in &answers {
        let error = client.create_project(&new_project()).await.unwrap_err();
        told += &format!("{error} {error:?}\n");
    }
    told += &format!("{:?}", client.health());
    assert!(!told.contains("napi_") && !told.contains("npg_") && !told.contains("postgresql://"), "{told}");
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_reason() {
    let wrong = |url: &str, key: &str| match NeonClient::new(NeonConfig::new(url, SecretString::from(key))) {
        Err(NeonError::Misconfigured(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(wrong("console.neon.tech/api/v2", KEY).contains("https://console.neon.tech/api/v2"));
    assert!(wrong("ftp://console.neon.tech/api/v2", KEY).contains("https://"));
    assert!(wrong("https://user:pw@console.neon.tech/api/v2", KEY).contains("neither a user"));
    assert!(wrong("https://console.neon.tech/api/v2", " ").contains("key"));
    assert!(!wrong("https://console.neon.tech/api/v2", "napi_a\nb").contains("napi_"));
}
