//! What monitoring reads: that it is well formed, that it is true, and that it is there when the ledger is not.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Doctor, Extent};
use flotilla::{state::AppState, stop::Stop};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Server, World, until};

/// Two owners have lost their databases, the brake is on, an endpoint is switched off, and the counters are wrong.
const GO_WRONG: &str = r#"
INSERT INTO findings (kind, status, subject, first_sweep, last_sweep, evidence) VALUES
  ('ghost', 'needs_operator', 'quiet-hill-1', 1, 1, '{}'),
  ('ghost', 'needs_operator', 'quiet-hill-2', 1, 1, '{}'),
  ('orphan', 'suspected', 'quiet-hill-3', 1, 1, '{}');
INSERT INTO findings (kind, status, subject, first_sweep, last_sweep, evidence, resolved_at, resolution) VALUES
  ('orphan', 'resolved', 'quiet-hill-4', 1, 1, '{}', now(), 'gone');
INSERT INTO brakes (due, cap, kinds) VALUES (12, 10, '{"orphan": 12}');
UPDATE databases SET observed_disabled = true WHERE state = 'claimed';
INSERT INTO state_deltas SELECT id, 'failed', 7 FROM pools;
"#;

/// Whoever takes the rules and the dashboard as they are gets no panel that stays empty, and no alert that never comes.
#[test]
fn alert_rules_and_dashboard_ask_for_nothing_that_nobody_tells() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = ["src", "crates"].map(|folder| literals(&root.join(folder))).concat();
    for file in ["docs/alerts.yml", "docs/dashboard.json"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let names: BTreeSet<&str> = text
            .split(|letter| !is_word(letter))
            .filter(|word| word.starts_with("flotilla_") || word.starts_with("process_"))
            .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name))
            .collect();
        assert!(names.len() > 15, "{file}: {names:?}");
        let unknown: Vec<_> = names.into_iter().filter(|name| !told.contains(&format!("\"{name}\""))).collect();
        assert_eq!(unknown, [""; 0], "{file}");
    }
    let dashboard = std::fs::read_to_string(root.join("docs/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    assert!(panels.clone().count() > 20 && panels.clone().all(|panel| panel["targets"][0]["expr"].is_string()));
}

/// All sources below a folder.
fn literals(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &literals(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

/// Series with their values.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    async fn of(server: &Server) -> Self {
        let answer = server.api(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(&answer.text().await.unwrap())
    }

    /// Reads the text as Prometheus does, and refuses what `promtool check metrics` would.
    fn read(text: &str) -> Self {
        let (mut types, mut helps, mut values) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(!words.is_empty() && helps.insert(name), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(types.insert(name, kind).is_none(), "{name} is described twice");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(values.insert(series.to_owned(), value.parse().unwrap()).is_none(), "twice: {series}");
                let name = series.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .filter_map(|part| name.strip_suffix(part))
                    .find(|family| types.get(family) == Some(&"histogram"))
                    .unwrap_or(name);
                let kind = types.get(family).unwrap_or_else(|| panic!("{name} has no type"));
                assert!(helps.contains(family), "{name} has no help");
                assert_eq!(*kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
                let words: Vec<&str> = name.split('_').collect();
                for unit in ["ms", "milliseconds", "minutes", "hours", "days", "kilobytes", "percent"] {
                    assert!(!words.contains(&unit), "{name} is not in a base unit");
                }
            }
        }
        Self(values)
    }

    fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0.keys()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_what_has_happened_and_how_the_fleet_stands() {
    let world = World::with_pool(2).await;
    let before = world.serve().await;
    before.until_available(2).await;
    before.stop().await;
    // It finds projects to sweep over at once, and counts from zero.
    let server = world.serve().await;
    let (status, _) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED);
    server.claim("ada").await;
    let wrong = json!({ "owner": { "id": "bob", "email": "bob@mail.example", "plan": "no-such-plan" } });
    assert_eq!(server.claim_with(wrong, None).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    server.until_available(2).await;
    until("the duties and the sweep are told", || async {
        let scrape = Scrape::of(&server).await;
        [
            "flotilla_sync_last_sweep_timestamp_seconds",
            "flotilla_duty_last_finished_timestamp_seconds{duty=\"sample\"}",
            "flotilla_doctor_last_run_timestamp_seconds",
        ]
        .iter()
        .all(|series| scrape.0.contains_key(*series))
    })
    .await;
    let scrape = Scrape::of(&server).await;
    let expected = [
        ("flotilla_ledger_up", 1.0),
        ("flotilla_neon_up", 1.0),
        ("flotilla_claims_total{kind=\"warm\",outcome=\"served\"}", 1.0),
        ("flotilla_claims_total{kind=\"warm\",outcome=\"repeated\"}", 1.0),
        ("flotilla_claims_total{kind=\"none\",outcome=\"refused\"}", 1.0),
        ("flotilla_claim_seconds_count{kind=\"warm\"}", 1.0),
        ("flotilla_claim_seconds_count{kind=\"cold\"}", 0.0),
        ("flotilla_databases{pool=\"standard\",state=\"available\"}", 2.0),
        ("flotilla_databases{pool=\"standard\",state=\"claimed\"}", 1.0),
        ("flotilla_pool_available{pool=\"standard\"}", 2.0),
        ("flotilla_pool_target{pool=\"standard\"}", 2.0),
        ("flotilla_pool_waiting_claims{pool=\"standard\"}", 0.0),
        // One claim in the last hour, two databases left.
        ("flotilla_pool_cover_seconds{pool=\"standard\"}", 7_200.0),
        ("flotilla_duty_failures_in_a_row{duty=\"refill\"}", 0.0),
        ("flotilla_neon_calls_total{class=\"refill\",method=\"POST\",route=\"/projects\",status=\"201\"}", 1.0),
        ("flotilla_neon_call_limit", 700.0),
        ("flotilla_findings{kind=\"ghost\",status=\"needs_operator\"}", 0.0),
        ("flotilla_reconcile_brake_on", 0.0),
        ("flotilla_invariant_violated{invariant=\"one-row-per-project\"}", 0.0),
        ("flotilla_http_request_seconds_count{method=\"POST\",route=\"/api/v1/claims\",status=\"2xx\"}", 2.0),
        ("flotilla_http_request_seconds_count{method=\"POST\",route=\"/api/v1/claims\",status=\"4xx\"}", 1.0),
        (concat!("flotilla_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(scrape.value(series), value, "{series}");
    }
    assert!(scrape.value("flotilla_duty_runs_total{duty=\"provision\",outcome=\"done\"}") >= 1.0);
    assert!(scrape.value("process_resident_memory_bytes") > 1e6);
    // Buckets are cumulative: the last one holds every claim.
    assert_eq!(scrape.value("flotilla_claim_seconds_bucket{kind=\"warm\",le=\"300\"}"), 1.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waited_counts_as_cold_however_its_caller_waited() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    let (status, _) = server.claim("ada").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let body = json!({ "owner": { "id": "bob", "email": "bob@mail.example" }, "wait_seconds": 30 });
    let (status, claim) = server.claim_with(body, None).await;
    assert_eq!((status, &claim["kind"]), (StatusCode::CREATED, &json!("cold")));
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.value("flotilla_claims_total{kind=\"cold\",outcome=\"waiting\"}"), 2.0);
    assert_eq!(scrape.value("flotilla_claims_total{kind=\"cold\",outcome=\"served\"}"), 2.0);
    assert_eq!(scrape.value("flotilla_claim_seconds_count{kind=\"cold\"}"), 2.0);
    assert_eq!(scrape.value("flotilla_claim_seconds_count{kind=\"warm\"}"), 0.0);
    assert!(scrape.value("flotilla_claim_seconds_sum{kind=\"cold\"}") > 0.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_can_be_alerted_on() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let (status, _) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED);
    let before = Scrape::of(&server).await;
    assert_eq!(before.value("flotilla_reconcile_brake_on"), 0.0);
    assert!(!before.0.contains_key("flotilla_doctor_last_run_timestamp_seconds"), "it has not run yet");

    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    ledger.execute(GO_WRONG).await.unwrap();
    let examined = Doctor::new(world.ledger.clone()).examine(Extent::LedgerOnly, "test").await.unwrap();
    let scrape = Scrape::of(&server).await;
    let expected = [
        ("flotilla_findings{kind=\"ghost\",status=\"needs_operator\"}", 2.0),
        ("flotilla_findings{kind=\"orphan\",status=\"suspected\"}", 1.0),
        ("flotilla_findings{kind=\"half-born\",status=\"ignored\"}", 0.0),
        ("flotilla_reconcile_brake_on", 1.0),
        ("flotilla_invariant_violated{invariant=\"counts-agree\"}", 1.0),
        ("flotilla_invariant_violated{invariant=\"one-row-per-project\"}", 0.0),
        ("flotilla_databases_blocked{reason=\"endpoint_disabled\"}", 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(scrape.value(series), value, "{series}");
    }
    let finished_at = examined.finished_at.timestamp_millis() as f64 / 1_000.0;
    assert_eq!(scrape.value("flotilla_doctor_last_run_timestamp_seconds"), finished_at);
    assert!(!scrape.0.keys().any(|series| series.contains("resolved")), "what is resolved is told");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_answers_without_a_token_also_when_the_ledger_is_gone() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = Stop::default();
    let state = AppState { stop: stop.clone(), ..server.state.clone() };
    let served = tokio::spawn(flotilla::http::serve_metrics(state, listener));
    let scrape = async || Scrape::read(&reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap());
    assert_eq!(scrape().await.value("flotilla_ledger_up"), 1.0);
    for hidden in ["/", "/databases", "/api/v1/pools", "/rpc/fleet-health"] {
        assert_eq!(reqwest::get(format!("{url}{hidden}")).await.unwrap().status(), StatusCode::NOT_FOUND, "{hidden}");
    }
    server.state.ledger.close().await;
    let without = scrape().await;
    assert_eq!(without.value("flotilla_ledger_up"), 0.0);
    assert!(!without.0.keys().any(|series| series.starts_with("flotilla_pool_")), "nothing stale is told");
    stop.end();
    served.await.unwrap();
    server.stop().await;
}
