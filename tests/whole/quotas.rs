//! Forms that several people have open: nobody's change is undone unseen.

use fleet_types::{PoolRange, Role};
use ledger::{By, NewOperator};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Server, World};

const MIB: i64 = 1 << 20;

async fn save(server: &Server, cookie: &str, id: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let fields: Vec<_> = std::iter::once(("id", id)).chain(fields.iter().copied()).collect();
    send(server, cookie, "/rpc/set-quota", &fields).await
}

async fn send(server: &Server, cookie: &str, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let form: Vec<_> = fields.iter().copied().chain([("reason", "a test of tabs")]).collect();
    let answer = server
        .anonymous(Method::POST, path)
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "application/json")
        .form(&form)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn claimed(server: &Server) -> (String, Value) {
    let (status, claim) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    let database = server.get(&format!("/api/v1/databases/{id}")).await;
    (id, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_change_different_limits_both_stand_and_of_the_same_limit_the_second_is_told() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (id, read) = claimed(&server).await;
    let revision = read["quota_revision"].to_string();
    let (one, two) = (server.sign_in(Role::Operator).await, server.sign_in(Role::Operator).await);
    let (status, text) = save(&server, &one, &id, &[("revision", &revision), ("storage", "600 MiB")]).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let (status, text) = save(&server, &two, &id, &[("revision", &revision), ("transfer", "7 GB")]).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let path = format!("/api/v1/databases/{id}");
    let quota = server.get(&path).await["quota"].clone();
    assert_eq!(
        (&quota["logical_size_bytes"], &quota["data_transfer_bytes"]),
        (&json!(600 * MIB), &json!(7_000_000_000_i64)),
        "neither has undone the other"
    );
    let (status, text) = save(&server, &two, &id, &[("revision", &revision), ("storage", "700 MiB")]).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    for part in ["from 512 MiB to 600 MiB", "@staff.example", "console", "UTC"] {
        assert!(text.contains(part), "it says who, what and when: {text}");
    }
    let read = server.get(&path).await;
    assert_eq!(read["quota"]["logical_size_bytes"], json!(600 * MIB));
    let revision = read["quota_revision"].to_string();
    let (status, text) = save(&server, &two, &id, &[("revision", &revision), ("storage", "700 MiB")]).await;
    assert_eq!(status, StatusCode::OK, "having seen it, they may: {text}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_says_what_it_has_read_is_told_of_a_conflict_and_one_that_does_not_wins() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (id, read) = claimed(&server).await;
    let path = format!("/api/v1/databases/{id}/quota");
    let change = async |body: Value| {
        let answer = server.api(Method::PATCH, &path).json(&body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let revision = &read["quota_revision"];
    let (status, answer) = change(json!({ "logical_size_bytes": 600 * MIB, "revision": revision })).await;
    assert!(status.is_success(), "{answer}");
    let (status, problem) = change(json!({ "logical_size_bytes": 700 * MIB, "revision": revision })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("from 512 MiB to 600 MiB"), "{problem}");
    let (status, answer) = change(json!({ "logical_size_bytes": 600 * MIB, "revision": revision })).await;
    assert!(status.is_success(), "what is so already is no conflict: {answer}");
    let (status, answer) =
        change(json!({ "logical_size_bytes": null, "revision": answer["database"]["quota_revision"] })).await;
    assert!(status.is_success() && answer["database"]["quota"]["logical_size_bytes"].is_null(), "{answer}");
    let (status, problem) = change(json!({ "logical_size_bytes": 900 * MIB, "revision": i64::MAX })).await;
    assert_eq!(status, StatusCode::CONFLICT, "nobody can have read that: {problem}");
    let (status, answer) = change(json!({ "logical_size_bytes": 800 * MIB })).await;
    assert!(status.is_success(), "{answer}");
    server.stop().await;
}

/// The form was filled while nobody held it; its quota then became that of the owner's plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_between_is_a_conflict_too() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let listed = server.get("/api/v1/databases").await;
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let read = server.get(&format!("/api/v1/databases/{id}")).await;
    claimed(&server).await;
    let body = json!({ "logical_size_bytes": 600 * MIB, "revision": read["quota_revision"] });
    let answer = server.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.text().await.unwrap().contains("was claimed"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_without_its_unit_is_refused_and_changes_nothing() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (id, read) = claimed(&server).await;
    let revision = read["quota_revision"].to_string();
    let cookie = server.sign_in(Role::Operator).await;
    let (status, text) = save(&server, &cookie, &id, &[("revision", &revision), ("storage", "10")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(text.contains("10 MiB or 10 GiB"), "{text}");
    assert_eq!(server.get(&format!("/api/v1/databases/{id}")).await["quota"], read["quota"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_to_the_value_that_it_has_is_no_event() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Operator).await;
    let pool = ("name", "standard");
    let policy = [("cover", "2"), ("rate", "p95"), ("floor", "1"), ("ceiling", "40"), ("step", "5"), ("wait", "60")];
    for (path, kind, fields) in [
        ("/rpc/set-creation-limit", "pool.creation_limit", vec![("limit", "9")]),
        ("/rpc/set-target", "pool.target", vec![("target", "7")]),
        ("/rpc/pause-pool", "pool.paused", vec![]),
        ("/rpc/resume-pool", "pool.resumed", vec![]),
        ("/rpc/set-policy", "pool.policy", policy.to_vec()),
    ] {
        for _ in 0..2 {
            let in_force = world.ledger.policy_page("standard").await.unwrap().read().0.to_string();
            let mut form = vec![pool, ("read", in_force.as_str())];
            form.extend(fields.iter().copied());
            let (status, text) = send(&server, &cookie, path, &form).await;
            assert_eq!(status, StatusCode::OK, "{path}: {text}");
        }
        let events = world.ledger.pool("standard", PoolRange::Hour).await.unwrap().events;
        assert_eq!(events.iter().filter(|event| event.kind == kind).count(), 1, "{path}: {events:?}");
    }
    let email = "role@staff.example";
    let new = NewOperator { email, name: "Test", role: Role::Viewer, password_hash: None };
    world.ledger.create_operator(&new, &By::cli()).await.unwrap();
    for _ in 0..2 {
        world.ledger.set_role(email, Role::Support, &By::cli()).await.unwrap();
    }
    for _ in 0..2 {
        world.ledger.disable_operator(email, &By::cli()).await.unwrap();
    }
    let events = world.ledger.fleet_health().await.unwrap().events;
    for kind in ["operator.role", "operator.disabled"] {
        assert_eq!(events.iter().filter(|event| event.kind == kind).count(), 1, "{events:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_or_template_that_was_changed_meanwhile_is_not_overwritten_unseen() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let (one, two) = (server.sign_in(Role::Operator).await, server.sign_in(Role::Operator).await);
    let policy = |ceiling| {
        let rest = [("cover", "2"), ("rate", "p95"), ("floor", "1"), ("step", "5"), ("wait", "60")];
        [("name", "standard"), ("read", "0"), ("ceiling", ceiling)].into_iter().chain(rest).collect::<Vec<_>>()
    };
    let template = |largest| {
        let rest = [("pg_version", "17"), ("min_cu", "0.25"), ("suspend_timeout", "0"), ("birth_plan", "free")];
        [("name", "standard"), ("revision", "1"), ("max_cu", largest)].into_iter().chain(rest).collect::<Vec<_>>()
    };
    for (path, first, second, was) in [
        ("/rpc/set-policy", policy("40"), policy("50"), "ceiling 40"),
        ("/rpc/set-template", template("2"), template("4"), "template 1 → 2"),
    ] {
        let (status, text) = send(&server, &one, path, &first).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let (status, text) = send(&server, &two, path, &second).await;
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        for part in [was, "@staff.example", "UTC"] {
            assert!(text.contains(part), "{path} says who, what and when: {text}");
        }
    }
    server.stop().await;
}
