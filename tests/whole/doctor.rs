//! The doctor: each invariant is broken on purpose, and it must say which, with what, and since when.

use std::process::{Command, Output};

use engine::{Doctor, Extent};
use fleet_types::{CheckVerdict, Examination, Role};
use ledger::Invariant;
use reqwest::{Method, header};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Server, World};

/// Breaks everything that the ledger can check, in one session that no trigger sees.
const BREAK_EVERYTHING: &str = r#"
SET session_replication_role = replica;
ALTER TABLE databases DROP CONSTRAINT databases_neon_project_id_key;
UPDATE databases SET neon_project_id = 'shared-1' WHERE state = 'available';
UPDATE claims SET released_at = now();
UPDATE owners SET plan = 'pro';
INSERT INTO events (kind, database_id, actor, via, before, after)
SELECT 'database.state', id, 'somebody', 'cli', '{"state": "claimed"}', '{"state": "available"}' FROM databases WHERE state = 'available' LIMIT 1;
UPDATE databases SET origin = 'pool' WHERE state = 'claimed';
INSERT INTO state_deltas SELECT id, 'failed', 7 FROM pools;
UPDATE databases SET last_error = 'no answer from postgresql://u:secret@h/db' WHERE state = 'claimed';
"#;

async fn examined(world: &World) -> Examination {
    Doctor::new(world.ledger.clone()).examine(Extent::LedgerOnly, "test").await.unwrap()
}

async fn tamper(world: &World, sql: &'static str) {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    connection.execute(sql).await.unwrap();
}

async fn with_a_claim(world: &World) -> Server {
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    server.claim("ada").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_invariant_is_named_with_its_evidence_and_since_when() {
    let world = World::with_pool(0).await;
    let server = with_a_claim(&world).await;
    let before = examined(&world).await;
    assert_eq!(before.verdict(), CheckVerdict::Holds, "{before:?}");
    assert_eq!(before.checks.len(), Invariant::ALL.len());

    tamper(&world, BREAK_EVERYTHING).await;
    let broken = examined(&world).await;
    let evidence = [
        "shared-1",
        "0 live claims",
        "its owner pro",
        "event",
        "told",
        "rolled up 7",
        "database",
        "databases_neon_project_id_key",
    ];
    for (check, word) in broken.checks.iter().zip(evidence) {
        assert_eq!(check.verdict, CheckVerdict::Violated, "{check:?}");
        assert!(check.evidence.iter().any(|text| text.contains(word)), "{word}: {check:?}");
        assert_eq!(check.violated_since, Some(check.checked_at));
    }

    tamper(&world, "DELETE FROM state_deltas WHERE delta = 7").await;
    let later = examined(&world).await;
    for (check, first) in later.checks.iter().zip(&broken.checks) {
        let (verdict, since) = match check.name.as_str() {
            "counts-agree" => (CheckVerdict::Holds, None),
            _ => (CheckVerdict::Violated, first.violated_since),
        };
        assert_eq!((check.verdict, check.violated_since), (verdict, since), "{}", check.name);
    }

    let cookie = server.sign_in(Role::Viewer).await;
    let page = server.anonymous(Method::GET, "/engine").header(header::COOKIE, cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    for text in ["Every change of state has exactly one event.", "violated", "Violated since", "shared-1"] {
        assert!(page.contains(text), "the screen lacks {text}");
    }
    let strip = world.ledger.status().await.unwrap();
    assert!(strip.problems.iter().any(|problem| problem.text.contains("What must always hold")), "{strip:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_healthy_violated_and_unknown_apart() {
    let world = World::with_pool(0).await;
    let server = with_a_claim(&world).await;
    let healthy = doctor(&world, &["--no-neon", "--json"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", String::from_utf8_lossy(&healthy.stderr));
    let found: Value = serde_json::from_slice(&healthy.stdout).unwrap();
    assert_eq!(found["checks"][0]["verdict"], "holds");

    let without_a_key = doctor(&world, &[]);
    assert_eq!(without_a_key.status.code(), Some(2));
    let text = String::from_utf8_lossy(&without_a_key.stdout).into_owned();
    assert!(text.contains("neon-agrees is unknown") && text.contains("NEON_API_KEY"), "{text}");

    tamper(&world, "INSERT INTO state_deltas SELECT id, 'failed', 7 FROM pools").await;
    let violated = doctor(&world, &["--no-neon"]);
    assert_eq!(violated.status.code(), Some(1));
    let text = String::from_utf8_lossy(&violated.stdout).into_owned();
    assert!(text.contains("counts-agree is violated") && text.contains("rolled up 7"), "{text}");
    server.stop().await;
}

fn doctor(world: &World, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .arg("doctor")
        .args(arguments)
        .env_remove("NEON_API_KEY")
        .env("DATABASE_URL", &world.database_url)
        .output()
        .unwrap()
}
