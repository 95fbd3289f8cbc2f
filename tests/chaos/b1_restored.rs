//! B1: the ledger is restored from a backup under a running Flotilla, after claims with and without a connection, writes, releases and creations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use engine::{Neon, NeonConfig, Repair};
use ledger::By;
use reqwest::{Method, StatusCode};
use secrets::Secrets;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep};

use crate::{
    backup::{copy, quick, restore},
    ledger::Behind,
    scenario::{Scenario, sized, within},
    support::{NEON_KEY, Server, World},
};

/// Between two claims in full size: ten minutes of them.
const PAUSE: Duration = Duration::from_secs(10);
/// Everything takes at most so long.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_restored_ledger_gives_nobody_what_another_held() {
    let (owners, target) = (sized(6, 60), sized(4, 20));
    let scenario = Scenario::begin("B1", format!("{owners} claims after the backup, pool of {target}"));
    let world = World::new(target, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    let behind = Behind::of(&world).await;
    let server = world.serve_with(quick()).await;
    server.until_available(target.into()).await;
    let mut held = BTreeMap::new();
    for owner in ["early-1", "early-2"] {
        held.insert(owner.to_owned(), claim(&server, owner).await);
    }
    server.until_available(target.into()).await;
    until_at_rest(&behind).await;
    copy(&world, "b1_backup").await;

    // The time that the backup knows nothing of.
    for number in 0..owners {
        let owner = format!("late-{number}");
        let claimed = claim(&server, &owner).await;
        if number % 2 == 0 {
            write(&claimed, &owner).await;
        }
        if number % 10 == 1 {
            release(&server, &claimed.database).await;
        } else {
            if number % 3 == 0 {
                buy_storage(&server, &claimed, (3 + i64::from(number)) << 30).await;
            }
            held.insert(owner, claimed);
        }
        sleep(sized(Duration::ZERO, PAUSE)).await;
    }
    buy_storage(&server, &held["early-1"], 2 << 30).await;
    let gone = held.remove("early-2").unwrap();
    release(&server, &gone.database).await;
    server.until_available(target.into()).await;
    until_at_rest(&behind).await;
    let on_neon: BTreeSet<String> = world.living_on_neon().await.into_iter().map(|project| project.id).collect();
    let deletions = || world.emulator.stats().count("DELETE", "/projects/{project_id}");
    let deleted_before = deletions();

    restore(&world, "b1_backup").await;
    let restored_at = Instant::now();
    let (mut refused, mut fresh) = (0, Vec::new());
    while fresh.len() < 3 {
        assert!(restored_at.elapsed() < SCENARIO_TIMEOUT, "claims do not go on");
        let owner = format!("new-{}", fresh.len());
        let (status, answer) = server.claim(&owner).await;
        match answer["database"]["neon_project_id"].as_str() {
            Some(project) => {
                assert!(!on_neon.contains(project), "{project}, which was there before the restore, went to {owner}");
                fresh.push(project.to_owned());
            }
            None => {
                assert!(!status.is_client_error(), "{status} {answer}");
                refused += usize::from(status == StatusCode::SERVICE_UNAVAILABLE);
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let open_after = restored_at.elapsed();
    assert!(refused > 0, "nothing was held back while it was not clear who writes the mark");
    let status = world.ledger.status().await.unwrap();
    assert!(status.problems.iter().any(|one| one.text.contains("Safe mode")), "{:?}", status.problems);

    let repair = repair(&world);
    let dry = repair.run(false, &By::cli()).await.unwrap();
    let done = repair.run(true, &By::cli()).await.unwrap();
    assert_eq!((dry.given_back.len(), dry.rebuilt.len()), (done.given_back.len(), done.rebuilt.len()), "{dry:#?}");
    // One of them is in the backup.
    assert_eq!(done.given_back.len() + done.rebuilt.len(), held.len() - 1, "{done:#?}");
    assert!(done.decisions.iter().any(|line| line.contains("early-2")), "{:#?}", done.decisions);
    assert!(done.quotas.len() == 1 && done.quotas[0].contains("early-1"), "{:#?}", done.quotas);
    for (owner, claimed) in &held {
        let (status, again) = server.claim(owner).await;
        assert_eq!(
            again["database"]["neon_project_id"], claimed.project,
            "{owner} does not hold what they held: {status} {again}"
        );
        let quota = server.get(&format!("/api/v1/databases/{}", claimed.database)).await["quota"].clone();
        assert_eq!(quota["logical_size_bytes"], claimed.storage(), "{owner} has not the quota that they had: {quota}");
        let mut connection = PgConnection::connect(&claimed.uri).await.unwrap();
        if claimed.has_written() {
            let text: String = sqlx::query_scalar("SELECT text FROM letters").fetch_one(&mut connection).await.unwrap();
            assert_eq!(&text, owner);
        }
        connection.close().await.unwrap();
    }
    assert_eq!(deletions(), deleted_before, "something was deleted before a person had looked");
    world.ledger.end_safe_mode(&By::cli()).await.unwrap();
    until_at_rest(&behind).await;
    let on_neon = world.emulator.inventory().await.unwrap();
    for (owner, claimed) in &held {
        let quota = on_neon.iter().find(|project| project.id == claimed.project).unwrap().quota;
        assert_eq!(quota.and_then(|quota| quota.logical_size_bytes), Some(claimed.storage()), "{owner}, on Neon");
    }
    let nothing_more = repair.run(true, &By::cli()).await.unwrap();
    assert_eq!((nothing_more.given_back.len(), nothing_more.rebuilt.len(), nothing_more.quotas.len()), (0, 0, 0));
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    let (given_back, rebuilt, unused) = (done.given_back.len(), done.rebuilt.len(), done.unused);
    server.stop().await;
    scenario.passed(format!(
        "{given_back} given back, {rebuilt} rebuilt, {unused} unused withheld; {refused} claims told to come back, the first new one after {:.1} s; 0 deletions",
        open_after.as_secs_f64()
    ));
}

/// What an owner was told.
struct Claimed {
    database: String,
    project: String,
    uri: String,
    written: AtomicBool,
    /// The storage quota.
    storage: AtomicI64,
}

impl Claimed {
    fn has_written(&self) -> bool {
        self.written.load(Ordering::SeqCst)
    }

    fn storage(&self) -> i64 {
        self.storage.load(Ordering::SeqCst)
    }
}

/// Until served: the connection is the owner's then.
async fn claim(server: &Server, owner: &str) -> Claimed {
    let end = Instant::now() + SCENARIO_TIMEOUT;
    loop {
        let (status, answer) = server.claim(owner).await;
        if let Some(uri) = answer["connection"]["uri"].as_str() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            return Claimed {
                database: text(&answer["database"]["id"]),
                project: text(&answer["database"]["neon_project_id"]),
                uri: uri.to_owned(),
                written: false.into(),
                storage: (512 << 20).into(),
            };
        }
        assert!(Instant::now() < end, "{owner}: {status} {answer}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn write(claimed: &Claimed, owner: &str) {
    let mut connection = PgConnection::connect(&claimed.uri).await.unwrap();
    connection.execute("CREATE TABLE letters (text text)").await.unwrap();
    sqlx::query("INSERT INTO letters VALUES ($1)").bind(owner).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    claimed.written.store(true, Ordering::SeqCst);
}

async fn buy_storage(server: &Server, claimed: &Claimed, bytes: i64) {
    let path = format!("/api/v1/databases/{}/quota", claimed.database);
    let body = json!({ "logical_size_bytes": bytes, "reason": "bought" });
    within(SCENARIO_TIMEOUT, "the quota is taken", || async {
        let status = server.api(Method::PATCH, &path).json(&body).send().await.unwrap().status();
        assert!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
        status.is_success()
    })
    .await;
    claimed.storage.store(bytes, Ordering::SeqCst);
}

/// As a client does that is told to come back: the backup has cut the ledger's connections.
async fn release(server: &Server, database: &str) {
    let path = format!("/api/v1/databases/{database}/release");
    within(SCENARIO_TIMEOUT, "the release is taken", || async {
        let status = server.api(Method::POST, &path).json(&json!({})).send().await.unwrap().status();
        assert!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
        status.is_success()
    })
    .await;
}

async fn until_at_rest(behind: &Behind) {
    within(SCENARIO_TIMEOUT, "nothing is under way", || async { behind.restless().await.is_empty() }).await;
}

fn repair(world: &World) -> Repair {
    let mut neon = NeonConfig::new(&world.neon_url, NEON_KEY.into());
    neon.org_id = Some(String::from(neon_emulator::DEFAULT_ORG));
    let secrets = Secrets::from_keys(&world.secret_key, &[""; 0]).unwrap();
    Repair { ledger: world.ledger.clone(), neon: Neon::new(neon).unwrap(), secrets: Arc::new(secrets) }
}
