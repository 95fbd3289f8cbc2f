//! The consumption history: what it says, how it is asked, and that it agrees with the counters.

use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use neon_emulator::{Config, FleetSpec, Pattern, SeedProject, Unknowns};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{TestEmulator, config, eventually};

const ORG: &str = neon_emulator::DEFAULT_ORG;

/// Data are renewed at once, and the clock all but stands: answers that are compared are of the same moment.
async fn exact() -> TestEmulator {
    TestEmulator::with(Config { consumption_refresh: std::time::Duration::ZERO, clock_rate: 1e-9, ..config() }).await
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn month_start(now: DateTime<Utc>) -> DateTime<Utc> {
    format!("{}-01T00:00:00Z", now.format("%Y-%m")).parse().unwrap()
}

fn v2(granularity: &str, from: DateTime<Utc>, to: DateTime<Utc>, more: &str) -> String {
    let (from, to) = (text(from), text(to));
    format!("/consumption_history/v2/projects?org_id={ORG}&granularity={granularity}&from={from}&to={to}&{more}")
}

fn legacy(granularity: &str, from: DateTime<Utc>, to: DateTime<Utc>, more: &str) -> String {
    format!("/consumption_history/projects?granularity={granularity}&from={}&to={}&{more}", text(from), text(to))
}

/// All frames of a project, whatever their billing period.
fn frames(project: &Value) -> Vec<&Value> {
    project["periods"].as_array().unwrap().iter().flat_map(|p| p["consumption"].as_array().unwrap()).collect()
}

fn sum(project: &Value, metric: &str) -> i64 {
    let of_frame = |frame: &Value| match frame["metrics"].as_array() {
        Some(metrics) => {
            metrics.iter().find(|m| m["metric_name"] == metric).map_or(0, |m| m["value"].as_i64().unwrap())
        }
        None => frame[metric].as_i64().unwrap(),
    };
    frames(project).into_iter().map(of_frame).sum()
}

#[tokio::test]
async fn list_project_endpoint_and_history_agree() {
    let test = exact().await;
    test.emulator.seed_fleet(&FleetSpec { count: 60, days: 50.0, ..FleetSpec::default() }).await.unwrap();
    let now = test.emulator.clock().now();
    let metrics = "metrics=compute_unit_seconds,public_network_transfer_bytes&limit=100";
    let history = test.api.get(&v2("daily", month_start(now), now, metrics)).await.ok(200);
    let older = test.api.get(&legacy("monthly", month_start(now), now, "limit=100")).await.ok(200);
    let list = test.api.get("/projects?limit=100").await.ok(200);
    let mut active = 0;
    for item in list["projects"].as_array().unwrap() {
        let path = format!("/projects/{}", item["id"].as_str().unwrap());
        let project = test.api.get(&path).await.ok(200)["project"].take();
        assert_eq!(project["active_time_seconds"], item["active_time"]);
        assert_eq!(project["compute_last_active_at"], item["compute_last_active_at"]);
        assert_eq!(project["synthetic_storage_size"], item["synthetic_storage_size"]);
        let endpoint = test.api.get(&format!("{path}/endpoints")).await.ok(200)["endpoints"][0].take();
        let is_active = endpoint["current_state"] == "active";
        assert_eq!(is_active, item["compute_last_active_at"] == text(test.emulator.clock().now()), "{endpoint:#}");
        active += i32::from(is_active);
        let of_project = |body: &Value| {
            body["projects"].as_array().unwrap().iter().find(|p| p["project_id"] == item["id"]).unwrap().clone()
        };
        let (daily, monthly) = (of_project(&history), of_project(&older));
        assert_eq!(json!(sum(&daily, "compute_unit_seconds")), project["compute_time_seconds"]);
        assert_eq!(json!(sum(&daily, "public_network_transfer_bytes")), project["data_transfer_bytes"]);
        assert_eq!(json!(sum(&monthly, "active_time_seconds")), project["active_time_seconds"]);
        assert_eq!(json!(sum(&monthly, "written_data_bytes")), project["written_data_bytes"]);
    }
    assert!((1..60).contains(&active), "{active} of 60 active");
    test.finish().await;
}

#[tokio::test]
async fn the_same_fleet_is_used_in_the_same_way() {
    let test = TestEmulator::start().await;
    let spec = FleetSpec { count: 20, days: 10.0, ..FleetSpec::default() };
    test.emulator.clock().set_rate(1e-9);
    test.emulator.seed_fleet(&spec).await.unwrap();
    test.emulator.seed_fleet(&spec).await.unwrap();
    let list = test.api.get("/projects?limit=100").await.ok(200);
    let mut used: Vec<(String, String)> = list["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].to_string(), format!("{} {}", p["active_time"], p["compute_last_active_at"])))
        .collect();
    used.sort();
    assert!(used.chunks(2).all(|pair| pair[0] == pair[1]), "{used:#?}");
    test.finish().await;
}

#[tokio::test]
async fn real_use_is_counted_in_its_hour() {
    let test = exact().await;
    let created = test.api.create("used").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE t AS SELECT repeat('x', 100) FROM generate_series(1, 20000)").await.unwrap();
    sqlx::query("SELECT * FROM t").fetch_all(&mut connection).await.unwrap();
    test.api.get(&created.path()).await.ok(200);
    test.advance(5_400);
    connection.close().await.unwrap();
    eventually("the end", || async { (test.emulator.open_connections() == 0).then_some(()) }).await;
    test.advance(3_600);
    let project = eventually("the transfer", || async {
        let project = test.api.get(&created.path()).await.ok(200)["project"].take();
        (project["data_transfer_bytes"].as_i64().unwrap() > 2_000_000).then_some(project)
    })
    .await;
    let now = test.emulator.clock().now();
    let metrics = "metrics=compute_unit_seconds&metrics=public_network_transfer_bytes";
    let history = test.api.get(&v2("hourly", now - TimeDelta::hours(10), now, metrics)).await.ok(200);
    let item = &history["projects"][0];
    assert_eq!(json!(sum(item, "compute_unit_seconds")), project["compute_time_seconds"]);
    assert_eq!(json!(sum(item, "public_network_transfer_bytes")), project["data_transfer_bytes"]);
    assert!(frames(item).iter().all(|frame| frame["metrics"][0]["value"].as_i64().unwrap() <= 900), "{item:#}");
    assert!(frames(item).len() >= 2, "{item:#}");
    let history = test.api.get(&legacy("hourly", now - TimeDelta::hours(10), now, "")).await.ok(200);
    assert_eq!(json!(sum(&history["projects"][0], "written_data_bytes")), project["written_data_bytes"]);
    test.finish().await;
}

#[tokio::test]
async fn a_connection_takes_the_place_of_the_model() {
    let test = exact().await;
    let now = test.emulator.clock().now();
    let seed = SeedProject { pattern: Some(Pattern::Polled), ..SeedProject::new("polled", now - TimeDelta::days(3)) };
    let seeded = test.emulator.seed(&[seed]).await.unwrap().remove(0);
    let path = format!("/projects/{}", seeded.project_id);
    let connection = PgConnection::connect(&seeded.connection_uri).await.unwrap();
    test.advance(7_200);
    connection.close().await.unwrap();
    eventually("the end", || async { (test.emulator.open_connections() == 0).then_some(()) }).await;
    test.advance(7_200);
    let project = test.api.get(&path).await.ok(200)["project"].take();
    let now = test.emulator.clock().now();
    let more = format!("project_ids={}", seeded.project_id);
    let history = test.api.get(&legacy("daily", month_start(now), now, &more)).await.ok(200);
    assert_eq!(json!(sum(&history["projects"][0], "active_time_seconds")), project["active_time_seconds"]);
    assert_eq!(test.emulator.projects().await.unwrap()[0].state, "active", "the poller is back");
    test.finish().await;
}

#[tokio::test]
async fn pages_are_newest_first_and_ids_come_in_both_forms() {
    let test = TestEmulator::start().await;
    let now = test.emulator.clock().now();
    let seeds: Vec<SeedProject> =
        (0..25).map(|n| SeedProject::new(format!("p-{n}"), now - TimeDelta::hours(n + 1))).collect();
    let seeded = test.emulator.seed(&seeds).await.unwrap();
    let path = v2("daily", now - TimeDelta::days(2), now, "metrics=root_branch_bytes_month");
    let ids = |body: &Value| -> Vec<String> {
        body["projects"].as_array().unwrap().iter().map(|p| p["project_id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = test.api.get(&format!("{path}&limit=10{cursor}")).await.ok(200);
        if ids(&page).is_empty() {
            break;
        }
        seen.extend(ids(&page));
        cursor = format!("&cursor={}", page["pagination"]["cursor"].as_str().unwrap());
    }
    assert_eq!(seen, seeded.iter().map(|project| project.project_id.clone()).collect::<Vec<_>>());
    let some: Vec<&str> = seen[3..6].iter().map(String::as_str).collect();
    let commas = test.api.get(&format!("{path}&project_ids={}", some.join(","))).await.ok(200);
    let repeated = test.api.get(&format!("{path}&project_ids={}", some.join("&project_ids="))).await.ok(200);
    assert_eq!((ids(&commas), ids(&repeated)), (seen[3..6].to_vec(), seen[3..6].to_vec()));
    let many = vec!["a-b-1"; 101].join(",");
    test.api.get(&format!("{path}&project_ids={many}")).await.refused(400);
    for limit in ["0", "101", "many"] {
        test.api.get(&format!("{path}&limit={limit}")).await.refused(400);
    }
    test.finish().await;
}

#[tokio::test]
async fn what_is_missing_or_outside_of_the_window_is_refused() {
    let test = TestEmulator::start().await;
    let now = test.emulator.clock().now();
    let whole = v2("daily", now - TimeDelta::days(2), now, "metrics=compute_unit_seconds");
    test.api.get(&whole).await.ok(200);
    for name in ["org_id", "granularity", "from", "to", "metrics"] {
        let without: Vec<&str> =
            whole.split_once('?').unwrap().1.split('&').filter(|part| !part.starts_with(name)).collect();
        let message =
            test.api.get(&format!("/consumption_history/v2/projects?{}", without.join("&"))).await.refused(400);
        assert!(message.contains(name), "{message}");
    }
    test.api.get(&whole.replace("compute_unit_seconds", "horsepower")).await.refused(400);
    test.api.get(&whole.replace("daily", "weekly")).await.refused(400);
    test.api.get(&whole.replace(ORG, "org-somebody-else-1")).await.refused(404);
    for (granularity, days) in [("hourly", 8), ("daily", 62), ("monthly", 400)] {
        let window = |days| v2(granularity, now - TimeDelta::days(days), now, "metrics=compute_unit_seconds");
        test.api.get(&window(days)).await.refused(406);
        test.api.get(&window(6)).await.ok(200);
    }
    test.api.get(&v2("daily", now, now - TimeDelta::days(2), "metrics=compute_unit_seconds")).await.refused(406);
    test.finish().await;
}

#[tokio::test]
async fn frames_without_use_are_left_out_and_periods_are_months() {
    let test = exact().await;
    let now = test.emulator.clock().now();
    let seed = |name: &str, pattern| SeedProject {
        pattern: Some(pattern),
        ..SeedProject::new(name, now - TimeDelta::days(45))
    };
    test.emulator.seed(&[seed("asleep", Pattern::Asleep), seed("polled", Pattern::Polled)]).await.unwrap();
    let history =
        test.api.get(&v2("daily", now - TimeDelta::days(50), now, "metrics=compute_unit_seconds")).await.ok(200);
    let lengths: Vec<usize> =
        history["projects"].as_array().unwrap().iter().map(|project| frames(project).len()).collect();
    assert!(lengths.contains(&46) && lengths.iter().any(|n| (1..6).contains(n)), "{lengths:?}");
    for project in history["projects"].as_array().unwrap() {
        let periods = project["periods"].as_array().unwrap();
        assert!(periods[..periods.len() - 1].iter().all(|period| period["period_end"].is_string()));
        for period in periods {
            let month = &period["period_start"].as_str().unwrap()[..7];
            for frame in period["consumption"].as_array().unwrap() {
                assert_eq!(&frame["timeframe_start"].as_str().unwrap()[..7], month);
            }
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn data_are_as_old_as_the_last_refresh() {
    let test = TestEmulator::with(Config { clock_rate: 1e-9, ..config() }).await;
    let now = test.emulator.clock().now();
    let next = now.duration_trunc(TimeDelta::minutes(15)).unwrap() + TimeDelta::minutes(15);
    test.advance((next - now).num_seconds() as u64 + 600);
    let seed = SeedProject { pattern: Some(Pattern::Polled), ..SeedProject::new("polled", now - TimeDelta::days(1)) };
    test.emulator.seed(&[seed]).await.unwrap();
    let path = legacy("hourly", now - TimeDelta::hours(40), now + TimeDelta::hours(2), "");
    let before = test.api.get(&path).await.ok(200);
    test.advance(120);
    assert_eq!(test.api.get(&path).await.ok(200), before, "two minutes later, still the same");
    test.advance(300);
    let after = test.api.get(&path).await.ok(200);
    let active = |body: &Value| sum(&body["projects"][0], "active_time_seconds");
    assert_eq!(active(&after) - active(&before), 900);
    test.finish().await;
}

#[tokio::test]
async fn the_frame_of_to_belongs_to_the_answer_unless_switched_off() {
    let daily = async |cuts| {
        let unknowns = Unknowns { consumption_cuts_last_frame: cuts, ..Unknowns::default() };
        let test = TestEmulator::with(Config { unknowns, clock_rate: 1e-9, ..config() }).await;
        let now = test.emulator.clock().now();
        let seed =
            SeedProject { pattern: Some(Pattern::Polled), ..SeedProject::new("polled", now - TimeDelta::days(9)) };
        test.emulator.seed(&[seed]).await.unwrap();
        let noon = (now - TimeDelta::days(2)).duration_trunc(TimeDelta::days(1)).unwrap() + TimeDelta::hours(12);
        let history = test.api.get(&legacy("daily", noon - TimeDelta::days(2), noon, "")).await.ok(200);
        let count = frames(&history["projects"][0]).len();
        test.finish().await;
        count
    };
    assert_eq!((daily(false).await, daily(true).await), (3, 2));
}

#[tokio::test]
async fn the_history_has_a_rate_limit_of_its_own() {
    let test = TestEmulator::with(Config { rate_limits: true, consumption_calls_per_minute: 4, ..config() }).await;
    let now = test.emulator.clock().now();
    let (current, older) = (v2("daily", now, now, "metrics=compute_unit_seconds"), legacy("daily", now, now, ""));
    for path in [&current, &older, &current, &older] {
        test.api.get(path).await.ok(200);
    }
    test.api.get(&current).await.refused(429);
    test.api.get("/projects").await.ok(200);
    test.finish().await;
}
