//! Who may do what: every route of the API and every server function, for everybody.

use fleet_types::Role;
use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_refuses_strangers_and_other_scopes() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let document: Value =
        server.anonymous(Method::GET, "/api/v1/openapi.json").send().await.unwrap().json().await.unwrap();
    let reader = token::create(&world.ledger, &NewToken::new("reader", &[Scope::Read])).await.unwrap();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            seen += 1;
            let concrete = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
            let method: Method = method.to_uppercase().parse().unwrap();
            let stranger = server.anonymous(method.clone(), &concrete).send().await.unwrap();
            assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(stranger.headers()["content-type"], "application/problem+json", "{method} {path}");
            if method != Method::GET {
                let body = json!({ "owner": { "id": "a", "email": "a@b.example" } });
                let other =
                    server.anonymous(method.clone(), &concrete).bearer_auth(&reader).json(&body).send().await.unwrap();
                assert_eq!(other.status(), StatusCode::FORBIDDEN, "{method} {path}");
            }
        }
    }
    assert!(seen >= 8, "only {seen} operations were found in the document");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_function_refuses_those_who_are_not_signed_in() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let functions: Vec<(String, Method)> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, method)| (path.to_owned(), method.as_str().parse().unwrap()))
        .collect();
    assert!(functions.len() >= 15, "only {} server functions are known", functions.len());
    for (path, method) in functions {
        let answer = server
            .anonymous(method.clone(), &path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body("")
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.status(),
            StatusCode::UNAUTHORIZED,
            "{method} {path} is refused before its arguments are read"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_tokens_that_may_read() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let stranger = server.anonymous(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let admin = server.sign_in(Role::Admin).await;
    let session = server.anonymous(Method::GET, "/metrics").header(header::COOKIE, admin).send().await.unwrap();
    assert_eq!(session.status(), StatusCode::UNAUTHORIZED, "a session is no token");
    for (scope, expected) in
        [(Scope::Claim, StatusCode::FORBIDDEN), (Scope::Read, StatusCode::OK), (Scope::Manage, StatusCode::OK)]
    {
        let token = token::create(&world.ledger, &NewToken::new(scope.as_str(), &[scope])).await.unwrap();
        let answer = server.anonymous(Method::GET, "/metrics").bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{}", scope.as_str());
    }
    server.stop().await;
}

/// Pairs of a form and the least role that may send it.
const ACTIONS: [(&str, Role); 17] = [
    ("/rpc/refresh", Role::Support),
    ("/rpc/reveal", Role::Support),
    ("/rpc/suspend", Role::Operator),
    ("/rpc/set-quota", Role::Operator),
    ("/rpc/rotate-password", Role::Operator),
    ("/rpc/release", Role::Operator),
    ("/rpc/delete-again", Role::Operator),
    ("/rpc/pause-pool", Role::Operator),
    ("/rpc/set-policy", Role::Operator),
    ("/rpc/add-schedule", Role::Operator),
    ("/rpc/set-template", Role::Operator),
    ("/rpc/change-plan", Role::Operator),
    ("/rpc/end-override", Role::Operator),
    ("/rpc/relieve", Role::Operator),
    ("/rpc/stop-roll-out", Role::Operator),
    ("/rpc/resume-roll-out", Role::Operator),
    ("/rpc/run-checks", Role::Operator),
];

#[tokio::test(flavor = "multi_thread")]
async fn actions_need_their_role_and_come_from_our_own_pages() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    let form = [
        ("id", id.as_str()),
        ("name", "standard"),
        ("reason", "a test of roles"),
        ("confirmation", "nobody"),
        ("plan", "free"),
        ("field", "compute_time_seconds"),
        ("limit", "compute_time_seconds"),
        ("hours", "24"),
        ("revision", "0"),
        ("read", "0"),
    ];
    for role in Role::ALL {
        let cookie = server.sign_in(role).await;
        for (path, least) in ACTIONS {
            let send = |site: &'static str| {
                server
                    .anonymous(Method::POST, path)
                    .header(header::COOKIE, &cookie)
                    .header("sec-fetch-site", site)
                    .header(header::ACCEPT, "application/json")
                    .form(&form)
                    .send()
            };
            let body = send("same-origin").await.unwrap().text().await.unwrap();
            assert_eq!(body.contains("Forbidden"), role < least, "{} on {path}: {body}", role.as_str());
            assert_eq!(send("cross-site").await.unwrap().status(), StatusCode::FORBIDDEN, "{path} from another site");
        }
    }
    let unsigned = server.anonymous(Method::POST, "/rpc/suspend").form(&form).send().await.unwrap();
    assert!(!unsigned.status().is_success());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_in_a_loop_is_counted_and_does_not_flood_the_history() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    let reader = token::create(&world.ledger, &NewToken::new("reader", &[Scope::Read])).await.unwrap();
    let events = || async { server.state.ledger.fleet_health().await.unwrap().events };
    let before = events().await;
    for _ in 0..200 {
        let form = [("name", "standard"), ("reason", "again and again")];
        let request = server.anonymous(Method::POST, "/rpc/pause-pool").header(header::COOKIE, &cookie).form(&form);
        let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let body = json!({ "owner": { "id": "a", "email": "a@b.example" } });
        let request = server.anonymous(Method::POST, "/api/v1/claims").bearer_auth(&reader).json(&body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    until("every refusal is counted", || async {
        let denials = server.state.ledger.fleet_health().await.unwrap().denials;
        denials.total == 2 && denials.newest.iter().all(|denial| denial.times == 200)
    })
    .await;
    assert_eq!(events().await, before, "the history is as it was");
    let page =
        server.anonymous(Method::GET, "/").header(header::COOKIE, &cookie).send().await.unwrap().text().await.unwrap();
    for words in
        ["Refused in the last 24 hours", "/rpc/pause-pool", "POST /api/v1/claims", "role operator", "scope claim"]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("newest of"), "these are all");
    for path in ["suspend", "resume", "refresh", "release", "rotate-password"] {
        let form = [("id", "00000000-0000-7000-8000-000000000000"), ("reason", "again"), ("confirmation", "")];
        let request = server.anonymous(Method::POST, &format!("/rpc/{path}")).header(header::COOKIE, &cookie);
        let answer = request.header("sec-fetch-site", "same-origin").form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    until("all seven are counted, and five shown", || async {
        let page = server.anonymous(Method::GET, "/").header(header::COOKIE, &cookie).send().await.unwrap();
        page.text().await.unwrap().contains("The 5 newest of 7.")
    })
    .await;
    server.stop().await;
}
