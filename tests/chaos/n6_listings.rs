//! N6: a list of Neon that misses projects, or shows projects that nobody here has made. Neither may cost anybody a database.

use std::{collections::BTreeSet, time::Duration};

use engine::{Doctor, Extent, Neon, NeonConfig};
use fleet_types::{Check, CheckVerdict};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    background::SWEEPS,
    gateway::Gateway,
    ledger::Behind,
    scenario::{Scenario, sized},
    support::{NEON_KEY, World, until},
};

/// One project in so many is missing from the list.
const ONE_IN: usize = 20;
/// Two turns of the duty.
const RECONCILED_AFTER: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn n6_a_list_that_is_wrong_deletes_nothing() {
    let count = sized(40, 400);
    let scenario = Scenario::begin("N6", format!("{count} databases, 5 % missing from the list, 2 foreign projects"));
    let mut world = World::new(count, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    let gateway = Gateway::before(&world.emulator.api_url()).await;
    world.neon_url = gateway.url.clone();
    world.calls_per_minute = 10_000;
    let server = world.serve().await;
    server.until_available(count.into()).await;
    server.stop().await;
    let foreign =
        [create(&world, "somebody-elses").await, create(&world, &format!("flotilla-{}", Uuid::now_v7())).await];
    let before = truth(&world).await;
    let behind = Behind::of(&world).await;

    miss_projects(&gateway);
    // A replica that starts sweeps at once, so two of them are two sweeps.
    for _ in 0..2 {
        let before = behind.number(SWEEPS).await;
        let server = world.serve().await;
        until_swept(&behind, before).await;
        server.stop().await;
    }
    assert_eq!(truth(&world).await, before, "every project is still there");
    assert_eq!(deletions(&world), 0, "Neon was asked to delete something");
    let sql = "SELECT count(*) FROM databases WHERE state = 'available'";
    assert_eq!(behind.number(sql).await, i64::from(count), "every row is still available");
    judged(&behind, &foreign).await;

    // The doctor, too, sees the same wrong list, and is not taken in: what a list misses is asked for by its id.
    let check = compared(&world).await;
    assert_eq!(check.verdict, CheckVerdict::Violated, "{check:?}");
    assert_eq!(check.evidence.len(), 1, "{check:?}");
    assert!(check.evidence[0].starts_with("orphan") && check.evidence[0].contains(&foreign[1]), "{check:?}");
    // A page that says itself that it is not whole proves nothing.
    gateway.edit(|_, path, list| {
        if path == "/projects" && list["projects"].is_array() {
            list["projects"] = json!([]);
            list["unavailable_project_ids"] = json!(["quiet-sea-1"]);
        }
    });
    let check = compared(&world).await;
    assert_eq!((check.verdict, check.evidence.len()), (CheckVerdict::Unknown, 0), "{check:?}");
    assert!(check.violated_since.is_some(), "what was broken before is not mended by not knowing");
    scenario.passed(format!(
        "{} projects before and after, 0 deletions, every ghost taken back; the doctor names the orphan alone",
        before.len()
    ));
}

/// What reconciliation made of it: suspicions, taken back where the next list showed the project; of the foreign ones, only what bears our kind of name waits
/// for its hour.
async fn judged(behind: &Behind, foreign: &[String; 2]) {
    let ghosts = "SELECT count(*) FROM findings WHERE kind = 'ghost'";
    assert!(behind.number(ghosts).await > 0, "no list has missed anything");
    let confirmed = "SELECT count(*) FROM findings WHERE kind = 'ghost' AND (status NOT IN ('suspected', 'resolved') OR resolution <> 'gone')";
    assert_eq!(behind.number(confirmed).await, 0, "one list proves nothing");
    let others = "SELECT kind || ' ' || project_id FROM findings WHERE kind <> 'ghost' ORDER BY kind";
    assert_eq!(behind.texts(others).await, [format!("orphan {}", foreign[1]), format!("stray {}", foreign[0])]);
    let early = "SELECT count(*) FROM findings WHERE action_due_at < now() + interval '50 minutes'";
    assert_eq!(behind.number(early).await, 0, "nothing is due before an hour has passed");
}

/// From now on, lists miss one project in twenty: another one each time.
fn miss_projects(gateway: &Gateway) {
    let mut seen = 0;
    gateway.edit(move |_, path, list| {
        if path == "/projects"
            && let Some(projects) = list["projects"].as_array_mut()
        {
            projects.retain(|_| {
                seen += 1;
                seen % ONE_IN != 0
            });
        }
    });
}

/// Until one more sweep is complete, and reconciliation has had its turn after it.
async fn until_swept(behind: &Behind, before: i64) {
    until("the fleet is swept", || async { behind.number(SWEEPS).await > before }).await;
    sleep(RECONCILED_AFTER).await;
}

async fn create(world: &World, name: &str) -> String {
    let body = json!({ "project": { "name": name, "region_id": "aws-us-east-1", "pg_version": 17 } });
    let request =
        Client::new().post(format!("{}/projects", world.emulator.api_url())).bearer_auth(NEON_KEY).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["project"]["id"].as_str().unwrap().to_owned()
}

async fn truth(world: &World) -> BTreeSet<String> {
    world.living_on_neon().await.into_iter().map(|project| project.id).collect()
}

fn deletions(world: &World) -> u64 {
    world.emulator.stats().count("DELETE", "/projects/{project_id}")
}

async fn compared(world: &World) -> Check {
    let neon = Neon::new(NeonConfig::new(&world.neon_url, NEON_KEY.into())).unwrap();
    let found = Doctor::new(world.ledger.clone()).examine(Extent::WithNeon(neon), "test").await.unwrap();
    found.checks.into_iter().find(|check| check.name == "neon-agrees").unwrap()
}
