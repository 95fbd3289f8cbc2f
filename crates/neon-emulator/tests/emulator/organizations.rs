//! Several organisations: whose projects a key lists, makes and reaches; limits that each has by itself.

use neon_emulator::{Config, DEFAULT_ORG, FleetSpec, Key, Organization, Plan, SeedProject, Unknowns};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, KEY, PERSONAL_KEY, TestEmulator, config};

pub const OTHER: &str = "org-paying-meadow-2";
pub const OTHER_KEY: &str = "napi_other_org";

/// Two organisations, a key of each, and the person's.
pub fn two() -> Config {
    Config {
        organizations: vec![
            Organization::new(DEFAULT_ORG).named("Free users").on(Plan::AgentFree),
            Organization::new(OTHER).named("Paying users").on(Plan::AgentPaid),
        ],
        api_keys: vec![
            Key::of_organization(KEY, DEFAULT_ORG),
            Key::of_organization(OTHER_KEY, OTHER),
            Key::personal(PERSONAL_KEY),
        ],
        ..config()
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["projects"].as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap()).collect()
}

async fn listed(api: &Api, org_id: &str) -> Value {
    api.get(&format!("/projects?org_id={org_id}")).await.ok(200)
}

#[tokio::test]
async fn each_organisation_has_its_own_list() {
    let test = TestEmulator::with(two()).await;
    let (ours, theirs, person) = (&test.api, test.with_key(OTHER_KEY), test.person());
    let mine = ours.create("mine").await;
    theirs.create("theirs").await;
    person.create_as(json!({"name": "of a person", "org_id": OTHER})).await;
    assert_eq!(names(&ours.get("/projects").await.ok(200)), ["mine"]);
    assert_eq!(names(&theirs.get("/projects").await.ok(200)), ["of a person", "theirs"]);
    assert_eq!(names(&listed(&person, DEFAULT_ORG).await), ["mine"]);
    let item = listed(&person, OTHER).await["projects"][0].take();
    assert_eq!((&item["org_id"], &item["org_name"]), (&json!(OTHER), &json!("Paying users")));
    let owner = ours.get(&mine.path()).await.ok(200)["project"]["owner"].take();
    assert_eq!(owner["name"], "Free users");
    ours.delete(&mine.path()).await.ok(200);
    assert_eq!(names(&ours.get("/projects?recoverable=true").await.ok(200)), ["mine"]);
    assert_eq!(names(&theirs.get("/projects?recoverable=true").await.ok(200)), [""; 0]);
    test.finish().await;
}

#[tokio::test]
async fn what_belongs_to_another_organisation_is_not_there() {
    let test = TestEmulator::with(two()).await;
    let mine = test.api.create("mine").await;
    let theirs = test.with_key(OTHER_KEY);
    theirs.get(&mine.path()).await.refused(404);
    theirs.get(&format!("{}/operations", mine.path())).await.refused(404);
    theirs.patch(&mine.path(), json!({"project": {"name": "stolen"}})).await.refused(404);
    theirs.delete(&mine.path()).await.refused(404);
    theirs.get(&format!("/projects?org_id={DEFAULT_ORG}")).await.refused(404);
    theirs.post("/projects", json!({"project": {"org_id": DEFAULT_ORG}})).await.refused(404);
    theirs.get(&format!("/organizations/{DEFAULT_ORG}")).await.refused(404);
    theirs.get(&format!("/organizations/{DEFAULT_ORG}/api_keys")).await.refused(404);
    theirs.get(&format!("/regions?org_id={DEFAULT_ORG}")).await.refused(404);
    assert_eq!(test.person().get(&mine.path()).await.ok(200)["project"]["name"], "mine");
    test.finish().await;
    let unknowns = Unknowns { foreign_status: Some(403), ..Unknowns::default() };
    let test = TestEmulator::with(Config { unknowns, ..two() }).await;
    let mine = test.api.create("mine").await;
    test.with_key(OTHER_KEY).get(&mine.path()).await.refused(403);
    test.finish().await;
}

