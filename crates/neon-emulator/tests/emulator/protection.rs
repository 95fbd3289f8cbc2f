//! Protected branches: neither they nor their endpoints nor their project can be deleted.

use neon_emulator::{Config, Unknowns};
use serde_json::json;

use crate::support::{Created, TestEmulator, config};

async fn protect(test: &TestEmulator, branch: &str, protected: bool) {
    test.api.patch(branch, json!({"branch": {"protected": protected}})).await.ok(200);
}

async fn branch_of(test: &TestEmulator, project: &Created) -> String {
    let branch = test.api.post(&format!("{}/branches", project.path()), json!({"branch": {}})).await.ok(201);
    format!("{}/branches/{}", project.path(), branch["branch"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_project_cannot_be_deleted_while_any_of_its_branches_is_protected() {
    let test = TestEmulator::start().await;
    let project = test.api.create("kept").await;
    let further = branch_of(&test, &project).await;
    for branch in [project.branch_path(), further.clone()] {
        protect(&test, &branch, true).await;
        let refused = test.api.delete(&project.path()).await.refused(422);
        assert_eq!(refused, "cannot delete a project with protected branches");
        test.api.get(&project.path()).await.ok(200);
        protect(&test, &branch, false).await;
    }
    protect(&test, &further, true).await;
    test.api.delete(&further).await.refused(422);
    protect(&test, &project.branch_path(), true).await;
    test.api.delete(&project.endpoint_path()).await.refused(422);
    let restore = json!({"source_branch_id": further.rsplit('/').next()});
    let refused = test.api.post(&format!("{}/restore", project.branch_path()), restore).await;
    assert_eq!(refused.status, 422);
    for branch in [project.branch_path(), further] {
        protect(&test, &branch, false).await;
    }
    test.api.delete(&project.path()).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn the_status_of_a_refused_deletion_is_a_switch() {
    let unknowns = Unknowns { protected_refusal_status: Some(412), ..Unknowns::default() };
    let test = TestEmulator::with(Config { unknowns, ..config() }).await;
    let project = test.api.create("kept").await;
    let further = branch_of(&test, &project).await;
    protect(&test, &further, true).await;
    protect(&test, &project.branch_path(), true).await;
    for path in [project.path(), further, project.endpoint_path()] {
        test.api.delete(&path).await.refused(412);
    }
    test.finish().await;
}
