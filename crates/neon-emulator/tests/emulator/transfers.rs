//! Projects that move to another organisation: an empty answer at once, one project after another a moment later, and
//! what stands in the way.

use chrono::{DateTime, TimeDelta, Utc};
use neon_emulator::{Config, DEFAULT_ORG, Direction, Organization, Plan, SeedProject, SeedUsage, Unknowns};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::organizations::{OTHER, OTHER_KEY, two};
use crate::support::{Api, Created, KEY, TestEmulator};

fn transfer_from(source: &str) -> String {
    format!("/organizations/{source}/projects/transfer")
}

fn to(destination: &str, projects: &[&Created]) -> Value {
    let ids: Vec<&str> = projects.iter().map(|project| project.id()).collect();
    json!({"destination_org_id": destination, "project_ids": ids})
}

async fn upgrade(person: &Api, projects: &[&Created]) -> Value {
    person.post(&transfer_from(DEFAULT_ORG), to(OTHER, projects)).await.ok(200)
}

async fn org_of(person: &Api, project: &Created) -> String {
    person.get(&project.path()).await.ok(200)["project"]["org_id"].as_str().unwrap().to_owned()
}

/// Projects arrive at once, as operations end at once.
async fn quick(unknowns: Unknowns) -> TestEmulator {
    TestEmulator::with(Config { unknowns, ..two() }).await
}

/// A project arrives ten seconds after the one before it, and time passes only where the test lets it.
async fn timed(unknowns: Unknowns) -> TestEmulator {
    let unknowns = Unknowns { transfer_lag_ms: Some(10_000), ..unknowns };
    TestEmulator::with(Config { operation_time_scale: 1.0, clock_rate: 1e-9, unknowns, ..two() }).await
}

/// A project whose creation has ended.
async fn settled(test: &TestEmulator, name: &str) -> Created {
    let created = test.api.create(name).await;
    test.advance(60);
    created
}

#[tokio::test]
async fn a_project_arrives_a_moment_after_the_answer_one_after_another() {
    let test = timed(Unknowns::default()).await;
    let person = test.person();
    let (first, second) = (settled(&test, "first").await, settled(&test, "second").await);
    assert_eq!(upgrade(&person, &[&first, &second]).await, json!({}), "no operations");
    assert_eq!(
        (org_of(&person, &first).await, org_of(&person, &second).await),
        (DEFAULT_ORG.into(), DEFAULT_ORG.into())
    );
    test.advance(11);
    assert_eq!((org_of(&person, &first).await, org_of(&person, &second).await), (OTHER.into(), DEFAULT_ORG.into()));
    test.advance(10);
    assert_eq!(org_of(&person, &second).await, OTHER);
    test.api.get(&first.path()).await.refused(404);
    assert_eq!(test.api.get("/projects").await.ok(200)["projects"], json!([]));
    assert_eq!(test.with_key(OTHER_KEY).get("/projects").await.ok(200)["projects"].as_array().unwrap().len(), 2);
    let truth = test.emulator.projects().await.unwrap();
    assert!(truth.iter().all(|project| project.org_id == OTHER));
    test.finish().await;
}

#[tokio::test]
async fn quota_strings_and_connections_stay_and_the_way_back_is_open() {
    let test = quick(Unknowns::default()).await;
    let person = test.person();
    let quota = json!({"active_time_seconds": 36_000, "logical_size_bytes": 7_000_000_000_i64});
    let created = test.api.create_as(json!({"name": "kept", "settings": {"quota": quota}})).await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    let endpoint = |body: Value| ["id", "host", "autoscaling_limit_max_cu"].map(|name| body["endpoint"][name].clone());
    let before = endpoint(person.get(&created.endpoint_path()).await.ok(200));
    upgrade(&person, &[&created]).await;
    assert_eq!(org_of(&person, &created).await, OTHER);
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42, "the session goes on");
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    let theirs = test.with_key(OTHER_KEY);
    assert_eq!(endpoint(theirs.get(&created.endpoint_path()).await.ok(200)), before);
    assert_eq!(theirs.get(&created.path()).await.ok(200)["project"]["settings"]["quota"], quota);
    person.post(&transfer_from(OTHER), to(DEFAULT_ORG, &[&created])).await.ok(200);
    assert_eq!(org_of(&person, &created).await, DEFAULT_ORG);
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn a_project_on_its_way_is_locked_unless_the_switch_says_otherwise() {
    for locks_nothing in [false, true] {
        let unknowns = Unknowns {
            transfer_locks_nothing: locks_nothing,
            locked_code: Some("PROJECT_LOCKED".into()),
            ..Unknowns::default()
        };
        let test = timed(unknowns).await;
        let created = settled(&test, "moving").await;
        upgrade(&test.person(), &[&created]).await;
        let change = test.api.patch(&created.path(), json!({"project": {"name": "changed"}})).await;
        assert_eq!(change.status, if locks_nothing { 200 } else { 423 }, "{}", change.body);
        assert!(locks_nothing || change.body["code"] == "PROJECT_LOCKED", "{}", change.body);
        test.api.get(&created.path()).await.ok(200);
        PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
        test.advance(11);
        let theirs = test.with_key(OTHER_KEY);
        theirs.patch(&created.path(), json!({"project": {"name": "arrived"}})).await.ok(200);
        test.finish().await;
    }
}

