//! What Neon refuses for good: it stays visible with Neon's reason, is not asked for again and again, and ends when the cause is gone.

use fleet_types::{DatabaseState, Role};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_neon_refuses_is_shown_with_the_reason_and_not_repeated_at_full_speed() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    let before = world.ledger.database(id.parse().unwrap()).await.unwrap();
    let branch =
        format!("/projects/{}/branches/{}", before.row.neon_project_id.unwrap(), before.neon_branch_id.unwrap());
    let protect = |protected: bool| {
        world.neon(Method::PATCH, &branch).json(&json!({ "branch": { "protected": protected } })).send()
    };
    until("the branch is protected", || async { protect(true).await.unwrap().status() == StatusCode::OK }).await;
    let release = server.api(Method::POST, &format!("/api/v1/databases/{id}/release")).json(&json!({}));
    let answer = release.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("cannot delete a project with protected branches"), "{answer}");

    let shown = server.get(&format!("/api/v1/databases/{id}")).await;
    assert_eq!(shown["state"], DatabaseState::Releasing.as_str());
    assert!(shown["release_refused_at"].is_string(), "{shown}");
    assert!(shown["last_error"].as_str().unwrap().contains("cannot delete a project with protected branches"));
    let detail = world.ledger.database(id.parse().unwrap()).await.unwrap();
    assert!((detail.next_attempt_at.unwrap() - detail.as_of).num_seconds() > 60, "again in minutes");
    assert_eq!(detail.events.iter().filter(|event| event.kind == "database.release_refused").count(), 1);
    let deletions = || world.emulator.stats().count("DELETE", "/projects/{project_id}");
    assert_eq!(deletions(), 1, "asked once; asking at once again changes nothing");
    assert_eq!(world.ledger.violations().await.unwrap(), [], "nothing is broken by that");

    let operator = server.sign_in(Role::Operator).await;
    let page = |path: String| {
        let request = server.anonymous(Method::GET, &path).header(header::COOKIE, &operator);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let database = page(format!("/databases/{id}")).await;
    for text in ["It is released, and not deleted.", "take the protection off", "Try to delete it again"] {
        assert!(database.contains(text), "{text}");
    }
    let problems = page(String::from("/problems")).await;
    assert!(problems.contains("1 released database cannot be deleted"), "{problems}");
    assert!(problems.contains("cannot delete a project with protected branches"));
    let metrics = server.api(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("flotilla_releases_refused 1"));

    assert_eq!(protect(false).await.unwrap().status(), StatusCode::OK);
    let again = server.anonymous(Method::POST, "/rpc/delete-again").header(header::COOKIE, &operator);
    let again = again.header("sec-fetch-site", "same-origin").header(header::ACCEPT, "application/json");
    assert_eq!(again.form(&[("id", &id)]).send().await.unwrap().status(), StatusCode::OK);
    let deleted = server.get(&format!("/api/v1/databases/{id}")).await;
    assert_eq!((&deleted["state"], &deleted["release_refused_at"]), (&json!("deleted"), &json!(null)));
    assert_eq!(deletions(), 2);
    assert!(!page(String::from("/problems")).await.contains("cannot be deleted"));
    server.stop().await;
}
