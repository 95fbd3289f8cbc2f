//! A change of the key that seals credentials: no claim is lost, everything is sealed anew, and the earlier key can go. And how credentials end.

use std::process::{Command, Output};

use ledger::{By, HeldKeys, Ledger, MissingKey, Registration, Resealed};
use reqwest::{Method, StatusCode, header};
use secrets::Secrets;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use fleet_types::{KeyStatus, Role};

use crate::{
    older_ledger::with_migrations_before,
    support::{NEON_KEY, Server, World, until},
};

async fn number(world: &World, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

async fn run(world: &World, sql: &str) -> u64 {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

fn id_of(key: &str) -> String {
    Secrets::from_keys(key, &[""; 0]).unwrap().sealing_key()
}

/// How many credentials this key seals.
async fn sealed_with(world: &World, key: &str) -> i64 {
    let report = world.ledger.key_report().await.unwrap();
    report.keys.iter().filter(|use_of| use_of.id == id_of(key)).map(|use_of| use_of.sealed).sum()
}

async fn status(world: &World, key: &str) -> Option<KeyStatus> {
    let report = world.ledger.key_report().await.unwrap();
    report.keys.iter().find(|use_of| use_of.id == id_of(key)).map(|use_of| report.status(use_of))
}

/// A claim that may wait for its database. Answers the connection.
async fn connection_for(server: &Server, owner: &str) -> Value {
    let body = json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") }, "wait_seconds": 30 });
    let (status, claim) = server.claim_with(body, None).await;
    assert!(status.is_success() && claim["status"] == "served", "{owner}: {status} {claim}");
    assert!(claim["connection"]["password"].is_string(), "{owner}: {claim}");
    claim["connection"].clone()
}

async fn connects(connection: &Value) -> bool {
    match PgConnection::connect(connection["uri"].as_str().unwrap()).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

/// The command with the settings of a server of this world. Answers the exit code, what it printed and what it remarked.
async fn flotilla(world: &World, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(arguments).env_clear().env("DATABASE_URL", &world.database_url).env("NEON_API_KEY", NEON_KEY);
    command.env("NEON_API_HOST", &world.neon_url).env("FLOTILLA_SECRET_KEY", &world.secret_key);
    command.env("FLOTILLA_PREVIOUS_SECRET_KEYS", world.previous_keys.join(",")).envs(more.iter().copied());
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_with_a_new_key_loses_no_claim_and_the_old_key_can_go() {
    let mut world = World::with_pool(3).await;
    let (old, new) = (world.secret_key.clone(), Secrets::generate_key());
    let one = world.serve().await;
    one.until_available(3).await;
    let first = connection_for(&one, "first").await;

    world.secret_key = new.clone();
    world.previous_keys = vec![old.clone()];
    let two = world.serve().await;
    for turn in 0..4 {
        let (at_one, at_two) = (format!("one-{turn}"), format!("two-{turn}"));
        tokio::join!(connection_for(&one, &at_one), connection_for(&two, &at_two));
    }
    assert_eq!(sealed_with(&world, &new).await, 0, "one server could not open it");
    assert_eq!(status(&world, &new).await, Some(KeyStatus::Awaited));
    let (code, _, words) = flotilla(&world, &["key", "list"], &[]).await;
    assert_eq!(code, Some(0), "{words}");

    one.stop().await;
    let during = connection_for(&two, "during").await;
    until("everything is sealed with the new key", || async {
        sealed_with(&world, &old).await == 0 && sealed_with(&world, &new).await > 8
    })
    .await;
    assert_eq!(status(&world, &old).await, Some(KeyStatus::MayGo));
    let (_, list, _) = flotilla(&world, &["key", "list"], &[]).await;
    let line = list.lines().find(|line| line.starts_with(&id_of(&old))).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains("previous") && line.contains("take it out of FLOTILLA_PREVIOUS_SECRET_KEYS"), "{list}");
    two.stop().await;

    world.previous_keys.clear();
    let three = world.serve().await;
    for (owner, connection) in [("first", first), ("during", during)] {
        assert_eq!(connection_for(&three, owner).await, connection, "{owner}: told again as it was");
        assert!(connects(&connection).await, "{owner}");
    }
    three.stop().await;
    world.secret_key = old;
    let (code, _, words) = flotilla(&world, &["engine"], &[]).await;
    assert!(code == Some(2) && words.contains(&format!("whose id is {}", id_of(&new))), "{words}");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_anew_is_seen_while_claims_go_on() {
    let mut world = World::with_pool(0).await;
    world.stock(8_000).await;
    let old = std::mem::replace(&mut world.secret_key, Secrets::generate_key());
    world.previous_keys = vec![old.clone()];
    let server = world.serve().await;
    let (mut claimed, mut during) = (0, 0);
    while claimed < 20 || sealed_with(&world, &old).await > 0 {
        let (status, claim) = server.claim(&format!("owner-{claimed}")).await;
        assert_eq!((status, &claim["connection"]["password"]), (StatusCode::CREATED, &json!("p")), "{claim}");
        claimed += 1;
        let anew = sealed_with(&world, &world.secret_key).await;
        during += usize::from(0 < anew && anew < 8_000);
    }
    assert!(during > 0, "none of {claimed} claims was answered meanwhile");
    assert_eq!(sealed_with(&world, &world.secret_key).await, 8_000);
    let scrape = server.api(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let series = format!("flotilla_sealed_credentials{{current=\"1\",key=\"{}\"}} 8000", id_of(&world.secret_key));
    assert!(scrape.contains(&series), "{series}");
    let cookie = server.sign_in(Role::Viewer).await;
    let page = server.anonymous(Method::GET, "/engine").header(header::COOKIE, cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    for shown in [&id_of(&old), &id_of(&world.secret_key), "8,000", "Seals everything new", "Seals nothing any more"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert_eq!(world.ledger.violations().await.unwrap(), [], "the counters of the keys among them");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_it_was_read_is_not_sealed_anew() {
    let mut world = World::with_pool(0).await;
    world.stock(2).await;
    let old = std::mem::replace(&mut world.secret_key, Secrets::generate_key());
    let secrets = Secrets::from_keys(&world.secret_key, std::slice::from_ref(&old)).unwrap();
    let rows = world.ledger.sealed_behind(Uuid::nil(), &[id_of(&old)], 10).await.unwrap();
    let resealed: Vec<Resealed> = rows
        .into_iter()
        .map(|row| {
            let was = row.sealed.unwrap();
            Resealed { id: row.id, sealed: secrets.reseal(row.id, &was).unwrap(), was }
        })
        .collect();
    // Meanwhile the password of the first was rotated.
    let rotated =
        format!("UPDATE databases SET sealed_credentials = '\\x01aaaaaaaabb' WHERE id = '{}'", resealed[0].id);
    assert_eq!(run(&world, &rotated).await, 1);
    assert_eq!(world.ledger.record_resealed(&resealed).await.unwrap(), 1, "the other one");
    assert_eq!(world.ledger.record_resealed(&resealed).await.unwrap(), 0, "a second time changes nothing");
    let kept = "SELECT count(*) FROM databases WHERE sealed_credentials = '\\x01aaaaaaaabb'";
    assert_eq!(number(&world, kept).await, 1, "the new password stands");
    let report = world.ledger.key_report().await.unwrap();
    let counts: Vec<(&str, i64)> = report.keys.iter().map(|key| (key.id.as_str(), key.sealed)).collect();
    let (new_id, mut expected) = (id_of(&world.secret_key), vec![("aaaaaaaa", 1)]);
    expected.push((new_id.as_str(), 1));
    expected.sort_unstable();
    assert_eq!(counts, expected);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_a_key_that_is_lacking_is_found_among_thousands() {
    let mut world = World::with_pool(0).await;
    let (common, rare) = (world.secret_key.clone(), Secrets::generate_key());
    world.stock(1_200).await;
    world.secret_key = rare.clone();
    world.stock(1).await;
    world.secret_key = common;
    world.stock(1_200).await;
    let (code, _, words) = flotilla(&world, &["engine"], &[]).await;
    assert!(code == Some(2) && words.contains(&format!("{} (1 credentials)", id_of(&rare))), "{words}");
    let lost = id_of(&rare);
    for accepted in [("FLOTILLA_PREVIOUS_SECRET_KEYS", rare.as_str()), ("FLOTILLA_LOST_SECRET_KEYS", &lost)] {
        let (code, _, words) = flotilla(&world, &["ledger", "repair"], &[accepted]).await;
        assert_eq!(code, Some(0), "{words}");
    }
    let (_, list, _) = flotilla(&world, &["key", "list", "--json"], &[]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let sealed: Vec<i64> = list["keys"].as_array().unwrap().iter().map(|key| key["sealed"].as_i64().unwrap()).collect();
    assert_eq!(sealed, [2_400, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_changes_when_all_have_it_and_nobody_starts_without_what_is_in_use() {
    let world = World::with_pool(0).await;
    let keys = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let (one, two, three) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let register = async |replica, holds: &[&str], lost: &[&str]| {
        world.ledger.register_keys(replica, &keys(holds), &keys(lost)).await.unwrap()
    };
    let renew = async |replica, holds: &[&str], seals_with: &str| {
        world.ledger.renew_keys(&HeldKeys { replica, holds: &keys(holds), seals_with }).await.unwrap().unwrap()
    };
    let seals_with = |key: &str| Registration::SealsWith(key.to_owned());
    let missing = |key: &str| Registration::Missing(vec![MissingKey { id: key.to_owned(), sealed: 0 }]);

    assert_eq!(register(one, &["old"], &[]).await, seals_with("old"));
    assert_eq!(register(two, &["new"], &[]).await, missing("old"), "nothing is sealed yet, but the first is about to");
    assert_eq!(register(two, &["new", "old"], &[]).await, seals_with("old"));
    assert_eq!(renew(two, &["new", "old"], "old").await, "old", "the first could not open it");
    // Both hold both, and differ in which is the first: as with a change that is being taken back.
    assert_eq!(renew(one, &["old", "new"], "old").await, "old");
    assert_eq!(renew(two, &["new", "old"], "old").await, "old");
    assert_eq!(renew(one, &["new", "old"], "old").await, "new");
    assert_eq!(
        register(three, &["new"], &[]).await,
        missing("old"),
        "the others do not know yet that the new one seals"
    );
    let stand = world.ledger.resealing(&keys(&["new", "old"])).await.unwrap().unwrap();
    assert!(!stand.is_settled && stand.sealing_key == "new", "so nothing is sealed anew yet");
    renew(one, &["new", "old"], "new").await;
    renew(two, &["new", "old"], "new").await;
    assert!(world.ledger.resealing(&keys(&["new"])).await.unwrap().unwrap().is_settled);
    assert_eq!(register(three, &["new"], &[]).await, seals_with("new"));
    assert_eq!(register(Uuid::now_v7(), &["other"], &[]).await, missing("new"));

    // Who was killed counts for a minute.
    world.ledger.unregister_keys(two).await.unwrap();
    world.ledger.unregister_keys(three).await.unwrap();
    assert_eq!(renew(two, &["next", "new"], "new").await, "new");
    assert_eq!(
        run(&world, "UPDATE key_holders SET told_at = now() - interval '61 seconds' WHERE holds[1] = 'new'").await,
        1
    );
    assert_eq!(renew(two, &["next", "new"], "new").await, "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_erased_when_a_deleted_database_cannot_be_taken_back_any_more() {
    let world = World::with_pool(2).await;
    let server = world.serve().await;
    server.until_available(2).await;
    let (_, claim) = server.claim("ada").await;
    let (id, password) = (claim["database"]["id"].as_str().unwrap(), claim["connection"]["password"].as_str().unwrap());
    let unclaimed =
        server.get("/api/v1/databases?state=available").await["items"][0]["id"].as_str().unwrap().to_owned();
    for id in [id, unclaimed.as_str()] {
        world.ledger.release(id.parse().unwrap(), &By::cli()).await.unwrap();
    }
    let is = async |id: &str, what: &str| {
        number(&world, &format!("SELECT count(*) FROM databases WHERE id = '{id}' AND state = 'deleted' AND {what}"))
            .await
            == 1
    };
    until("what nobody held is deleted, and its credentials with it", || is(&unclaimed, "sealed_credentials IS NULL"))
        .await;
    until("the owner's is deleted", || is(id, "true")).await;
    assert!(is(id, "sealed_credentials IS NOT NULL").await, "it can be taken back for 7 days");

    // Somebody has recovered it on Neon, and nobody has decided yet.
    let finding = format!(
        "INSERT INTO findings (kind, status, subject, database_id, first_sweep, last_sweep, evidence) VALUES ('zombie', 'needs_operator', 'x', '{id}', 1, 1, '{{}}')"
    );
    run(&world, &finding).await;
    let age = format!("UPDATE databases SET deleted_at = now() - interval '8 days 1 minute' WHERE id = '{id}'");
    run(&world, &age).await;
    let erased = world.ledger.erase_credentials(10, &By::cli()).await.unwrap();
    assert!(erased == 0 && is(id, "sealed_credentials IS NOT NULL").await, "a person decides first");
    run(&world, "UPDATE findings SET status = 'ignored' WHERE subject = 'x'").await;
    until("they are erased", || is(id, "sealed_credentials IS NULL")).await;
    let told = format!(
        "SELECT count(*) FROM events WHERE database_id = '{id}' AND kind = 'database.credentials_erased' AND actor = 'seal'"
    );
    assert_eq!(number(&world, &told).await, 1);
    let leaked = format!("SELECT count(*) FROM events AS e WHERE to_jsonb(e)::text LIKE '%{password}%'");
    assert_eq!(number(&world, &leaked).await, 0, "nor does the history have them");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

/// A ledger of before, with credentials in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_each_key_seals_is_known_after_the_upgrade() {
    let (url, mut connection) = with_migrations_before(26).await;
    let rows = "INSERT INTO pools (name, region_id, pg_version, birth_plan, target) VALUES ('p', 'r', 17, 'free', 3);
        INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order)
        SELECT gen_random_uuid(), pools.id, 'available', 'r', 17, 'name-' || n, 'project-' || n, decode(sealed, 'hex'), n
        FROM pools, (VALUES (1, '01aabbccdd00'), (2, '01aabbccdd00'), (3, '01112233440011'), (4, '00')) AS rows (n, sealed)";
    connection.execute(rows).await.unwrap();

    let ledger = Ledger::connect(&url, 2).await.unwrap();
    ledger.migrate().await.unwrap();
    let report = ledger.key_report().await.unwrap();
    let counts: Vec<(&str, i64)> = report.keys.iter().map(|key| (key.id.as_str(), key.sealed)).collect();
    assert_eq!(counts, [("aabbccdd", 2), ("11223344", 1)]);
    connection.execute("DELETE FROM databases WHERE neon_project_name IN ('name-1', 'name-4')").await.unwrap();
    assert_eq!(ledger.key_report().await.unwrap().sealed(), 2);
    ledger.roll_up().await.unwrap();
    assert_eq!(ledger.key_report().await.unwrap().sealed(), 2, "rolled up as well");
}
