//! Claiming: one database per owner, whatever is repeated, raced or replayed.

use std::collections::BTreeSet;

use fleet_types::{DatabaseFilter, PagePosition};
use ledger::{By, FoundOwner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{World, until_waiting_for_a_lock};

fn body(owner: &str) -> Value {
    json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_answers_with_a_connection_and_is_safe_to_repeat() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    let (status, first) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!((&first["status"], &first["kind"]), (&json!("served"), &json!("warm")));
    assert!(first["connection"]["uri"].as_str().unwrap().starts_with("postgresql://"));
    assert_eq!(first["owner"]["plan"], "free");
    let (status, second) = server.claim("ada").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(first, second);
    let (_, other) = server.claim("bob").await;
    assert_ne!(first["database"]["id"], other["database"]["id"]);
    let read = server.get(&format!("/api/v1/claims/{}", first["id"].as_str().unwrap())).await;
    assert_eq!(read["database"]["id"], first["database"]["id"]);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_owner_in_parallel_gets_one_database_also_after_a_restart() {
    let world = World::with_pool(0).await;
    world.stock(40).await;
    let (one, two) = (world.serve_without_duties().await, world.serve_without_duties().await);
    let mut claims = JoinSet::new();
    for number in 0..32 {
        let request = [&one, &two][number % 2]
            .api(Method::POST, "/api/v1/claims")
            .header("idempotency-key", "k1")
            .json(&body("ada"));
        claims.spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.json::<Value>().await.unwrap())
        });
    }
    let answers = claims.join_all().await;
    let databases: BTreeSet<String> = answers.iter().map(|(_, claim)| claim["database"]["id"].to_string()).collect();
    assert_eq!(databases.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count(), 1);
    assert_eq!(one.available().await, 39);
    one.stop().await;
    two.stop().await;

    let again = world.serve_without_duties().await;
    let (status, replayed) = again.claim_with(body("ada"), Some("k1")).await;
    assert_eq!((status, &replayed), (StatusCode::OK, &answers[0].1));
    let (status, problem) = again.claim_with(body("bob"), Some("k1")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(again.available().await, 39);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_on_two_replicas_are_handed_every_database_once() {
    const STOCK: usize = 400;
    const CLIENTS: usize = 64;
    const CLAIMS: usize = 800;
    let world = World::with_pool(0).await;
    world.stock(STOCK).await;
    let (one, two) = (world.serve_without_duties().await, world.serve_without_duties().await);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let server = [&one, &two][client % 2];
        let requests: Vec<_> = (client..CLAIMS)
            .step_by(CLIENTS)
            .map(|owner| server.api(Method::POST, "/api/v1/claims").json(&body(&format!("owner-{owner}"))))
            .collect();
        clients.spawn(async move {
            let mut answers = Vec::new();
            for request in requests {
                let answer = request.send().await.unwrap();
                answers.push((answer.status(), answer.json::<Value>().await.unwrap()));
            }
            answers
        });
    }
    let answers: Vec<(StatusCode, Value)> = clients.join_all().await.into_iter().flatten().collect();
    let served: Vec<&Value> =
        answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).map(|(_, claim)| claim).collect();
    let waiting = answers.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
    assert_eq!((served.len(), waiting), (STOCK, CLAIMS - STOCK));
    let distinct: BTreeSet<String> = served.iter().map(|claim| claim["database"]["id"].to_string()).collect();
    assert_eq!(distinct.len(), STOCK);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    one.stop().await;
    two.stop().await;
}