#[tokio::test]
async fn keys_that_must_not_transfer_are_refused() {
    let test = quick(Unknowns::default()).await;
    let created = test.api.create("mine").await;
    let scoped = json!({"key_name": "scoped", "project_id": created.id()});
    let made = test.person().post(&format!("/organizations/{DEFAULT_ORG}/api_keys"), scoped).await.ok(200);
    let scoped = test.with_key(made["key"].as_str().unwrap());
    for api in [&test.api, &scoped] {
        api.post(&transfer_from(DEFAULT_ORG), to(OTHER, &[&created])).await.refused(404);
    }
    scoped.get(&created.path()).await.ok(200);
    upgrade(&test.person(), &[&created]).await;
    scoped.get(&created.path()).await.refused(401);
    let test = test.restart().await;
    test.with_key(made["key"].as_str().unwrap()).get(&created.path()).await.refused(401);
    test.finish().await;

    let unknowns = Unknowns { transfer_by_organization_status: Some(403), ..Unknowns::default() };
    let test = quick(unknowns).await;
    let created = test.api.create("mine").await;
    test.api.post(&transfer_from(DEFAULT_ORG), to(OTHER, &[&created])).await.refused(403);
    test.finish().await;
}

#[tokio::test]
async fn a_destination_without_room_refuses_the_batch_or_takes_what_fits() {
    for one_by_one in [false, true] {
        let unknowns = Unknowns { transfer_goes_one_by_one: one_by_one, ..Unknowns::default() };
        let test = quick(unknowns).await;
        let person = test.person();
        let room = Organization::new(OTHER).on(Plan::AgentPaid).holding(2);
        test.emulator.put_organization(&room).await.unwrap();
        let projects = [test.api.create("a").await, test.api.create("b").await, test.api.create("c").await];
        let all: Vec<&Created> = projects.iter().collect();
        let refused = person.post(&transfer_from(DEFAULT_ORG), to(OTHER, &all)).await.ok(406);
        assert_eq!(refused, json!({"limits": [{"name": "projects_count", "expected": "2", "actual": "3"}]}));
        let moved = test.emulator.projects().await.unwrap().iter().filter(|project| project.org_id == OTHER).count();
        assert_eq!(moved, if one_by_one { 2 } else { 0 });
        test.finish().await;
    }
}

