//! What happens behind the back of a client, and what a test can know about it.

use neon_emulator::{Fault, Quota, Rule};

use crate::support::TestEmulator;

fn quota(bytes: i64) -> Option<Quota> {
    Some(Quota { logical_size_bytes: Some(bytes), ..Quota::default() })
}

#[tokio::test]
async fn somebody_else_creates_changes_and_deletes_projects() {
    let test = TestEmulator::start().await;
    test.emulator.faults().add(Rule::new(Fault::status(503)));
    let id = test.emulator.create_project("theirs", quota(1_000)).await.unwrap();
    let doomed = test.emulator.create_project("doomed", None).await.unwrap();
    test.emulator.rename_project(&id, "renamed").await.unwrap();
    test.emulator.change_quota(&id, quota(2_000)).await.unwrap();
    test.emulator.delete_project(&doomed).await.unwrap();
    assert!(test.emulator.delete_project(&doomed).await.is_err(), "it is gone already");
    assert_eq!(test.emulator.stats().total, 0, "nobody called the API");

    test.emulator.faults().clear();
    let project = test.api.get(&format!("/projects/{id}")).await.ok(200)["project"].take();
    assert_eq!(
        (&project["name"], &project["settings"]["quota"]["logical_size_bytes"]),
        (&"renamed".into(), &2_000.into())
    );
    test.api.get(&format!("/projects/{doomed}")).await.refused(404);
    let known: Vec<_> = test.emulator.inventory().await.unwrap();
    assert_eq!(known.iter().map(|project| project.id.as_str()).collect::<Vec<_>>(), [&id, &doomed], "oldest first");
    assert_eq!((known[0].name.as_str(), known[0].quota, known[0].deleted_at), ("renamed", quota(2_000), None));
    assert!(known[1].deleted_at.is_some_and(|at| at >= known[1].created_at));
    test.finish().await;
}

#[tokio::test]
async fn each_route_has_its_own_peaks() {
    let test = TestEmulator::start().await;
    for _ in 0..3 {
        test.api.get("/regions").await.ok(200);
    }
    test.api.get("/auth").await.ok(200);
    let stats = test.emulator.stats();
    assert_eq!(stats.peak("GET", "/regions").unwrap().per_minute, 3);
    assert!((1..=3).contains(&stats.peak("GET", "/regions").unwrap().per_second));
    assert_eq!(stats.peak("GET", "/auth").unwrap().per_minute, 1);
    assert_eq!((stats.peak("GET", "/projects"), stats.peak_per_minute), (None, 4));
    test.emulator.reset_stats();
    assert_eq!(test.emulator.stats().peak("GET", "/regions"), None);
    test.finish().await;
}
