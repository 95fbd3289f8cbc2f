//! Texts that are none: the same is refused in console, API and command line, and nothing of it is an internal error.

use fleet_types::Role;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::World;

/// NUL, ANSI, C1 (in two bytes), and a newline that is none of ours to interpret.
const CONTROLS: [&str; 4] = ["a\0b", "a\u{1b}[31mb", "a\u{9b}31mb", "a\u{85}b"];

#[tokio::test(flavor = "multi_thread")]
async fn a_control_character_in_an_address_of_the_console_is_refused_and_never_fails() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Admin).await;
    for address in [
        "/pools/a%00b",
        "/pools/a%00b/policy",
        "/databases/a%00b",
        "/problems/a%00b",
        "/no-such%00page",
        "/databases?text=a%00b",
        "/databases?pool=a%00b",
        "/databases?plan=a%C2%9Bb",
        "/databases?region=a%1B%5B31mb",
        "/databases?after=a%00b",
        "/lookup?q=a%00b",
        "/sign-in?next=/a%00b",
        "/rpc/pool?name=a%00b&range=Hour",
        "/rpc/pool-policy?name=a%00b",
    ] {
        let answer = server
            .anonymous(Method::GET, address)
            .header(header::COOKIE, &cookie)
            .header(header::ACCEPT, "text/html")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{address}");
    }
    for address in ["/api/v1/databases?text=a%00b", "/api/v1/databases?pool=a%00b", "/api/v1/databases/a%00b"] {
        assert_eq!(
            server.api(Method::GET, address).send().await.unwrap().status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{address}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_all_time_is_refused() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    for key in ["-211813488000000001", "253402300800000000", "9223372036854775807", "-9223372036854775808"] {
        let address = format!("/api/v1/databases?after={key}.00000000000000000000000000000000");
        let status = server.api(Method::GET, &address).send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{key}");
    }
    server.stop().await;
}

/// Every field of every form of the console, filled with what is no text.
#[tokio::test(flavor = "multi_thread")]
async fn a_control_character_in_a_form_is_refused_and_never_fails() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap();
    let cookie = server.sign_in(Role::Admin).await;
    let fields = [
        "name",
        "reason",
        "confirmation",
        "prefix",
        "storage",
        "active_hours",
        "compute_hours",
        "written",
        "transfer",
        "label",
        "days",
        "from",
        "to",
        "kind",
        "amount",
        "cover",
        "rate",
        "floor",
        "ceiling",
        "step",
        "wait",
        "pg_version",
        "min_cu",
        "max_cu",
        "suspend_timeout",
        "birth_plan",
    ];
    let functions: Vec<String> = leptos::server_fn::axum::server_fn_paths()
        .filter(|(_, method)| method.as_str() == "POST")
        .map(|(path, _)| path.to_owned())
        .filter(|path| {
            !["/rpc/databases", "/rpc/run-checks", "/rpc/refresh", "/rpc/delete-again"].contains(&path.as_str())
        })
        .collect();
    assert!(functions.len() >= 15, "{functions:?}");
    for path in functions {
        for control in CONTROLS {
            let mut form: Vec<(&str, &str)> = fields.iter().map(|field| (*field, control)).collect();
            form.extend([
                ("id", if path.contains("finding") || path.contains("look-again") { "1" } else { id }),
                ("target", "1"),
                ("seconds", "60"),
                ("schedule", "1"),
                ("query", control),
            ]);
            let answer = server
                .anonymous(Method::POST, &path)
                .header(header::COOKIE, &cookie)
                .header("sec-fetch-site", "same-origin")
                .form(&form)
                .send()
                .await
                .unwrap();
            let status = answer.status();
            let is_lookup = path == "/rpc/look-up" && status.is_success();
            assert!(
                is_lookup || [400, 404, 422].contains(&status.as_u16()),
                "{path} with {control:?}: {status} {}",
                answer.text().await.unwrap()
            );
        }
    }
    let filter = json!({ "filter": { "text": "a\0b", "pool": null, "sort": "created" }, "position": "First" });
    let answer = server
        .anonymous(Method::POST, "/rpc/databases")
        .header(header::COOKIE, &cookie)
        .header("sec-fetch-site", "same-origin")
        .json(&filter)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn console_and_api_refuse_the_same_reasons() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap();
    let cookie = server.sign_in(Role::Operator).await;
    for reason in CONTROLS {
        let form = [("id", id), ("reason", reason)];
        let console = server
            .anonymous(Method::POST, "/rpc/suspend")
            .header(header::COOKIE, &cookie)
            .header("sec-fetch-site", "same-origin")
            .form(&form);
        let api =
            server.api(Method::POST, &format!("/api/v1/databases/{id}/suspend")).json(&json!({ "reason": reason }));
        for request in [console, api] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{reason:?}");
            let body: Value = answer.json().await.unwrap();
            assert!(body.to_string().contains("Control characters are not allowed"), "{body}");
        }
    }
    server.stop().await;
}
