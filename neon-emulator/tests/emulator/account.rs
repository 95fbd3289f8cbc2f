//! Keys, request ids, routes that are not there.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Api, TestEmulator};

#[tokio::test]
async fn a_call_without_a_valid_key_is_refused() {
    let test = TestEmulator::start().await;
    let stranger = Api::new(&test.emulator.api_url(), "napi_other");
    stranger.get("/projects").await.refused(401);
    let bare = reqwest::get(format!("{}/projects", test.emulator.api_url())).await.unwrap();
    assert_eq!(bare.status(), 401);
    test.finish().await;
}

#[tokio::test]
async fn cookies_do_not_matter() {
    let test = TestEmulator::start().await;
    let with_cookie = test.api.request(Method::GET, "/regions").header("cookie", "zenith=x; keycloak_token=x");
    assert_eq!(with_cookie.send().await.unwrap().status(), 200);
    test.finish().await;
}

#[tokio::test]
async fn the_request_id_is_echoed_in_errors() {
    let test = TestEmulator::start().await;
    let call = test.api.request(Method::GET, "/projects/nobody-here-1").header("x-request-id", "mine-7");
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["x-request-id"], "mine-7");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["request_id"], "mine-7");
    assert_eq!(body["code"], "");
    test.finish().await;
}

#[tokio::test]
async fn an_unknown_route_or_method_is_not_found() {
    let test = TestEmulator::start().await;
    test.api.get("/nothing/of/this/name").await.refused(404);
    let answer = test.api.request(Method::PUT, "/projects").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.json::<Value>().await.unwrap()["message"].is_string());
    test.finish().await;
}