/// Both lock the owner, and then their claim: neither is refused for a deadlock.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_waits_is_given_their_database_back_while_their_claim_is_about_to_be_served() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    assert_eq!(server.claim("ada").await.0, StatusCode::ACCEPTED);
    world.stock(2).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let withhold = "UPDATE databases SET state = 'withheld', withheld_reason = 'a test'
                    WHERE id = (SELECT min(id::text)::uuid FROM databases WHERE state = 'available') RETURNING id";
    let theirs: Uuid = sqlx::query_scalar(withhold).fetch_one(&mut connection).await.unwrap();
    let mut held = connection.begin().await.unwrap();
    sqlx::query("SELECT FROM databases WHERE id = $1 FOR UPDATE").bind(theirs).fetch_one(&mut *held).await.unwrap();
    let giving = tokio::spawn({
        let ledger = server.state.ledger.clone();
        let [id, email, plan] = ["ada", "ada@mail.example", "free"].map(String::from);
        let owner = FoundOwner { id, email, plan };
        async move { ledger.give_back(theirs, &owner, None, None, None, &By::cli()).await }
    });
    until_waiting_for_a_lock(&world, 1).await;
    let serving = tokio::spawn({
        let ledger = server.state.ledger.clone();
        async move { ledger.serve_waiting(1, &By::duty("test")).await }
    });
    until_waiting_for_a_lock(&world, 2).await;
    held.commit().await.unwrap();
    giving.await.unwrap().unwrap();
    assert!(serving.await.unwrap().unwrap().is_none(), "nobody waits any more");
    let served = "SELECT database_id FROM claims WHERE owner_id = 'ada' AND status = 'served'";
    assert_eq!(sqlx::query_scalar::<_, Uuid>(served).fetch_all(&mut connection).await.unwrap(), [theirs]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_claims_are_refused_by_field_and_change_nothing() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let bad = [
        json!({ "owner": { "id": "", "email": "a@b.example" } }),
        json!({ "owner": { "id": "a", "email": "nobody" } }),
        json!({ "owner": { "id": "a\u{1b}[31m", "email": "a@b.example" } }),
        json!({ "owner": { "id": "a", "email": "a@b.example", "plan": "no-such-plan" } }),
        json!({ "owner": { "id": "a", "email": "a@b.example" }, "pool": "no-such-pool" }),
        json!({ "owner": { "id": "x".repeat(10_000), "email": "a@b.example" } }),
    ];
    for claim in bad {
        let (status, problem) = server.claim_with(claim, None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let not_json = server
        .api(Method::POST, "/api/v1/claims")
        .header("content-type", "application/json")
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(not_json.status(), StatusCode::BAD_REQUEST);
    assert_eq!(not_json.headers()["content-type"], "application/problem+json");
    assert_eq!(server.available().await, 1);
    server.stop().await;
}

/// A transaction that writes many rows about databases, such as findings, refers to them until it ends: claims must not wait for it, nor run dry.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_others_write_about_is_claimed_all_the_same() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let mut others = connection.begin().await.unwrap();
    let refers = "INSERT INTO events (kind, database_id, actor, via) SELECT 'database.available', id, 'test', 'engine' FROM databases";
    assert_eq!(others.execute(refers).await.unwrap().rows_affected(), 3);
    for owner in ["ada", "bob", "eve"] {
        let (status, claim) = server.claim(owner).await;
        assert_eq!((status, &claim["kind"]), (StatusCode::CREATED, &json!("warm")), "{claim}");
    }
    others.rollback().await.unwrap();
    server.stop().await;
}

/// What is searched follows the owner, from no owner to one, and from one address to the next.
#[tokio::test(flavor = "multi_thread")]
async fn databases_are_found_by_their_owner_of_now() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let found = async |text: &str| -> BTreeSet<Uuid> {
        let answer = world.ledger.look_up(text).await.unwrap();
        answer.hits.iter().map(|hit| hit.database.id).collect()
    };
    assert!(found("lovelace").await.is_empty());
    let claim = async |address: &str| -> Uuid {
        let owner = json!({ "id": "ada", "email": address, "organisation": "Engines" });
        let (status, claim) = server.claim_with(json!({ "owner": owner, "update_owner": true }), None).await;
        assert_eq!(status, StatusCode::CREATED, "{claim}");
        claim["database"]["id"].as_str().unwrap().parse().unwrap()
    };
    let first = claim("Lovelace@mail.example").await;
    assert_eq!(found("lovelace").await, BTreeSet::from([first]));
    world.ledger.release(first, &By::cli()).await.unwrap();
    let second = claim("king@mail.example").await;
    assert_eq!(found("king@").await, BTreeSet::from([first, second]));
    assert_eq!(found("engines").await, BTreeSet::from([first, second]));
    assert!(found("lovelace").await.is_empty(), "that address is not his any more");
    let filter = DatabaseFilter { text: Some(String::from("KING@")), ..DatabaseFilter::default() };
    let listed = world.ledger.database_page(&filter, &PagePosition::First).await.unwrap();
    assert_eq!(listed.rows.iter().map(|row| row.id).collect::<BTreeSet<_>>(), BTreeSet::from([first, second]));
    server.stop().await;
}
