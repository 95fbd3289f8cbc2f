//! Quotas that somebody changes on Neon.

use fleet_types::{FindingKind, FindingStatus, Resolution, Role};
use neon_emulator::Quota;
use reqwest::StatusCode;

use super::{all, decide, hasty, sweeps_pass};
use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_changed_on_neon_is_put_right_until_it_looks_like_a_fight() {
    let world = World::with_pool(1).await;
    let mut settings = hasty();
    settings.findings.drift_tries = 2;
    let server = world.serve_with(settings).await;
    server.until_available(1).await;
    let (_, claim) = server.claim("ada").await;
    let project = claim["database"]["neon_project_id"].as_str().unwrap().to_owned();
    let storage = async || {
        let all = world.emulator.inventory().await.unwrap();
        all.into_iter().find(|one| one.id == project).unwrap().quota.and_then(|quota| quota.logical_size_bytes)
    };
    let database = claim["database"]["id"].as_str().unwrap();
    until("Neon has confirmed the claim's own quota", || async {
        !world.ledger.database(database.parse().unwrap()).await.unwrap().row.pending
    })
    .await;
    let ours = storage().await;
    let theirs = Quota { logical_size_bytes: Some(7_000_000_000), ..Quota::default() };
    for round in 1..=2 {
        until("Neon lets it be changed", || async {
            world.emulator.change_quota(&project, Some(theirs)).await.is_ok()
        })
        .await;
        until("the ledger's quota is back", || async { storage().await == ours }).await;
        until("that is confirmed by a sweep", || async {
            all(&world, FindingKind::Drifted)
                .await
                .iter()
                .filter(|one| one.resolution == Some(Resolution::Reapplied))
                .count()
                == round
        })
        .await;
    }
    world.emulator.change_quota(&project, Some(theirs)).await.unwrap();
    let fight = async || {
        let all = all(&world, FindingKind::Drifted).await;
        all.into_iter().find(|finding| finding.status == FindingStatus::NeedsOperator)
    };
    until("it is left to an operator", || async { fight().await.is_some() }).await;
    sweeps_pass(&world, 2).await;
    assert_eq!(storage().await, theirs.logical_size_bytes, "no longer fought over");
    let operator = server.sign_in(Role::Operator).await;
    let id = fight().await.unwrap().id.to_string();
    let (status, answer) =
        decide(&server, &operator, "accept-finding", &[("id", &id), ("reason", "a bigger plan")]).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let detail = world.ledger.database(database.parse().unwrap()).await.unwrap();
    assert_eq!((detail.quota.logical_size_bytes, detail.quota.compute_time_seconds), (theirs.logical_size_bytes, None));
    sweeps_pass(&world, 3).await;
    assert!(world.ledger.database(database.parse().unwrap()).await.unwrap().finding.is_none());
    assert_eq!(storage().await, theirs.logical_size_bytes);
    server.stop().await;
}
