//! Pages as the server renders them: whole, safe, and without JavaScript.

use fleet_types::Role;
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_pages_twenty_at_a_time_are_all_complete() {
    let world = World::with_pool(0).await;
    world.stock(80).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let detail = format!("/databases/{}", claim["database"]["id"].as_str().unwrap());
    let cookie = server.sign_in(Role::Viewer).await;
    let paths = [
        "/",
        "/databases",
        &detail,
        "/pools",
        "/pools/standard",
        "/pools/standard/policy?cover=2&rate=p95&floor=1&ceiling=9&step=1&wait=0",
        "/engine",
        "/budget?range=day",
        "/problems",
        "/databases?state=claimed&sort=size",
        "/lookup?q=ada",
    ];
    for round in 0..10 {
        let mut pages = JoinSet::new();
        for number in 0..20 {
            let path = paths[(round + number) % paths.len()].to_owned();
            let request = server.anonymous(Method::GET, &path).header(header::COOKIE, &cookie);
            pages.spawn(async move {
                let answer = request.send().await.unwrap();
                (path, answer.status(), answer.text().await.unwrap())
            });
        }
        for (path, status, html) in pages.join_all().await {
            let expected = if path.starts_with("/lookup") {
                status.is_redirection() || status == StatusCode::OK
            } else {
                status == StatusCode::OK
            };
            assert!(expected, "{path}: {status}");
            assert!(
                status.is_redirection() || html.contains("__INCOMPLETE_CHUNKS=["),
                "{path} is not complete: …{}",
                &html[html.len().saturating_sub(200)..]
            );
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stand_in_the_first_html_and_secrets_do_not() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let hostile =
        json!({ "owner": { "id": "eve", "email": "eve@mail.example", "organisation": "<script>alert(1)</script>" } });
    let (status, claim) = server.claim_with(hostile, None).await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    let cookie = server.sign_in(Role::Admin).await;
    let id = claim["database"]["id"].as_str().unwrap();
    for path in ["/databases".to_owned(), format!("/databases/{id}"), "/lookup?q=eve%40mail.example".to_owned()] {
        let answer = server.anonymous(Method::GET, &path).header(header::COOKIE, &cookie).send().await.unwrap();
        if answer.status().is_redirection() {
            continue;
        }
        let html = answer.text().await.unwrap();
        assert!(html.contains("eve@mail.example"), "{path} shows no owner");
        assert!(!html.contains("<script>alert"), "{path} lets markup through");
        assert!(!html.contains("u:p@127.0.0.1"), "{path} shows a credential");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_sent_to_the_sign_in_page_and_every_answer_has_its_headers() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let answer = server.anonymous(Method::GET, "/databases?state=claimed").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.headers()[header::LOCATION].to_str().unwrap().starts_with("/sign-in?next="));
    let cookie = server.sign_in(Role::Viewer).await;
    for path in [
        "/",
        "/sign-in",
        "/no-such-page",
        "/api/v1/claims",
        "/databases/00000000-0000-7000-8000-000000000000",
        "/healthz",
    ] {
        let answer = server.anonymous(Method::GET, path).header(header::COOKIE, &cookie).send().await.unwrap();
        for name in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cross-origin-opener-policy",
            "permissions-policy",
        ] {
            assert!(answer.headers().contains_key(name), "{path} lacks {name}");
        }
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{path}: {policy}");
    }
    let missing = server
        .anonymous(Method::GET, "/databases/00000000-0000-7000-8000-000000000000")
        .header(header::COOKIE, &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_shows_equal_disclosures_as_one_line_and_every_other_event() {
    let mut world = World::with_pool(0).await;
    world.arguments = vec!["--trusted-proxies", "127.0.0.0/8"];
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/claims/{}", claim["id"].as_str().unwrap());
    let read_from = async |address: &str, times: usize| {
        let mut reads = JoinSet::new();
        for port in 1_000..1_000 + times {
            let request = server.api(Method::GET, &path).header("x-forwarded-for", format!("{address}:{port}"));
            reads.spawn(async move { request.send().await.unwrap().status() });
        }
        assert!(reads.join_all().await.iter().all(|status| *status == StatusCode::OK));
    };
    let change = async |mib: u64| {
        let request = server.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota"));
        let answer = request.json(&json!({ "logical_size_bytes": mib << 20 })).send().await.unwrap();
        assert!(answer.status().is_success());
    };
    read_from("203.0.113.5", 200).await;
    change(600).await;
    read_from("203.0.113.5", 100).await;
    read_from("203.0.113.6", 1).await;
    let cookie = server.sign_in(Role::Viewer).await;
    for path in [format!("/databases/{id}"), String::from("/")] {
        let page = server.anonymous(Method::GET, &path).header(header::COOKIE, &cookie).send().await.unwrap();
        let html = page.text().await.unwrap();
        assert!(html.matches("Credentials shown").count() <= 6, "{path}: they fill the page");
        for shown in
            ["Claimed", "Quota changed", "200<!> times since ", "100<!> times since ", "203.0.113.5", "203.0.113.6"]
        {
            assert!(html.contains(shown), "{path}: {shown} is missing");
        }
    }
    let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
    let disclosures: Vec<i64> =
        events.iter().filter(|event| event.kind == "database.credentials_disclosed").map(|event| event.times).collect();
    assert_eq!(disclosures, [1, 100, 200], "each is an event, and none is left out");
    server.stop().await;
}
