//! Lists that do not tell the truth, and rules that are about some of the projects.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use neon_emulator::{Fault, ProjectShare, Rule, SeedProject};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestEmulator;

const FLEET: usize = 1_000;

/// A fleet, and the ids of all its projects.
async fn fleet() -> (TestEmulator, BTreeSet<String>) {
    let test = TestEmulator::start().await;
    let created_at = |n: usize| Utc::now() - TimeDelta::days(1) - TimeDelta::seconds(n as i64);
    let seeds: Vec<_> = (0..FLEET).map(|n| SeedProject::new(format!("fleet-{n:04}"), created_at(n))).collect();
    let seeded = test.emulator.seed(&seeds).await.unwrap();
    (test, seeded.into_iter().map(|project| project.project_id).collect())
}

/// What one sweep brings: the projects, those that were unavailable, and how many were on each page.
struct Sweep {
    listed: BTreeSet<String>,
    unavailable: BTreeSet<String>,
    pages: Vec<usize>,
}

async fn sweep(test: &TestEmulator) -> Sweep {
    let mut found = Sweep { listed: BTreeSet::new(), unavailable: BTreeSet::new(), pages: Vec::new() };
    let mut path = "/projects?limit=400".to_owned();
    loop {
        let page = test.api.get(&path).await.ok(200);
        let listed = page["projects"].as_array().unwrap();
        found.pages.push(listed.len());
        found.listed.extend(listed.iter().map(|project| project["id"].as_str().unwrap().to_owned()));
        let unavailable = page["unavailable_project_ids"].as_array();
        found.unavailable.extend(unavailable.into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()));
        let Some(cursor) = page["pagination"]["cursor"].as_str() else { return found };
        path = format!("/projects?limit=400&cursor={cursor}");
    }
}

fn chosen(ids: &BTreeSet<String>, share: ProjectShare) -> BTreeSet<String> {
    ids.iter().filter(|id| share.contains(id)).cloned().collect()
}

#[tokio::test]
async fn a_list_leaves_out_a_share_for_one_sweep_without_saying_so() {
    let (test, all) = fleet().await;
    let missing = chosen(&all, ProjectShare { share: 0.2, seed: 3 });
    assert!(!missing.is_empty());
    test.emulator.faults().add(Rule::new(Fault::Missing).for_share(0.2, 3).for_sweeps(1));
    let searched = test.api.get("/projects?search=fleet&limit=400").await.ok(200);
    assert_eq!(searched["projects"].as_array().unwrap().len(), 400, "a search is no sweep");

    let wrong = sweep(&test).await;
    assert_eq!(wrong.listed, &all - &missing);
    assert_eq!(wrong.pages[0], 400, "the page is as full as ever");
    assert!(wrong.unavailable.is_empty());
    assert_eq!(sweep(&test).await.listed, all, "the next sweep tells the truth");
    test.finish().await;
}

#[tokio::test]
async fn a_list_leaves_one_project_out_until_the_time_is_over() {
    let (test, all) = fleet().await;
    let one = all.first().unwrap();
    test.emulator.faults().add(Rule::new(Fault::Missing).for_project(one).lasting(Duration::from_secs(60)));
    let name = test.api.get(&format!("/projects/{one}")).await.ok(200)["project"]["name"].take();
    let search = format!("/projects?search={}", name.as_str().unwrap());
    assert_eq!(sweep(&test).await.listed.len(), FLEET - 1);
    assert_eq!(test.api.get(&search).await.ok(200)["projects"], json!([]), "a search does not find it either");
    test.advance(61);
    assert_eq!(sweep(&test).await.listed, all);
    test.finish().await;
}

#[tokio::test]
async fn a_partial_page_names_what_it_does_not_describe() {
    let (test, all) = fleet().await;
    let unavailable = chosen(&all, ProjectShare { share: 0.3, seed: 0 });
    test.emulator.faults().add(Rule::new(Fault::Unavailable).for_share(0.3, 0).times(2));
    let found = sweep(&test).await;
    assert!(found.unavailable.is_subset(&unavailable) && !found.unavailable.is_empty());
    assert_eq!(&found.listed | &found.unavailable, all, "nothing is lost");
    assert!(found.listed.is_disjoint(&found.unavailable));
    assert!(found.pages[0] < 400 && found.pages[1] < 400);
    assert_eq!(found.pages[2], 200, "two pages only");
    test.finish().await;
}

