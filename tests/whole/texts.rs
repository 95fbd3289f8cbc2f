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
        "/no-such%FFpage",
        "/pools/%FF",
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
        let page = answer.text().await.unwrap();
        assert!(page.contains("/plain.css") && page.contains("cannot be read"), "{address}: {page}");
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
        "plan",
        "field",
        "limit",
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
                ("hours", "24"),
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

/// Neither the console nor the API fails at such a body, or repeats the words of whatever has read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_refused_in_plain_words_and_never_fails() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Admin).await;
    let functions: Vec<String> = leptos::server_fn::axum::server_fn_paths()
        .filter(|(path, method)| method.as_str() == "POST" && *path != "/rpc/run-checks")
        .map(|(path, _)| path.to_owned())
        .collect();
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let raw: [(&str, &[u8]); 6] =
        [(form, b"\xff\xfe"), (form, b"%ff=%fe"), (form, b"a[b=1"), (json, b"{"), (json, b"[\xff"), (form, b"")];
    for path in functions {
        for (content_type, body) in raw {
            let answer = server
                .anonymous(Method::POST, &path)
                .header(header::COOKIE, &cookie)
                .header("sec-fetch-site", "same-origin")
                .header(header::CONTENT_TYPE, content_type)
                .body(body)
                .send()
                .await
                .unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_client_error(), "{path} with {body:?}: {status} {text}");
            assert_plain(&text);
        }
    }
    let call = async |content_type: &str, body: &str| {
        let request = server.api(Method::POST, "/api/v1/claims").header(header::CONTENT_TYPE, content_type);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for (body, field, message) in [
        ("{}", "owner", "It is missing."),
        (r#"{"owner":{"id":"a"}}"#, "owner.email", "It is missing."),
        (r#"{"owner":{"id":5,"email":"a@b.example"}}"#, "owner.id", "Write a string."),
        (r#"{"owner":7}"#, "owner", "Write an object with named fields."),
        (r#"{"owner":{"id":"a","email":"a@b.example"},"wait_seconds":1.5}"#, "wait_seconds", "Write a whole number."),
        (r#"{"owner":{"id":"a","email":"a@b.example"},"update_owner":1}"#, "update_owner", "Write true or false."),
        (r#""claim""#, "request", "Write an object with named fields."),
    ] {
        let (status, problem) = call(json, body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{body}: {problem}");
        assert_eq!(problem["errors"][0]["message"], message, "{body}");
        assert_plain(&problem.to_string());
    }
    let (status, problem) = call(json, r#"{"owner":{"id":"a","email":"a@b.example","colour":1}}"#).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("owner.colour")), "{problem}");
    assert!(problem.to_string().contains("Those that are: id, email"), "{problem}");
    let (status, problem) = call(json, "{\"owner\":").await;
    assert_eq!(status, 400, "{problem}");
    assert_plain(&problem.to_string());
    for charset in ["application/json; charset=utf-16", "application/json;charset=\"ISO-8859-1\""] {
        assert_eq!(call(charset, "{}").await.0, 415, "{charset}");
    }
    assert_eq!(call("application/json; charset=UTF-8", "{}").await.0, 422);
    server.stop().await;
}

fn assert_plain(text: &str) {
    for foreign in
        ["missing field", "invalid type", "unknown field", "expected ", "struct ", "EOF", "ServerFn", "utf-8"]
    {
        assert!(!text.contains(foreign), "{foreign:?} in {text}");
    }
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
