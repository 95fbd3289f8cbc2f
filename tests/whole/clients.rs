//! Whose a claim is: to whom a connection is told, what a token may ask for and how often, and that nobody's owner is changed in passing.

use std::time::Duration;

use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use ledger::{By, ClaimStatus, Claimant, LedgerError, NewPool, Via};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    plans::sql,
    support::{Server, World},
};

async fn token_of(world: &World, client: &str) -> String {
    token::create(&world.ledger, &NewToken::new(client, &[Scope::Claim])).await.unwrap()
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn claim(server: &Server, token: &str, body: Value, key: Option<&str>) -> (StatusCode, Value) {
    let request = server.anonymous(Method::POST, "/api/v1/claims").bearer_auth(token).json(&body);
    answer(match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    })
    .await
}

async fn read(server: &Server, token: &str, claim: &Value) -> Value {
    let path = format!("/api/v1/claims/{}", claim["id"].as_str().unwrap());
    answer(server.anonymous(Method::GET, &path).bearer_auth(token)).await.1
}

fn of(owner: &str) -> Value {
    json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } })
}

fn id_of(claim: &Value) -> Uuid {
    claim["database"]["id"].as_str().unwrap().parse().unwrap()
}

async fn with_europe(target: i32) -> World {
    let world = World::with_pool(target).await;
    let europe = NewPool {
        name: "europe",
        region_id: "aws-eu-central-1",
        pg_version: 17,
        birth_plan: "business",
        target,
        is_default: false,
    };
    world.ledger.ensure_pool(&europe).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_told_to_the_client_that_claimed_and_to_nobody_else() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (signup, other) = (token_of(&world, "signup 2").await, token_of(&world, "billing").await);
    let (status, first) = claim(&server, &signup, of("ada"), None).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert!(first["connection"].is_object() && first["connection_omitted"].is_null());

    let stolen = json!({ "owner": { "id": "ada", "email": "thief@mail.example" } });
    let (status, theirs) = claim(&server, &other, stolen, Some("k1")).await;
    assert_eq!((status, &theirs["connection_omitted"]), (StatusCode::OK, &json!("other_client")), "{theirs}");
    assert!(theirs["connection"].is_null() && !theirs.to_string().contains("postgresql://"), "{theirs}");
    assert_eq!(theirs["ignored"], json!(["owner.email"]));
    let theirs = read(&server, &other, &first).await;
    assert_eq!((&theirs["connection"], &theirs["connection_omitted"]), (&Value::Null, &json!("other_client")));

    let (_, again) = claim(&server, &signup, of("ada"), Some("any key")).await;
    assert_eq!(again["connection"], first["connection"]);
    assert_eq!(read(&server, &signup, &first).await["connection"], first["connection"]);

    sql(&world, "UPDATE claims SET served_at = served_at - interval '25 hours'").await;
    assert_eq!(read(&server, &signup, &first).await["connection_omitted"], "expired");
    sql(&world, "UPDATE claims SET served_at = now(), client = NULL").await;
    assert_eq!(read(&server, &signup, &first).await["connection_omitted"], "other_client", "nobody made it");
    world.ledger.release(id_of(&first), &By::cli()).await.unwrap();
    assert_eq!(read(&server, &signup, &first).await["connection_omitted"], "released");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_disclosure_is_in_the_history_with_who_and_from_where() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (signup, other) = (token_of(&world, "signup 2").await, token_of(&world, "billing").await);
    let (_, first) = claim(&server, &signup, of("ada"), None).await;
    claim(&server, &signup, of("ada"), None).await;
    read(&server, &signup, &first).await;
    read(&server, &other, &first).await;
    let events = world.ledger.database(id_of(&first)).await.unwrap().events;
    let told: Vec<_> = events
        .iter()
        .filter(|event| ["database.claimed", "database.credentials_disclosed"].contains(&event.kind.as_str()))
        .map(|event| {
            let after = event.after.as_ref().unwrap();
            (
                event.kind.as_str(),
                event.actor.as_str(),
                event.via.as_str(),
                after["client"].clone(),
                after["address"].clone(),
                event.times,
            )
        })
        .collect();
    let told_again = ("database.credentials_disclosed", "signup 2", "api", json!("signup 2"), json!("127.0.0.1"), 2);
    let claimed = ("database.claimed", "signup 2", "api", json!("signup 2"), json!("127.0.0.1"), 1);
    assert_eq!(told, [told_again, claimed], "newest first; what was not told is no event");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_stays_the_same_client() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let old = token_of(&world, "signup 2").await;
    let (_, first) = claim(&server, &old, of("ada"), None).await;
    let new = token::replace(&world.ledger, "signup 2", Duration::from_secs(3600), None).await.unwrap();
    for token in [&old, &new] {
        assert_eq!(read(&server, token, &first).await["connection"], first["connection"]);
    }
    let newest = token::replace(&world.ledger, "signup 2", Duration::ZERO, None).await.unwrap();
    assert_eq!(read(&server, &newest, &first).await["connection"], first["connection"]);
    for token in [&old, &new] {
        assert_eq!(read(&server, token, &first).await["status"], 401);
    }
    world.ledger.revoke_api_token("signup 2", &By::cli()).await.unwrap();
    assert!(token::replace(&world.ledger, "signup 2", Duration::ZERO, None).await.is_err(), "revoked is revoked");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_one_clients_own_and_says_when_its_claim_has_ended() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    let (signup, other) = (token_of(&world, "signup 2").await, token_of(&world, "billing").await);
    let (status, first) = claim(&server, &signup, of("ada"), Some("k1")).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, second) = claim(&server, &other, of("bob"), Some("k1")).await;
    assert_eq!(status, StatusCode::CREATED, "{second}");
    let (status, problem) = claim(&server, &signup, of("eve"), Some("k1")).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key")),
        "{problem}"
    );
    world.ledger.release(id_of(&first), &By::cli()).await.unwrap();
    let (status, problem) = claim(&server, &signup, of("ada"), Some("k1")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("released")), "{problem}");
    let (status, again) = claim(&server, &signup, of("ada"), Some("k2")).await;
    assert_eq!(status, StatusCode::CREATED, "{again}");
    assert!(again["connection"].is_object() && again["id"] != first["id"]);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_never_changes_an_owner_unless_it_says_so() {
    let world = with_europe(0).await;
    world.stock(1).await;
    world.stock_in("europe", 2).await;
    let server = world.serve_without_duties().await;
    let ada = |email: &str, plan: Option<&str>| json!({ "id": "ada", "email": email, "organisation": "Engines", "plan": plan });
    let (_, first) = server.claim_with(json!({ "owner": ada("ada@mail.example", Some("pro")) }), None).await;
    assert_eq!(first["owner"]["plan"], "pro");

    // Another pool, whose birth plan is business: the owner's own plan counts, and what differs is named.
    let (status, second) = server.claim_with(json!({ "owner": { "id": "ada", "email": "x@mail.example", "organisation": "Other", "plan": "free" }, "pool": "europe" }), Some("k1")).await;
    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert_eq!(second["ignored"], json!(["owner.email", "owner.organisation", "owner.plan"]));
    assert_eq!(second["owner"], first["owner"]);
    let detail = world.ledger.database(id_of(&second)).await.unwrap();
    assert_eq!(detail.row.owner.as_ref().unwrap().plan, "pro");
    assert_eq!(detail.quota.logical_size_bytes, Some(10_737_418_240), "the limits of the owner's own plan");
    assert!(!detail.events.iter().any(|event| event.kind == "owner.changed"));
    world.ledger.release(id_of(&second), &By::cli()).await.unwrap();
    let (_, third) = server.claim_with(json!({ "owner": ada("ada@mail.example", None), "pool": "europe" }), None).await;
    assert_eq!((&third["owner"]["plan"], &third["ignored"]), (&json!("pro"), &Value::Null));

    // Asked for, it is done, once, with an event where somebody looks for it; a repetition by its key does it no more.
    let update = json!({ "owner": ada("new@mail.example", Some("free")), "pool": "europe", "update_owner": true });
    let (status, changed) = server.claim_with(update.clone(), Some("k2")).await;
    assert_eq!((status, &changed["owner"]["email"]), (StatusCode::OK, &json!("new@mail.example")), "{changed}");
    let changes = |events: &[fleet_types::Event]| {
        let changes = events.iter().filter(|event| event.kind == "owner.changed");
        changes.map(|event| (event.before.clone().unwrap()["email"].clone(), event.via.clone())).collect::<Vec<_>>()
    };
    for database in [&first, &third] {
        let events = world.ledger.database(id_of(database)).await.unwrap().events;
        assert_eq!(changes(&events), [(json!("ada@mail.example"), String::from("api"))]);
    }
    let nonsense = json!({ "owner": ada("y@mail.example", Some("no-such-plan")), "update_owner": true });
    assert_eq!(server.claim_with(nonsense, None).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.claim("ada").await.1["owner"]["email"], "new@mail.example", "refused, nothing was changed");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

/// A token that claims could else give every database of any owner other limits.
#[tokio::test(flavor = "multi_thread")]
async fn another_plan_of_an_owner_who_is_known_needs_the_scope_that_manages() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let token = token_of(&world, "signup").await;
    let ask = |email: &str, plan: &str| json!({ "owner": { "id": "ada", "email": email, "plan": plan }, "update_owner": true });
    let (status, made) = claim(&server, &token, ask("ada@mail.example", "free"), None).await;
    assert_eq!(status, StatusCode::CREATED, "a new owner has the plan that they come with: {made}");
    let (status, problem) = claim(&server, &token, ask("new@mail.example", "pro"), None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("manage"), "{problem}");
    let (status, same) = claim(&server, &token, ask("new@mail.example", "free"), None).await;
    assert_eq!((status, &same["owner"]["email"]), (StatusCode::OK, &json!("new@mail.example")), "{same}");
    let (status, changed) = server.claim_with(ask("new@mail.example", "pro"), None).await;
    assert_eq!((status, &changed["owner"]["plan"]), (StatusCode::OK, &json!("pro")), "{changed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_repetition_does_not_bring_an_old_address_back() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let body = json!({ "owner": { "id": "ada", "email": "old@mail.example" }, "update_owner": true });
    assert_eq!(server.claim_with(body.clone(), Some("k1")).await.0, StatusCode::CREATED);
    let patch = json!({ "email": " new@mail.example ", "organisation": "Engines", "reason": "ticket 4711" });
    let (status, owner) = answer(server.api(Method::PATCH, "/api/v1/owners/ada").json(&patch)).await;
    assert_eq!(status, StatusCode::OK, "{owner}");
    assert_eq!(owner, json!({ "id": "ada", "email": "new@mail.example", "organisation": "Engines", "plan": "free" }));
    let (status, repeated) = server.claim_with(body, Some("k1")).await;
    assert_eq!((status, &repeated["owner"]["email"]), (StatusCode::OK, &json!("new@mail.example")));
    assert_eq!(world.ledger.look_up("new@mail.example").await.unwrap().hits.len(), 1, "search follows");
    let events = world.ledger.database(id_of(&repeated)).await.unwrap().events;
    let change = events.iter().find(|event| event.kind == "owner.changed").unwrap();
    assert_eq!(change.reason.as_deref(), Some("ticket 4711"));
    let clear = json!({ "organisation": "", "email": null });
    let (_, owner) = answer(server.api(Method::PATCH, "/api/v1/owners/ada").json(&clear)).await;
    assert_eq!((&owner["organisation"], &owner["email"]), (&Value::Null, &json!("new@mail.example")));
    let (status, _) = answer(server.api(Method::PATCH, "/api/v1/owners/nobody").json(&clear)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_identity_provider_allows_as_id_is_an_owner() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let body = json!({
        "owner": { "id": "x".repeat(255), "email": " ada@example.com ", "organisation": null, "plan": null }, "pool": null, "wait_seconds": null,
    });
    let (status, first) = server.claim_with(body, None).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!(first["owner"]["email"], "ada@example.com");
    world.ledger.confirm_release(id_of(&first), "ada@example.com").await.unwrap();
    world.ledger.release(id_of(&first), &By::cli()).await.unwrap();
    let claim_of =
        |name: &str| json!({ "owner": { "id": format!("user-{name}"), "email": format!("{name}@example.com") } });
    let (composed, decomposed) = ("zo\u{eb}", "zoe\u{308}");
    world.stock(2).await;
    let (_, one) = server.claim_with(claim_of(decomposed), None).await;
    let (_, same) = server.claim_with(claim_of(composed), None).await;
    assert_eq!((&one["owner"], id_of(&one)), (&same["owner"], id_of(&same)), "what looks the same is one owner");
    for written in [format!("user-{decomposed}"), format!("{decomposed}@example.com"), format!("user-{composed}")] {
        let found = world.ledger.look_up(&written).await.unwrap().hits;
        assert_eq!(found.iter().map(|hit| hit.database.id).collect::<Vec<_>>(), [id_of(&one)], "{written}");
    }
    world.ledger.confirm_release(id_of(&one), &format!("{decomposed}@example.com")).await.unwrap();
    let url = json!({ "owner": { "id": "https://social.example/@jo", "email": "jo@example.com" } });
    assert_eq!(server.claim_with(url, None).await.0, StatusCode::CREATED);
    let patch = json!({ "email": "jo@new.example" });
    let (status, owner) =
        answer(server.api(Method::PATCH, "/api/v1/owners/https%3A%2F%2Fsocial.example%2F%40jo").json(&patch)).await;
    assert_eq!((status, &owner["email"]), (StatusCode::OK, &json!("jo@new.example")), "{owner}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_claim_can_be_taken_back_and_then_is_not_served() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let other = token_of(&world, "billing").await;
    let (status, waiting) = server.claim_with(of("ada"), Some("k1")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let path = format!("/api/v1/claims/{}", waiting["id"].as_str().unwrap());
    let (status, _) = answer(server.anonymous(Method::DELETE, &path).bearer_auth(&other)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "another client's");
    for _ in 0..2 {
        let (status, cancelled) = answer(server.api(Method::DELETE, &path)).await;
        assert_eq!((status, &cancelled["status"]), (StatusCode::OK, &json!("cancelled")), "{cancelled}");
    }
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = 'claim.cancelled'")
        .fetch_one(&mut PgConnection::connect(&world.database_url).await.unwrap())
        .await
        .unwrap();
    assert_eq!(events, 1);
    world.stock(1).await;
    let by = By::duty("test");
    assert!(world.ledger.serve_waiting(1, &by).await.unwrap().is_none(), "nobody waits");
    let (status, problem) = server.claim_with(of("ada"), Some("k1")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("cancelled")), "{problem}");
    let (status, served) = server.claim_with(of("ada"), Some("k2")).await;
    assert_eq!(status, StatusCode::CREATED, "{served}");
    let path = format!("/api/v1/claims/{}", served["id"].as_str().unwrap());
    let (status, problem) = answer(server.api(Method::DELETE, &path)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("served")), "{problem}");
    server.stop().await;
}

/// Cancelling races with serving: each claim is either cancelled, and its database goes to nobody, or served, and the caller is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_cancelled_or_served_and_never_both() {
    const CLAIMS: usize = 40;
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let mut ids = Vec::new();
    for number in 0..CLAIMS {
        let (_, waiting) = server.claim(&format!("owner-{number}")).await;
        ids.push(waiting["id"].as_str().unwrap().parse::<Uuid>().unwrap());
    }
    world.stock(CLAIMS).await;
    let serving = tokio::spawn({
        let ledger = world.ledger.clone();
        async move { while ledger.serve_waiting(1, &By::duty("test")).await.unwrap().is_some() {} }
    });
    let by = By { actor: String::from("test"), via: Via::Api, reason: None, request_id: None };
    let claimant =
        Claimant { client: String::from("signup"), pools: None, may_manage: false, address: String::new(), by };
    let mut cancelling = JoinSet::new();
    for id in ids.iter().rev().copied() {
        let (ledger, claimant) = (world.ledger.clone(), claimant.clone());
        cancelling.spawn(async move { (id, ledger.cancel_claim(id, &claimant).await) });
    }
    let outcomes = cancelling.join_all().await;
    serving.await.unwrap();
    let mut cancelled = 0;
    for (id, outcome) in outcomes {
        let claim = world.ledger.claim_by_id(id, &claimant).await.unwrap();
        match outcome {
            Ok(_) => {
                cancelled += 1;
                assert!(claim.status == ClaimStatus::Cancelled && claim.database.is_none(), "{claim:?}");
            }
            Err(LedgerError::ClaimEnded { code: "served", .. }) => assert_eq!(claim.status, ClaimStatus::Served),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(server.available().await, cancelled);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bound_to_pools_claims_from_no_other() {
    let world = with_europe(0).await;
    world.stock(1).await;
    world.stock_in("europe", 1).await;
    let server = world.serve_without_duties().await;
    let bound = NewToken { pools: vec![String::from("europe")], ..NewToken::new("europe signup", &[Scope::Claim]) };
    let bound = token::create(&world.ledger, &bound).await.unwrap();
    for (pool, update) in [(None, false), (None, true), (Some("standard"), false), (Some("standard"), true)] {
        let body =
            json!({ "owner": { "id": "ada", "email": "ada@mail.example" }, "pool": pool, "update_owner": update });
        let (status, problem) = claim(&server, &bound, body, None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    }
    let body = json!({ "owner": { "id": "ada", "email": "ada@mail.example" }, "pool": "europe" });
    assert_eq!(claim(&server, &bound, body, None).await.0, StatusCode::CREATED);
    let (_, elsewhere) = server.claim("bob").await;
    assert_eq!(read(&server, &bound, &elsewhere).await["status"], 404);
    let body = json!({ "owner": { "id": "bob", "email": "eve@mail.example" }, "pool": "europe", "update_owner": true });
    let (status, problem) = claim(&server, &bound, body, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "an owner is everybody's, and not only this pool's: {problem}");
    let owned = server.get(&format!("/api/v1/databases/{}", elsewhere["database"]["id"].as_str().unwrap())).await;
    assert_eq!(owned["owner"]["email"], "bob@mail.example");
    let path = format!("/api/v1/claims/{}", elsewhere["id"].as_str().unwrap());
    let (status, _) = answer(server.anonymous(Method::DELETE, &path).bearer_auth(&bound)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for wrong in [
        NewToken { pools: vec![String::from("europe")], ..NewToken::new("all", &[Scope::Claim, Scope::Read]) },
        NewToken { pools: vec![String::from("mars")], ..NewToken::new("mars", &[Scope::Claim]) },
    ] {
        assert!(token::create(&world.ledger, &wrong).await.is_err(), "{wrong:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_limit_is_told_when_to_come_back_whichever_replica_it_asks() {
    let world = World::with_pool(0).await;
    let (one, two) = (world.serve_without_duties().await, world.serve_without_duties().await);
    let limited = NewToken { rate: Some(4), ..NewToken::new("limited", &[Scope::Read]) };
    let limited = token::create(&world.ledger, &limited).await.unwrap();
    let mut statuses = Vec::new();
    for server in [&one, &two, &one, &two, &one, &two] {
        let answer = server.anonymous(Method::GET, "/api/v1/pools").bearer_auth(&limited).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers()["retry-after"], "15");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    sql(&world, "UPDATE token_buckets SET at = at - interval '15 seconds'").await;
    let answer = one.anonymous(Method::GET, "/api/v1/pools").bearer_auth(&limited).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "it fills again");
    one.stop().await;
    two.stop().await;
}
