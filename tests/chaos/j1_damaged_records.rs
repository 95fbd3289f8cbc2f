//! J1: one record in a hundred of Neon's answers is damaged, cursors lead back, a list never ends. Everything else goes on, nothing is deleted, nothing is
//! concluded from what cannot be read, and the damaged records are named.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use engine::EngineSettings;
use fleet_types::CheckVerdict;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    gateway::Gateway,
    ledger::Behind,
    scenario::{Scenario, sized, within},
    support::World,
};

const SCENARIO_TIMEOUT: Duration = Duration::from_secs(600);
const ONE_IN: usize = 100;
/// Of the ends of lists, one in so many leads back to the page before, and one begins a round without end.
const ONE_END_IN: usize = 4;
const ENDED: &str = "SELECT count(*) FROM sweeps WHERE finished_at IS NOT NULL";

/// What the gateway has done.
#[derive(Default)]
struct Damage {
    records: usize,
    ends: usize,
    /// This list does not end.
    is_endless: bool,
    /// Of those whose id can be read.
    named: BTreeSet<String>,
    damaged: usize,
    led_back: usize,
    endless: usize,
    first_page: Option<Value>,
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_damaged_records_stop_nothing_and_prove_nothing() {
    let (count, sweeps) = sized((60, 25), (300, 300));
    let scenario = Scenario::begin(
        "J1",
        format!(
            "{count} databases, {sweeps} sweeps, 1 record in {ONE_IN} damaged, cursors that lead back, endless lists"
        ),
    );
    let mut world = World::new(count, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    let gateway = Gateway::before(&world.emulator.api_url()).await;
    world.neon_url = gateway.url.clone();
    world.calls_per_minute = 10_000;
    let server = world.serve().await;
    server.until_available(count.into()).await;
    server.stop().await;
    let behind = Behind::of(&world).await;
    behind.run("UPDATE databases SET observed_at = NULL, usage_due_at = now(), usage_rests_until = now()").await;
    behind.run("DELETE FROM findings").await;
    let ended_before = behind.number(ENDED).await;

    let damage = damage(&gateway);
    let quick = EngineSettings { sweep_rest: Duration::from_millis(100), ..EngineSettings::default() };
    let server = world.serve_with(quick).await;
    for owner in 0..5 {
        assert!(server.claim(&format!("owner-{owner}")).await.0.is_success());
    }
    server.until_available(count.into()).await;
    let first = server.get("/api/v1/databases?state=claimed").await["items"][0]["id"].as_str().unwrap().to_owned();
    let quota = json!({ "logical_size_bytes": 1_073_741_824, "reason": "a test" });
    let path = format!("/api/v1/databases/{first}/quota");
    assert!(server.api(Method::PATCH, &path).json(&quota).send().await.unwrap().status().is_success());
    let timeout = SCENARIO_TIMEOUT.max(Duration::from_secs(10) * sweeps);
    within(timeout, "enough sweeps have ended", || async {
        behind.number(ENDED).await >= ended_before + i64::from(sweeps)
    })
    .await;
    let unseen = "SELECT count(*) FROM databases WHERE state IN ('available', 'claimed') AND observed_at IS NULL";
    within(SCENARIO_TIMEOUT, "every database was seen", || async { behind.number(unseen).await == 0 }).await;
    let unapplied = "SELECT count(*) FROM databases WHERE state IN ('available', 'claimed') AND wanted_revision <> applied_revision";
    within(SCENARIO_TIMEOUT, "every change has arrived", || async { behind.number(unapplied).await == 0 }).await;

    assert_eq!(world.emulator.stats().count("DELETE", "/projects/{project_id}"), 0, "nothing was deleted");
    assert_eq!(
        behind.texts("SELECT kind || ' ' || subject FROM findings WHERE kind <> 'stray'").await,
        [""; 0],
        "nothing was concluded"
    );
    let ill = "SELECT count(*) FROM databases WHERE last_active_at > now() + interval '1 day' OR synthetic_size_bytes < 0 OR synthetic_size_bytes > 1000000000000000 OR used_written_bytes > 1000000000000000";
    assert_eq!(behind.number(ill).await, 0, "nothing damaged was written down");
    // Of the page that is read just now, the ledger may not know yet.
    let named = async || -> BTreeSet<String> {
        world.ledger.unreadable_records().await.unwrap().into_iter().map(|one| one.record).collect()
    };
    within(SCENARIO_TIMEOUT, "every damaged record is named", || async {
        let named = named().await;
        damage.lock().unwrap().named.is_subset(&named)
    })
    .await;
    let named = named().await;
    let (damaged, led_back, endless) = {
        let done = damage.lock().unwrap();
        (done.damaged, done.led_back, done.endless)
    };
    assert!(damaged > 0 && led_back > 0 && endless > 0, "{damaged} damaged, {led_back} led back, {endless} endless");
    let problems = server.state.ledger.status().await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.text.contains("of Neon cannot be read")), "{problems:?}");
    let page = console(&server).await;
    assert!(named.iter().take(3).all(|record| page.contains(record.as_str())), "the screen Engine names them");

