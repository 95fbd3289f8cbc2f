//! Credentials: who is shown them and how often, and whether they are the ones that Neon has.

use fleet_types::Role;
use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use ledger::{Ledger, NewPool};
use neon_emulator::{Fault, Rule};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    older_ledger::with_migrations_before,
    support::{Server, World, until},
};

/// Disclosures on request to one actor within an hour.
const LIMIT: usize = 60;
const RESET: &str = "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password";
const REVEAL: &str = "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password";

/// A database that was claimed, and what its owner was told.
struct Claimed {
    id: String,
    project: String,
    connection: Value,
}

impl Claimed {
    async fn by(server: &Server, owner: &str) -> Self {
        let (status, claim) = server.claim(owner).await;
        assert_eq!(status, StatusCode::CREATED, "{claim}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            id: text(&claim["database"]["id"]),
            project: text(&claim["database"]["neon_project_id"]),
            connection: claim["connection"].clone(),
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/api/v1/databases/{}/{what}", self.id)
    }

    /// The path of its role on Neon.
    async fn role(&self, world: &World) -> String {
        let id: Uuid = self.id.parse().unwrap();
        let branch = world.ledger.database(id).await.unwrap().neon_branch_id.unwrap();
        format!("/projects/{}/branches/{branch}/roles/neondb_owner", self.project)
    }

    async fn reset_on_neon(&self, world: &World) -> String {
        let path = format!("{}/reset_password", self.role(world).await);
        until("Neon has reset the password", || async {
            world.neon(Method::POST, &path).send().await.unwrap().status() == StatusCode::OK
        })
        .await;
        self.password_on_neon(world).await
    }

    async fn password_on_neon(&self, world: &World) -> String {
        let path = format!("{}/reveal_password", self.role(world).await);
        let answer: Value = world.neon(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        answer["password"].as_str().unwrap().to_owned()
    }
}

async fn connects(uri: &Value) -> bool {
    match PgConnection::connect(uri.as_str().unwrap()).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

async fn revealing_token(world: &World) -> String {
    token::create(&world.ledger, &NewToken::new("desk", &[Scope::Reveal])).await.unwrap()
}

async fn disclosed(server: &Server, token: &str, database: &Claimed) -> (StatusCode, Value) {
    let request = server.anonymous(Method::POST, &database.path("credentials")).bearer_auth(token);
    let answer = request.json(&json!({ "reason": "ticket 4711" })).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn reveal(server: &Server, cookie: &str, id: &str) -> reqwest::RequestBuilder {
    server
        .anonymous(Method::POST, "/rpc/reveal")
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "application/json")
        .form(&[("id", id), ("reason", "ticket 4711")])
}

async fn number(world: &World, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

/// A browser without scripts would be led back to a page that cannot show what was disclosed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reveal_that_nobody_could_see_discloses_nothing_and_is_not_counted() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let database = Claimed::by(&server, "ada").await;
    let cookie = server.sign_in(Role::Support).await;
    let page = format!("/databases/{}", database.id);
    let form = server
        .anonymous(Method::POST, "/rpc/reveal")
        .header(header::COOKIE, &cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "text/html")
        .header(header::REFERER, format!("{}{page}", server.url))
        .form(&[("id", database.id.as_str()), ("reason", "ticket 4711")]);
    let answer = form.send().await.unwrap();
    assert_eq!(answer.headers()[header::LOCATION], format!("{page}?error=invalid&field=script"));
    let told = server.anonymous(Method::GET, &format!("{page}?error=invalid&field=script"));
    assert!(
        told.header(header::COOKIE, &cookie)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("Wait until the page has loaded")
    );
    assert_eq!(number(&world, DISCLOSURES).await, 0);
    assert_eq!(number(&world, "SELECT count(*) FROM disclosure_limits").await, 0);
    server.stop().await;
}

const DISCLOSURES: &str = "SELECT count(*) FROM events WHERE kind = 'database.credentials_disclosed'";

#[tokio::test(flavor = "multi_thread")]
async fn of_three_hundred_reveals_at_once_exactly_the_limit_is_answered_and_nothing_makes_it_forget() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let database = Claimed::by(&server, "ada").await;
    let cookie = server.sign_in(Role::Support).await;
    let mut reveals = JoinSet::new();
    for _ in 0..300 {
        let request = reveal(&server, &cookie, &database.id);
        reveals.spawn(async move { request.send().await.unwrap().status() });
    }
    let answers = reveals.join_all().await;
    let count = |status: StatusCode| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS)), (LIMIT, 300 - LIMIT), "{answers:?}");
    assert_eq!(number(&world, DISCLOSURES).await, LIMIT as i64, "each has its event, and no refusal has one");

    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    connection
        .execute(
            "INSERT INTO events (kind, actor, via) SELECT 'other', 'somebody', 'cli' FROM generate_series(1, 20001)",
        )
        .await
        .unwrap();
    let again = reveal(&server, &cookie, &database.id).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u32 = again.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    let other = server.sign_in(Role::Support).await;
    assert_eq!(reveal(&server, &other, &database.id).send().await.unwrap().status(), StatusCode::OK, "of one actor");
    connection.execute("UPDATE disclosure_limits SET disclosed_at = array(SELECT at - interval '1 hour' FROM unnest(disclosed_at) AS at)").await.unwrap();
    let later = reveal(&server, &cookie, &database.id).send().await.unwrap();
    assert_eq!(later.status(), StatusCode::OK, "an hour later");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_a_database_that_nobody_has_claimed_are_shown_to_nobody() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let listed = server.get("/api/v1/databases").await;
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let cookie = server.sign_in(Role::Admin).await;
    assert_eq!(reveal(&server, &cookie, &id).send().await.unwrap().status(), StatusCode::CONFLICT);
    let token = revealing_token(&world).await;
    let available = Claimed { id, project: String::new(), connection: Value::Null };
    let (status, problem) = disclosed(&server, &token, &available).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let claimed = Claimed::by(&server, "ada").await;
    world.ledger.release(claimed.id.parse().unwrap(), &ledger::By::cli()).await.unwrap();
    let (status, problem) = disclosed(&server, &token, &claimed).await;
    assert_eq!(status, StatusCode::CONFLICT, "nor after it was given up: {problem}");
    let told = problem["detail"].as_str().unwrap();
    assert!(
        told.contains("this one is releasing. It will be deleted") && !told.contains("claims a database"),
        "{told}"
    );
    assert_eq!(number(&world, DISCLOSURES).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_credentials_with_a_scope_of_their_own_a_reason_and_an_event() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let database = Claimed::by(&server, "ada").await;
    let others = [Scope::Claim, Scope::Read, Scope::Manage];
    let manager = token::create(&world.ledger, &NewToken::new("manager", &others)).await.unwrap();
    assert_eq!(disclosed(&server, &manager, &database).await.0, StatusCode::FORBIDDEN, "no other scope includes it");
    let token = revealing_token(&world).await;
    for bad in [json!({}), json!({ "reason": "" }), json!({ "reason": "  x " }), json!({ "reason": null })] {
        let request = server.anonymous(Method::POST, &database.path("credentials")).bearer_auth(&token);
        assert_eq!(request.json(&bad).send().await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let (status, answer) = disclosed(&server, &token, &database).await;
    assert_eq!((status, &answer["connection"]), (StatusCode::OK, &database.connection), "{answer}");
    let event: Value = {
        let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
        let sql = "SELECT to_jsonb(e) FROM events AS e WHERE kind = 'database.credentials_disclosed'";
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    };
    assert_eq!(
        (&event["actor"], &event["via"], &event["reason"]),
        (&json!("desk"), &json!("api"), &json!("ticket 4711"))
    );
    assert_eq!(event["after"], json!({ "way": "credentials", "address": "127.0.0.1" }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_bound_to_pools_sees_the_credentials_of_no_other() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let other = NewPool {
        name: "other",
        region_id: "aws-us-east-1",
        pg_version: 17,
        birth_plan: "free",
        target: 0,
        is_default: false,
    };
    world.ledger.ensure_pool(&other).await.unwrap();
    let database = Claimed::by(&server, "ada").await;
    for (pool, expected) in [("other", StatusCode::FORBIDDEN), ("standard", StatusCode::OK)] {
        let bound = NewToken { pools: vec![String::from(pool)], ..NewToken::new(pool, &[Scope::Reveal]) };
        let token = token::create(&world.ledger, &bound).await.unwrap();
        assert_eq!(disclosed(&server, &token, &database).await.0, expected, "bound to {pool}");
    }
    assert_eq!(number(&world, DISCLOSURES).await, 1);
    server.stop().await;
}

/// A ledger of before, in which support had looked at databases that nobody had claimed yet.
#[tokio::test(flavor = "multi_thread")]
async fn databases_that_were_revealed_before_they_were_claimed_are_replaced_by_the_upgrade() {
    let (url, mut connection) = with_migrations_before(18).await;
    let rows = "INSERT INTO pools (name, region_id, pg_version, birth_plan, target) VALUES ('p', 'r', 17, 'free', 3);
        INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order)
        SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, pools.id, state::database_state, 'r', 17, 'name-' || n, 'project-' || n, '\\x00', n
        FROM pools, (VALUES (1, 'available'), (2, 'available'), (3, 'verifying')) AS rows (n, state);
        INSERT INTO events (kind, database_id, pool_id, actor, via, before, after)
        SELECT 'database.state', id, pool_id, 'provision', 'engine', '{\"state\": \"verifying\"}', '{\"state\": \"available\"}' FROM databases
        WHERE state = 'available';
        INSERT INTO events (kind, database_id, actor, via) SELECT 'database.revealed', id, 'sue@staff.example', 'console' FROM databases
        WHERE neon_project_id IN ('project-1', 'project-3')";
    connection.execute(rows).await.unwrap();

    let ledger = Ledger::connect(&url, 2).await.unwrap();
    ledger.migrate().await.unwrap();
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state::text FROM databases ORDER BY id").fetch_all(&mut connection).await.unwrap();
    assert_eq!(states, ["releasing", "available", "failed"]);
    let told: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events WHERE actor = 'migration' AND reason LIKE '%revealed%'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(told, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_reset_on_neon_is_noticed_and_the_new_one_told() {
    let world = World::with_pool(2).await;
    let server = world.serve().await;
    server.until_available(2).await;
    let database = Claimed::by(&server, "ada").await;
    let token = revealing_token(&world).await;
    let (_, first) = disclosed(&server, &token, &database).await;
    assert_eq!((&first["connection"], &first["changed_on_neon_at"]), (&database.connection, &Value::Null));
    assert!(first["verified_at"].is_string() && first.get("not_verified_because").is_none(), "{first}");

    let new = database.reset_on_neon(&world).await;
    let (status, second) = disclosed(&server, &token, &database).await;
    assert_eq!((status, &second["connection"]["password"]), (StatusCode::OK, &json!(new)), "{second}");
    assert!(second["changed_on_neon_at"].is_string(), "{second}");
    until("the new password opens the database", || connects(&second["connection"]["uri"])).await;
    assert!(!connects(&database.connection["uri"]).await, "the old one does not");
    let kept = server.get(&format!("/api/v1/databases/{}", database.id)).await;
    assert!(kept["credentials_changed_at"].is_string(), "{kept}");
    let cookie = server.sign_in(Role::Viewer).await;
    let page = format!("/databases/{}", database.id);
    let html =
        server.anonymous(Method::GET, &page).header(header::COOKIE, cookie).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("changed on Neon") && !html.contains(&new));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_claim_has_the_password_looked_after() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let database = Claimed::by(&server, "ada").await;
    let new = database.reset_on_neon(&world).await;
    let (status, repeated) = server.claim("ada").await;
    assert_eq!((status, &repeated["connection"]), (StatusCode::OK, &database.connection), "what is stored, at once");
    until("a repeated claim answers with the new password", || async {
        server.claim("ada").await.1["connection"]["password"] == json!(new)
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neon_cannot_confirm_is_told_as_it_is_stored_with_its_age_and_the_reason() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let database = Claimed::by(&server, "ada").await;
    let token = revealing_token(&world).await;
    for (status, word) in [(503, "not available"), (412, "does not store")] {
        world.emulator.faults().set(vec![Rule::new(Fault::status(status)).on("GET", REVEAL)]);
        let (answered, answer) = disclosed(&server, &token, &database).await;
        assert_eq!((answered, &answer["connection"]), (StatusCode::OK, &database.connection), "{answer}");
        assert!(answer["verified_at"].is_string(), "since when it was in the pool at least: {answer}");
        assert!(answer["not_verified_because"].as_str().unwrap().contains(word), "{answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_is_stored_and_the_old_one_stops_working() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let database = Claimed::by(&server, "ada").await;
    let token = revealing_token(&world).await;
    let rotate = async || {
        let answer =
            server.api(Method::POST, &database.path("rotate-password")).json(&json!({ "reason": "leaked" })).send();
        let answer = answer.await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (status, answer) = rotate().await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("done")), "{answer}");
    let (_, told) = disclosed(&server, &token, &database).await;
    assert_ne!(told["connection"]["password"], database.connection["password"]);
    assert_eq!(told["changed_on_neon_at"], Value::Null, "it was changed by Flotilla");
    until("the new password works", || connects(&told["connection"]["uri"])).await;
    until("the pooled one too", || connects(&told["connection"]["pooled_uri"])).await;
    assert!(!connects(&database.connection["uri"]).await);
    let unclaimed = number(&world, "SELECT count(*) FROM databases WHERE password_reset_wanted_at IS NOT NULL").await;
    assert_eq!(unclaimed, 0, "the request is done");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_the_new_password_is_found_and_not_made_once_more() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let database = Claimed::by(&server, "ada").await;
    world.emulator.faults().add(Rule::new(Fault::AnswerLost).on("POST", RESET).times(1));
    let answer = server.api(Method::POST, &database.path("rotate-password")).json(&json!({})).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    until("the rotation is done", || async {
        let read = server.get(&format!("/api/v1/databases/{}", database.id)).await;
        read["pending"] == json!(false)
    })
    .await;
    let token = revealing_token(&world).await;
    let (_, told) = disclosed(&server, &token, &database).await;
    let on_neon = database.password_on_neon(&world).await;
    assert_eq!(told["connection"]["password"], json!(on_neon));
    assert_ne!(database.connection["password"], json!(on_neon));
    assert_eq!(told["changed_on_neon_at"], Value::Null, "it is Flotilla's own, not somebody else's");
    assert_eq!(world.emulator.stats().count("POST", RESET), 1, "the owner's connections are cut once");
    server.stop().await;
}
