//! Too much at once.

use fleet_types::{Role, StatusLevel};
use reqwest::StatusCode;

use super::{decide, deletions, hasty, ledger_of, lives, our_name, page, sweeps_pass};
use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_set_the_brake_until_an_operator_lifts_it() {
    const COUNT: usize = 12;
    let world = World::with_pool(1).await;
    let mut orphans = Vec::new();
    for _ in 0..COUNT {
        orphans.push(world.emulator.create_project(&our_name(&world).await, None).await.unwrap());
    }
    let server = world.serve_with(hasty()).await;
    until("the brake is on", || async { world.ledger.brake().await.unwrap().is_some() }).await;
    sweeps_pass(&world, 3).await;
    assert_eq!(deletions(&world), 0, "nothing is deleted when too much is due");
    let brake = world.ledger.brake().await.unwrap().unwrap();
    assert_eq!((brake.due, brake.cap), (COUNT as i64, 10));
    let status = world.ledger.status().await.unwrap();
    assert!(status.problems.iter().any(|one| one.level == StatusLevel::Bad && one.text.contains("brake is on")));
    let count = "SELECT count(*) FROM events WHERE kind = 'reconcile.brake'";
    let alerts: i64 = sqlx::query_scalar(count).fetch_one(&mut ledger_of(&world).await).await.unwrap();
    assert_eq!(alerts, 1, "told once");
    assert_eq!(server.get("/api/v1/findings").await["brake"], true);

    let viewer = server.sign_in(Role::Viewer).await;
    assert!(page(&server, &viewer, "/problems").await.contains("The brake is on"));
    let form = [("reason", "an old test run of ours")];
    assert_eq!(decide(&server, &viewer, "lift-brake", &form).await.0, StatusCode::FORBIDDEN);
    let operator = server.sign_in(Role::Operator).await;
    let (status, answer) = decide(&server, &operator, "lift-brake", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for orphan in &orphans {
        until("it is deleted", || async { !lives(&world, orphan).await }).await;
    }
    assert!(world.ledger.brake().await.unwrap().is_none());
    until("nothing is wrong any more", || async { world.ledger.status().await.unwrap().problems.is_empty() }).await;
    world.assert_sound().await;
    server.stop().await;
}