    gateway.edit(|_, _, _| {});
    let complete = "SELECT count(*) FROM sweeps WHERE is_complete";
    let before = behind.number(complete).await;
    within(SCENARIO_TIMEOUT, "sweeps are complete again", || async { behind.number(complete).await >= before + 2 })
        .await;
    assert_eq!(behind.texts("SELECT kind || ' ' || subject FROM findings WHERE kind <> 'stray'").await, [""; 0]);
    server.state.engine.examine_now("test").await;
    within(SCENARIO_TIMEOUT, "the checks hold", || async {
        let found = world.ledger.last_examination().await.unwrap();
        found.is_some_and(|found| found.checks.iter().all(|check| check.verdict == CheckVerdict::Holds))
    })
    .await;
    world.assert_sound().await;
    server.stop().await;
    scenario.passed(format!(
        "{damaged} records damaged, {led_back} cursors led back, {endless} lists without end; 0 deletions, 0 findings, {} records named",
        named.len()
    ));
}

async fn console(server: &crate::support::Server) -> String {
    let cookie = server.sign_in(fleet_types::Role::Viewer).await;
    let request = server.anonymous(Method::GET, "/engine").header(reqwest::header::COOKIE, cookie);
    request.send().await.unwrap().text().await.unwrap()
}

fn damage(gateway: &Gateway) -> Arc<Mutex<Damage>> {
    let damage = Arc::new(Mutex::new(Damage::default()));
    let done = damage.clone();
    gateway.edit(move |method, path, answer| {
        let mut done = done.lock().unwrap();
        match (method, path) {
            (&Method::GET, "/projects") => damage_list(&mut done, answer),
            (&Method::GET, path) if path.starts_with("/consumption_history") => damage_history(&mut done, answer),
            _ => {}
        }
    });
    damage
}

fn damage_list(done: &mut Damage, answer: &mut Value) {
    let Some(projects) = answer["projects"].as_array_mut() else { return };
    if projects.len() <= 1 {
        // A search for one, or the end of the list.
        if projects.is_empty() {
            begin_anew(done, answer);
        }
        return;
    }
    if done.first_page.as_ref().is_none_or(|page| page["projects"].as_array().unwrap().len() <= projects.len()) {
        done.is_endless = false;
    }
    for project in projects.iter_mut() {
        done.records += 1;
        if done.records.is_multiple_of(ONE_IN) {
            let id = project["id"].as_str().unwrap_or_default().to_owned();
            if damage_project(done.records / ONE_IN, project) {
                done.named.insert(id);
            }
            done.damaged += 1;
        }
    }
    if !done.is_endless {
        done.first_page = Some(answer.clone());
    }
}

/// In place of the end: the page that was there before, with its own cursor, or with one that leads into the middle of the list.
fn begin_anew(done: &mut Damage, answer: &mut Value) {
    done.ends += 1;
    let Some(page) = done.first_page.clone() else { return };
    match done.ends % ONE_END_IN {
        1 => done.led_back += 1,
        2 => done.is_endless = true,
        _ if done.is_endless => {}
        _ => return,
    }
    *answer = page;
    if done.is_endless {
        done.endless += 1;
        let ids: Vec<Value> =
            answer["projects"].as_array().unwrap().iter().map(|project| project["id"].clone()).collect();
        answer["pagination"] = json!({ "cursor": ids[done.endless % ids.len()].as_str().unwrap_or("nowhere-1") });
    }
}

/// Whether its id can still be read.
fn damage_project(kind: usize, project: &mut Value) -> bool {
    match kind % 12 {
        0 => project["synthetic_storage_size"] = json!(u64::MAX),
        1 => project["compute_last_active_at"] = json!("99999-01-01T00:00:00Z"),
        2 => project["id"] = json!(42),
        3 => project["pg_version"] = json!("seventeen"),
        4 => project["settings"] = json!({ "quota": { "logical_size_bytes": -1 } }),
        5 => project["name"] = json!("a\u{0}b"),
        6 => project["compute_last_active_at"] = json!("9999-12-31T23:59:59Z"),
        7 => *project = Value::Null,
        8 => project["synthetic_storage_size"] = json!(-5),
        9 => project["settings"] = json!("none"),
        10 => project["id"] = json!("../../projects"),
        _ => project["created_at"] = json!(0),
    }
    !matches!(kind % 12, 2 | 7 | 10)
}

fn damage_history(done: &mut Damage, answer: &mut Value) {
    for project in answer["projects"].as_array_mut().into_iter().flatten() {
        done.records += 1;
        if done.records.is_multiple_of(ONE_IN) {
            done.damaged += 1;
            done.named.extend(project["project_id"].as_str().map(str::to_owned));
            project["periods"] =
                json!([{ "period_start": "2026-01-01T00:00:00Z", "consumption": [{ "timeframe_start": 7 }] }]);
        }
    }
}
