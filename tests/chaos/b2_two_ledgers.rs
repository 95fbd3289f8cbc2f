//! B2: a copy of the ledger is started beside the original, at the same Neon: two ledgers with one identity.

use std::{collections::BTreeSet, time::Duration};

use ledger::{By, Ledger};
use reqwest::StatusCode;

use crate::{
    backup::{copy, quick},
    scenario::{Scenario, sized, within},
    support::{Server, World},
};

const SCENARIO_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn b2_two_ledgers_with_one_identity_both_stop() {
    let target = sized(4, 20);
    let scenario = Scenario::begin("B2", format!("a copy beside the original, pool of {target}"));
    let world = World::new(target, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    let original = world.serve_with(quick()).await;
    original.until_available(target.into()).await;
    let (status, _) = original.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED);
    original.until_available(target.into()).await;
    let deletions = || world.emulator.stats().count("DELETE", "/projects/{project_id}");
    let before = deletions();

    let url = copy(&world, "b2_copy").await;
    let copied = Ledger::connect(&url, 5).await.unwrap();
    let beside = world.serve_beside(&url, quick()).await;
    let mut handed_out = BTreeSet::new();
    let noticed = within(SCENARIO_TIMEOUT, "both have stopped", || async {
        // The copy hands out nothing at all, from its first moment on.
        let (status, answer) = beside.claim("grace").await;
        assert!(answer["database"].is_null(), "the copy gave something away: {status} {answer}");
        stopped(&world.ledger).await && stopped(&copied).await
    })
    .await;
    for _ in 0..sized(3, 10) {
        for server in [&original, &beside] {
            assert_eq!(server.claim("grace").await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(stopped(&world.ledger).await && stopped(&copied).await, "one of them went on");
    }
    assert_eq!(deletions(), before, "something was deleted");

    // Whoever runs, be it in safe mode, keeps a new id away; the original too, which is in the same state.
    let is_refused = async |ledger: &Ledger| ledger.new_identity(1, false, &By::cli()).await.is_err();
    assert!(is_refused(&world.ledger).await && is_refused(&copied).await);
    beside.stop().await;
    within(SCENARIO_TIMEOUT, "the copy is seen to be at rest", || async { !is_refused(&copied).await }).await;
    assert!(is_refused(&world.ledger).await, "the original still runs");
    let beside = world.serve_beside(&url, quick()).await;
    for (server, owner) in [(&original, "hedy"), (&beside, "joan")] {
        let project = until_claimed(server, owner).await;
        assert!(handed_out.insert(project.clone()), "{project} was handed out twice");
    }
    let ids = [&world.ledger, &copied].map(|ledger| async { ledger.installation().await.unwrap().id });
    let [ours, theirs] = ids;
    assert_ne!(ours.await, theirs.await);
    assert_eq!(deletions(), before, "something was deleted");
    for ledger in [&world.ledger, &copied] {
        assert_eq!(ledger.violations().await.unwrap(), []);
    }
    original.stop().await;
    beside.stop().await;
    scenario.passed(format!(
        "both stopped after {:.1} s, and hand out again once the copy has an id of its own; 0 deletions",
        noticed.as_secs_f64()
    ));
}

async fn stopped(ledger: &Ledger) -> bool {
    ledger.safe_mode().await.ok().flatten().is_some_and(|mode| !mode.hands_out)
}

async fn until_claimed(server: &Server, owner: &str) -> String {
    let found = tokio::sync::OnceCell::new();
    within(Duration::from_secs(120), "claims go on", || async {
        let (_, answer) = server.claim(owner).await;
        let project = answer["database"]["neon_project_id"].as_str().map(str::to_owned);
        project.is_some_and(|project| found.set(project).is_ok() || found.initialized())
    })
    .await;
    found.get().unwrap().clone()
}
