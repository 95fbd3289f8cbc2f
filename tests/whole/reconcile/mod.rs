//! Reconcile against the emulated Neon: what comes apart is found, named and mended, and nothing is deleted by mistake.

mod brake;
mod drift;
mod ghosts;
mod half_born;
mod orphans;

use std::time::Duration;

use engine::EngineSettings;
use fleet_types::{Finding, FindingKind, FindingStatus};
use ledger::FindingRules;
use reqwest::{Method, StatusCode, header};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::support::{Server, World, until};

/// As in production, but for the times: an hour is a second.
fn hasty() -> EngineSettings {
    let standard = EngineSettings::default();
    EngineSettings {
        sweep_rest: Duration::from_millis(100),
        findings: FindingRules {
            quarantine: 1.0,
            grace: 0.05,
            drift_settles: 0.05,
            stuck_after: 600.0,
            own_activity: 1.0,
            ..standard.findings
        },
        ..standard
    }
}

/// A name that this installation gives.
pub async fn our_name(world: &World) -> String {
    format!("flotilla-{}-{}", world.ledger.installation().await.unwrap().id, Uuid::now_v7())
}

pub async fn all(world: &World, kind: FindingKind) -> Vec<Finding> {
    let ids = "SELECT id FROM findings WHERE kind = $1 ORDER BY id";
    let ids: Vec<i64> =
        sqlx::query_scalar(ids).bind(kind.as_str()).fetch_all(&mut ledger_of(world).await).await.unwrap();
    let mut found = Vec::new();
    for id in ids {
        found.push(world.ledger.finding(id).await.unwrap());
    }
    found
}

/// The only finding of this kind about the project.
pub async fn about(world: &World, kind: FindingKind, project: &str) -> Option<Finding> {
    all(world, kind).await.into_iter().find(|finding| finding.project_id.as_deref() == Some(project))
}

async fn until_status(world: &World, kind: FindingKind, project: &str, status: FindingStatus) -> Finding {
    until(&format!("the {} is {}", kind.as_str(), status.as_str()), || async {
        about(world, kind, project).await.is_some_and(|finding| finding.status == status)
    })
    .await;
    about(world, kind, project).await.unwrap()
}

async fn lives(world: &World, project: &str) -> bool {
    world.emulator.inventory().await.unwrap().iter().any(|one| one.id == project && one.deleted_at.is_none())
}

/// Until so many more sweeps have ended, complete or not.
pub async fn sweeps_pass(world: &World, count: usize) {
    let ended = || async {
        world.ledger.sweeps(1_000).await.unwrap().iter().filter(|sweep| sweep.finished_at.is_some()).count()
    };
    let goal = ended().await + count;
    until("more sweeps have ended", || async { ended().await >= goal }).await;
}

fn deletions(world: &World) -> u64 {
    world.emulator.stats().count("DELETE", "/projects/{project_id}")
}

/// Sends a form of the console as this operator.
pub async fn decide(server: &Server, cookie: &str, action: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
    let answer = server
        .anonymous(Method::POST, &format!("/rpc/{action}"))
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "application/json")
        .form(form)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

pub async fn page(server: &Server, cookie: &str, path: &str) -> String {
    let answer = server.anonymous(Method::GET, path).header(header::COOKIE, cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

async fn ledger_of(world: &World) -> PgConnection {
    PgConnection::connect(&world.database_url).await.unwrap()
}
