//! Keys, request ids, routes that are not there.

use neon_emulator::DEFAULT_ORG;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, PERSONAL_KEY, TestEmulator};

const KEYS: &str = "/organizations/org-quiet-harbour-10000001/api_keys";

/// A client with the key in an answer.
fn holder(test: &TestEmulator, made: &Value) -> Api {
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("napi_") && key.len() == 69, "{key}");
    Api::new(&test.emulator.api_url(), key)
}

#[tokio::test]
async fn a_key_works_until_it_is_revoked() {
    let test = TestEmulator::start().await;
    let made = test.person().post(KEYS, json!({"key_name": "spare"})).await.ok(200);
    let spare = holder(&test, &made);
    spare.get("/projects").await.ok(200);
    let list = test.api.get(KEYS).await.ok(200);
    let names: Vec<_> = list.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["configured", "spare"]);
    assert!(list[1]["last_used_at"].is_string() && list[1].get("key").is_none());

    let revoked = test.api.delete(&format!("{KEYS}/{}", made["id"])).await.ok(200);
    assert_eq!((&revoked["revoked"], &revoked["name"]), (&json!(true), &json!("spare")));
    spare.get("/projects").await.refused(401);
    test.api.delete(&format!("{KEYS}/{}", made["id"])).await.refused(404);
    test.person().post(KEYS, json!({"key_name": "k".repeat(65)})).await.refused(400);
    test.api.get("/organizations/org-of-somebody-else/api_keys").await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn keys_are_as_they_were_after_a_restart() {
    let test = TestEmulator::start().await;
    let kept = test.person().post(KEYS, json!({"key_name": "kept"})).await.ok(200);
    let own = test.api.get(KEYS).await.ok(200)[0]["id"].take();
    holder(&test, &kept).delete(&format!("{KEYS}/{own}")).await.ok(200);
    let test = test.restart().await;
    test.api.get("/projects").await.refused(401);
    holder(&test, &kept).get("/projects").await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn a_key_of_one_project_reaches_no_further() {
    let test = TestEmulator::start().await;
    let (own, other) = (test.api.create("own").await, test.api.create("other").await);
    let request = json!({"key_name": "narrow", "project_id": own.id()});
    let made = test.person().post(KEYS, request).await.ok(200);
    assert_eq!(made["project_id"], own.id());
    let narrow = holder(&test, &made);
    narrow.get(&own.path()).await.ok(200);
    narrow.patch(&own.path(), json!({"project": {"name": "mine"}})).await.ok(200);
    narrow.get("/users/me/organizations").await.ok(200);
    let outside = narrow.get(&other.path()).await.refused(404);
    assert!(outside.ends_with(&format!("subject_project_id:{}", own.id())), "{outside}");
    narrow.get("/projects").await.refused(404);
    narrow.delete(&own.path()).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn an_organisations_key_is_nobody_in_particular() {
    let test = TestEmulator::start().await;
    let refusal = test.api.get("/users/me").await.refused(404);
    assert_eq!(refusal, "not allowed for organization API keys");
    test.api.get("/api_keys").await.refused(404);
    assert_eq!(test.api.get("/auth").await.ok(200)["auth_method"], "api_key_org");
    let organizations = test.api.get("/users/me/organizations").await.ok(200);
    assert_eq!(organizations["organizations"][0]["id"], DEFAULT_ORG);
    test.api.get(&format!("/organizations/{}", DEFAULT_ORG)).await.ok(200);
    test.api.get(&format!("/regions?org_id={}", DEFAULT_ORG)).await.ok(200);
    test.api.get("/regions?org_id=org-of-somebody-else").await.refused(404);
    test.api.post(KEYS, json!({"key_name": "a child"})).await.refused(404);
    assert_eq!(test.api.get("/projects/shared").await.ok(200)["projects"], json!([]));
    test.finish().await;
}

#[tokio::test]
async fn a_personal_key_belongs_to_a_person() {
    let test = TestEmulator::start().await;
    let person = test.person();
    let me = person.get("/users/me").await.ok(200);
    let auth = person.get("/auth").await.ok(200);
    assert_eq!((&auth["account_id"], &auth["auth_method"]), (&me["id"], &json!("api_key_user")));
    let made = person.post("/api_keys", json!({"key_name": "second"})).await.ok(200);
    let second = holder(&test, &made);
    second.get("/users/me").await.ok(200);
    second.get("/projects").await.refused(400);
    let of_organization = person.post(KEYS, json!({"key_name": "robot"})).await.ok(200);
    holder(&test, &of_organization).get("/projects").await.ok(200);
    assert_eq!(person.get("/api_keys").await.ok(200).as_array().unwrap().len(), 2);
    person.delete(&format!("/api_keys/{}", made["id"])).await.ok(200);
    second.get("/users/me").await.refused(401);
    person.delete(&format!("/api_keys/{}", of_organization["id"])).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn a_configured_personal_key_stays_revoked() {
    let test = TestEmulator::start().await;
    let own = test.person().get("/api_keys").await.ok(200)[0]["id"].take();
    test.person().delete(&format!("/api_keys/{own}")).await.ok(200);
    let test = test.restart().await;
    test.with_key(PERSONAL_KEY).get("/users/me").await.refused(401);
    test.api.get("/projects").await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn a_call_without_a_valid_key_is_refused() {
    let test = TestEmulator::start().await;
    let stranger = Api::new(&test.emulator.api_url(), "napi_other");
    assert_eq!(stranger.get("/projects").await.refused(401), "supplied credentials do not pass authentication");
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