#[tokio::test]
async fn a_place_that_is_taken_meanwhile_leaves_a_project_where_it_was() {
    let test = timed(Unknowns::default()).await;
    let person = test.person();
    let room = Organization::new(OTHER).on(Plan::AgentPaid).holding(1);
    test.emulator.put_organization(&room).await.unwrap();
    let created = settled(&test, "late").await;
    upgrade(&person, &[&created]).await;
    test.with_key(OTHER_KEY).create("quicker").await;
    test.advance(11);
    assert_eq!(org_of(&person, &created).await, DEFAULT_ORG);
    test.api.patch(&created.path(), json!({"project": {"name": "free again"}})).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn what_is_connected_to_a_project_keeps_it_where_it_is() {
    let test = quick(Unknowns::default()).await;
    let (plain, linked) = (test.api.create("plain").await, test.api.create("linked").await);
    test.emulator.set_integration(linked.id(), Some("vercel")).await.unwrap();
    let listed = test.api.get("/projects").await.ok(200);
    assert_eq!(listed["integrations"], json!({linked.id(): ["vercel"]}));
    let batch = to(OTHER, &[&plain, &linked]);
    let refused = test.person().post(&transfer_from(DEFAULT_ORG), batch.clone()).await.ok(422);
    assert_eq!(refused, json!({"projects": [{"id": linked.id(), "integration": "vercel"}]}));
    assert_eq!(org_of(&test.person(), &plain).await, DEFAULT_ORG);
    let undo = test.api.switch(Method::PUT, "/integrations").json(&json!({"project_id": linked.id()}));
    assert!(undo.send().await.unwrap().status().is_success());
    test.person().post(&transfer_from(DEFAULT_ORG), batch).await.ok(200);
    assert_eq!(org_of(&test.person(), &linked).await, OTHER);
    test.finish().await;
}

#[tokio::test]
async fn a_second_call_finds_nothing_unless_it_may_be_repeated() {
    for may_be_repeated in [false, true] {
        let unknowns = Unknowns { transfer_may_be_repeated: may_be_repeated, ..Unknowns::default() };
        let test = timed(unknowns).await;
        let (person, created) = (test.person(), settled(&test, "twice").await);
        let again = async || person.post(&transfer_from(DEFAULT_ORG), to(OTHER, &[&created])).await.status;
        assert_eq!(again().await, 200);
        assert_eq!(again().await, if may_be_repeated { 200 } else { 423 }, "on its way");
        test.advance(11);
        assert_eq!(again().await, if may_be_repeated { 200 } else { 404 }, "arrived");
        assert_eq!(org_of(&person, &created).await, OTHER);
        test.finish().await;
    }
}

#[tokio::test]
async fn what_cannot_be_right_is_refused() {
    let test = quick(Unknowns::default()).await;
    let (person, created) = (test.person(), test.api.create("here").await);
    let ids = |ids: Vec<String>| json!({"destination_org_id": OTHER, "project_ids": ids});
    let from = transfer_from(DEFAULT_ORG);
    person.post(&from, ids(vec![])).await.refused(400);
    person.post(&from, ids((0..401).map(|n| format!("project-{n}")).collect())).await.refused(400);
    person.post(&from, json!({"project_ids": [created.id()]})).await.refused(400);
    person.post(&from, to(DEFAULT_ORG, &[&created])).await.refused(400);
    person.post(&from, to("org-nowhere", &[&created])).await.refused(404);
    person.post(&transfer_from("org-nowhere"), to(OTHER, &[&created])).await.refused(404);
    person.post(&transfer_from(OTHER), to(DEFAULT_ORG, &[&created])).await.refused(404);
    person.post(&from, ids(vec![created.id().into(), "nobody-here-1".into()])).await.refused(404);
    assert_eq!(org_of(&person, &created).await, DEFAULT_ORG, "a batch is one");
    test.finish().await;
}

#[tokio::test]
async fn a_direction_that_plans_forbid_is_told_as_a_limit() {
    let unknowns = Unknowns { transfer_direction: Direction::Down, ..Unknowns::default() };
    let test = quick(unknowns).await;
    let created = test.api.create("up").await;
    let refused = test.person().post(&transfer_from(DEFAULT_ORG), to(OTHER, &[&created])).await.ok(406);
    let expected = json!([{"name": "subscription_type", "expected": "agent-free", "actual": "agent-paid"}]);
    assert_eq!(refused["limits"], expected);
    test.emulator.move_project(created.id(), OTHER).await.unwrap();
    test.person().post(&transfer_from(OTHER), to(DEFAULT_ORG, &[&created])).await.ok(200);
    assert_eq!(org_of(&test.person(), &created).await, DEFAULT_ORG);
    test.finish().await;
}

#[tokio::test]
async fn settings_above_the_plan_stay_unless_they_are_brought_down() {
    for clamps in [false, true] {
        let test = quick(Unknowns { transfer_clamps_settings: clamps, ..Unknowns::default() }).await;
        let theirs = test.with_key(OTHER_KEY);
        let created = theirs
            .create_as(json!({
                "name": "large", "history_retention_seconds": 604_800,
                "default_endpoint_settings": {"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 8, "suspend_timeout_seconds": 60}
            }))
            .await;
        test.person().post(&transfer_from(OTHER), to(DEFAULT_ORG, &[&created])).await.ok(200);
        let project = test.api.get(&created.path()).await.ok(200)["project"].take();
        let endpoint = test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"].take();
        let seen = [
            &project["history_retention_seconds"],
            &project["default_endpoint_settings"]["autoscaling_limit_max_cu"],
            &endpoint["autoscaling_limit_max_cu"],
            &endpoint["suspend_timeout_seconds"],
        ];
        let expected = if clamps {
            [json!(86_400), json!(2.0), json!(2.0), json!(0)]
        } else {
            [json!(604_800), json!(8.0), json!(8.0), json!(60)]
        };
        assert_eq!(seen, expected.iter().collect::<Vec<_>>()[..]);
        test.finish().await;
    }
}

#[tokio::test]
async fn counters_go_on_unless_they_begin_anew() {
    for resets in [false, true] {
        let test = quick(Unknowns { transfer_resets_counters: resets, ..Unknowns::default() }).await;
        let usage = SeedUsage { active_time_seconds: 100, written_data_bytes: 7, ..SeedUsage::default() };
        let born = test.emulator.clock().now() - TimeDelta::minutes(5);
        let seed = SeedProject { usage, ..SeedProject::new("counted", born) };
        let id = test.emulator.seed(&[seed]).await.unwrap().remove(0).project_id;
        let batch = json!({"destination_org_id": OTHER, "project_ids": [id]});
        test.person().post(&transfer_from(DEFAULT_ORG), batch).await.ok(200);
        let project = test.person().get(&format!("/projects/{id}")).await.ok(200)["project"].take();
        assert_eq!(project["org_id"], OTHER);
        assert_eq!(project["active_time_seconds"], if resets { 0 } else { 100 });
        test.finish().await;
    }
}

/// Compute seconds that an organisation is told of a project.
async fn consumed(test: &TestEmulator, key: &str, org_id: &str, id: &str, since: DateTime<Utc>) -> Option<i64> {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let path = format!(
        "/consumption_history/v2/projects?org_id={org_id}&granularity=hourly&from={}&to={}&metrics=root_branch_bytes_month",
        text(since),
        text(test.emulator.clock().now())
    );
    let body = test.with_key(key).get(&path).await.ok(200);
    let item = body["projects"].as_array().unwrap().iter().find(|item| item["project_id"] == id)?;
    let frames =
        item["periods"].as_array().unwrap().iter().flat_map(|period| period["consumption"].as_array().unwrap());
    Some(frames.map(|frame| frame["metrics"][0]["value"].as_i64().unwrap()).sum())
}

#[tokio::test]
async fn consumption_before_a_move_stays_with_the_source_unless_it_goes_along() {
    for goes_along in [false, true] {
        let unknowns = Unknowns { transfer_takes_past_along: goes_along, ..Unknowns::default() };
        let test =
            TestEmulator::with(Config { consumption_refresh: std::time::Duration::ZERO, unknowns, ..two() }).await;
        let now = test.emulator.clock().now();
        let born = now - TimeDelta::hours(10);
        let id = test.emulator.seed(&[SeedProject::new("old", born)]).await.unwrap().remove(0).project_id;
        let before = consumed(&test, KEY, DEFAULT_ORG, &id, born).await.unwrap();
        assert!(before > 9 * 30_000_000, "byte-hours of ten hours: {before}");
        let batch = json!({"destination_org_id": OTHER, "project_ids": [id]});
        test.person().post(&transfer_from(DEFAULT_ORG), batch).await.ok(200);
        test.advance(5 * 3_600);
        let (left, right) = (
            consumed(&test, KEY, DEFAULT_ORG, &id, born).await,
            consumed(&test, OTHER_KEY, OTHER, &id, born).await.unwrap(),
        );
        if goes_along {
            assert!(left.is_none() && right > before, "{left:?} {right}");
        } else {
            // The hour of the move belongs to where it came from.
            let left = left.unwrap();
            assert!((before..before + 32_000_000).contains(&left), "{before} {left}");
            assert!(right >= 4 * 30_000_000 - 1_000 && right < before, "{right}");
        }
        test.finish().await;
    }
}

#[tokio::test]
async fn a_transfer_goes_on_across_a_restart() {
    let test = timed(Unknowns::default()).await;
    let created = settled(&test, "under way").await;
    upgrade(&test.person(), &[&created]).await;
    let test = test.restart().await;
    assert_eq!(org_of(&test.person(), &created).await, DEFAULT_ORG);
    test.api.patch(&created.path(), json!({"project": {"name": "too soon"}})).await.refused(423);
    test.advance(11);
    assert_eq!(org_of(&test.person(), &created).await, OTHER);
    test.finish().await;
}