#[tokio::test]
async fn a_new_project_is_listed_late() {
    let test = TestEmulator::start().await;
    test.api.create("old").await;
    test.advance(60);
    test.emulator.faults().add(Rule::new(Fault::ListLag { list_lag_seconds: 30 }));
    let new = test.api.create("new").await;
    let names = async |path: &str| -> Vec<String> {
        let page = test.api.get(path).await.ok(200);
        let name = |project: &Value| project["name"].as_str().unwrap().to_owned();
        page["projects"].as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names("/projects").await, ["old"]);
    assert!(names("/projects?search=new").await.is_empty());
    test.api.get(&new.path()).await.ok(200);
    test.advance(31);
    assert_eq!(names("/projects").await, ["new", "old"]);
    test.finish().await;
}

#[tokio::test]
async fn some_projects_always_fail_and_the_others_never() {
    let (test, all) = fleet().await;
    let unlucky = chosen(&all, ProjectShare { share: 0.1, seed: 5 });
    test.emulator.faults().add(Rule::new(Fault::locked()).for_share(0.1, 5));
    let suffer = unlucky.iter().take(3).flat_map(|id| [id, id]);
    for id in suffer {
        test.api.patch(&format!("/projects/{id}"), json!({"project": {"name": "x"}})).await.refused(423);
        test.api.get(&format!("/projects/{id}/operations")).await.refused(423);
    }
    for id in (&all - &unlucky).iter().take(6) {
        test.api.patch(&format!("/projects/{id}"), json!({"project": {"name": "x"}})).await.ok(200);
    }
    test.api.get("/projects").await.ok(200);
    test.api.get("/regions").await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn a_creation_is_chosen_by_its_name() {
    let test = TestEmulator::start().await;
    let share = ProjectShare { share: 0.5, seed: 9 };
    let switch = json!({"rules": [{"method": "POST", "route": "/projects", "fault": "status", "status": 500,
                                   "projects": {"share": 0.5, "seed": 9}}]});
    let set = test.api.switch(Method::PUT, "/faults").json(&switch).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let (unlucky, lucky): (Vec<_>, Vec<_>) =
        (0..12).map(|n| format!("born-{n}")).partition(|name| share.contains(name));
    assert!(!unlucky.is_empty() && !lucky.is_empty());
    for name in unlucky.iter().chain(&unlucky) {
        test.api.post("/projects", json!({"project": {"name": name}})).await.refused(500);
    }
    for name in &lucky {
        assert_eq!(test.api.create(name).await.0["project"]["name"], *name);
    }
    test.api.post("/projects", json!({"project": {}})).await.ok(201);
    test.finish().await;
}

#[tokio::test]
async fn lies_are_switched_over_http_too() {
    let (test, all) = fleet().await;
    let switch = json!({"rules": [{"fault": "missing", "projects": {"share": 0.5}, "sweeps": 1, "for_seconds": 100},
                                  {"fault": "unavailable", "projects": {"share": 0.6}},
                                  {"fault": "list_lag", "list_lag_seconds": 5}]});
    let set: Value = test.api.switch(Method::PUT, "/faults").json(&switch).send().await.unwrap().json().await.unwrap();
    assert!(set["rules"][0]["until"].is_string() && set["rules"][0].get("for_seconds").is_none(), "{set}");
    let missing = chosen(&all, ProjectShare { share: 0.5, seed: 0 });
    let larger = chosen(&all, ProjectShare { share: 0.6, seed: 0 });
    let found = sweep(&test).await;
    assert_eq!(found.listed, &all - &larger);
    assert_eq!(found.unavailable, &larger - &missing);
    let shown: Value = test.api.switch(Method::GET, "/faults").send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["rules"][0]["sweeps"], 0);
    test.finish().await;
}