#[tokio::test]
async fn a_person_is_in_every_organisation_and_a_key_in_its_own() {
    let test = TestEmulator::with(two()).await;
    let ids = |body: Value| -> Vec<String> {
        let all = body["organizations"].as_array().unwrap().iter();
        all.map(|organization| organization["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(test.person().get("/users/me/organizations").await.ok(200)), [DEFAULT_ORG, OTHER]);
    assert_eq!(ids(test.with_key(OTHER_KEY).get("/users/me/organizations").await.ok(200)), [OTHER]);
    assert_eq!(test.with_key(OTHER_KEY).get("/auth").await.ok(200)["account_id"], OTHER);
    let other = test.person().get(&format!("/organizations/{OTHER}")).await.ok(200);
    assert_eq!((&other["name"], &other["plan"]), (&json!("Paying users"), &json!("agent-paid")));
    test.person().get("/organizations/org-of-somebody-else").await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn keys_of_an_organisation_are_listed_there_alone() {
    let test = TestEmulator::with(two()).await;
    let person = test.person();
    let path = format!("/organizations/{OTHER}/api_keys");
    let made = person.post(&path, json!({"key_name": "robot"})).await.ok(200);
    let robot = test.with_key(made["key"].as_str().unwrap());
    robot.create("by the robot").await;
    assert_eq!(names(&listed(&person, OTHER).await), ["by the robot"]);
    let mine = test.api.create("mine").await;
    let scoped = json!({"key_name": "scoped", "project_id": mine.id()});
    person.post(&path, scoped).await.refused(404);
    let own = person.get(&format!("/organizations/{DEFAULT_ORG}/api_keys")).await.ok(200);
    assert_eq!(own.as_array().unwrap().len(), 1);
    test.with_key(OTHER_KEY).delete(&format!("{path}/{}", made["id"])).await.ok(200);
    robot.get("/projects").await.refused(401);
    test.finish().await;
}

#[tokio::test]
async fn a_full_organisation_refuses_and_the_other_goes_on() {
    let mut config = two();
    config.organizations[0].projects_limit = Some(3);
    let test = TestEmulator::with(config).await;
    // At once: a limit that is counted before it is taken would let more in.
    let creations = (0..8).map(|n| {
        let api = test.with_key(KEY);
        tokio::spawn(async move { api.post("/projects", json!({"project": {"name": format!("p{n}")}})).await.status })
    });
    let mut made = 0;
    for creation in creations.collect::<Vec<_>>() {
        made += u32::from(creation.await.unwrap() == 201);
    }
    assert_eq!(made, 3);
    test.with_key(OTHER_KEY).create("elsewhere").await;
    let room = Organization::new(DEFAULT_ORG).named("Free users").on(Plan::AgentFree).holding(4);
    test.emulator.put_organization(&room).await.unwrap();
    test.api.create("the fourth").await;
    test.api.post("/projects", json!({"project": {}})).await.refused(422);
    test.finish().await;
}

#[tokio::test]
async fn each_account_has_limits_of_its_own_unless_they_share_one() {
    for is_shared in [false, true] {
        let unknowns = Unknowns { rate_limit_is_shared: is_shared, ..Unknowns::default() };
        let config = Config { rate_limits: true, consumption_calls_per_minute: 2, unknowns, ..two() };
        let test = TestEmulator::with(config).await;
        let now = test.emulator.clock().now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let ask = async |key: &str, org_id: &str| {
            let path =
                format!("/consumption_history/v2/projects?org_id={org_id}&granularity=daily&from={now}&to={now}");
            test.with_key(key).get(&format!("{path}&metrics=compute_unit_seconds")).await.status
        };
        assert_eq!(
            [ask(KEY, DEFAULT_ORG).await, ask(KEY, DEFAULT_ORG).await, ask(KEY, DEFAULT_ORG).await],
            [200, 200, 429]
        );
        assert_eq!(ask(OTHER_KEY, OTHER).await, if is_shared { 429 } else { 200 });
        let stats = test.emulator.stats();
        let calls = |account: &str| stats.peak_of_account(account).map_or(0, |peak| peak.per_minute);
        assert_eq!((calls(DEFAULT_ORG), calls(OTHER), calls("person")), (3, 1, 0));
        test.finish().await;
    }
}

#[tokio::test]
async fn organisations_and_their_projects_are_there_after_a_restart() {
    let test = TestEmulator::with(two()).await;
    test.with_key(OTHER_KEY).create("kept").await;
    let added = Organization::new("org-added-3").on(Plan::Launch);
    test.emulator.put_organization(&added).await.unwrap();
    let test = test.restart().await;
    assert_eq!(names(&test.with_key(OTHER_KEY).get("/projects").await.ok(200)), ["kept"]);
    let ids: Vec<String> = test.emulator.organizations().into_iter().map(|organization| organization.id).collect();
    assert_eq!(ids, [DEFAULT_ORG, OTHER, "org-added-3"]);
    test.finish().await;
}

#[tokio::test]
async fn fleets_and_seeds_go_where_they_are_told() {
    let test = TestEmulator::with(two()).await;
    let now = test.emulator.clock().now();
    let seed = SeedProject { org_id: Some(OTHER.into()), ..SeedProject::new("seeded", now) };
    test.emulator.seed(&[seed]).await.unwrap();
    let fleet = FleetSpec { count: 5, org_id: Some(OTHER.into()), ..FleetSpec::default() };
    test.emulator.seed_fleet(&fleet).await.unwrap();
    assert_eq!(names(&test.with_key(OTHER_KEY).get("/projects").await.ok(200)).len(), 6);
    assert_eq!(names(&test.api.get("/projects").await.ok(200)).len(), 0);
    let nowhere = FleetSpec { count: 1, org_id: Some("org-nowhere".into()), ..FleetSpec::default() };
    assert!(test.emulator.seed_fleet(&nowhere).await.is_err());
    test.finish().await;
}

#[tokio::test]
async fn the_switches_show_and_change_organisations() {
    let test = TestEmulator::with(two()).await;
    test.api.create("one").await;
    let put =
        test.api.switch(Method::PUT, &format!("/organizations/{DEFAULT_ORG}")).json(&json!({"projects_limit": 1}));
    assert!(put.send().await.unwrap().status().is_success());
    test.api.post("/projects", json!({"project": {}})).await.refused(422);
    let shown: Value = test.api.switch(Method::GET, "/organizations").send().await.unwrap().json().await.unwrap();
    let first = &shown["organizations"][0];
    assert_eq!(
        (&first["id"], &first["projects"], &first["projects_limit"]),
        (&json!(DEFAULT_ORG), &json!(1), &json!(1))
    );
    let bad = test.api.switch(Method::PUT, "/organizations/Not%20An%20Id").json(&json!({}));
    assert_eq!(bad.send().await.unwrap().status(), 400);
    test.finish().await;
}
