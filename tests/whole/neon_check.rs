//! `flotilla neon check`, as a process beside an emulated Neon that answers what nobody knows in one way or another: its table says which. Whatever goes
//! wrong, its project is gone afterwards, and no secret is in what it prints.

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use neon_emulator::{
    Config, DEFAULT_ORG, Emulator, Fault, Key, Organization, Plan, Rule, SeedProject, SeedUsage, Unknowns,
};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::{NEON_KEY, World, emulator, until};

const PREFIX: &str = "flotilla-neon-check-";
/// Far longer than it takes to delete a project, and shorter than the checks would go on.
const SOON: Duration = Duration::from_secs(60);

fn command(emulator: &Emulator, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(["neon", "check"]).args(arguments).env_clear();
    command.env("NEON_API_KEY", NEON_KEY).env("NEON_API_HOST", emulator.api_url());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it prints, after looking that nothing of the account is in it and that its project is gone.
async fn checked(emulator: &Emulator, arguments: &[&str]) -> (Output, String) {
    let mut command = command(emulator, arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    for secret in ["npg_", "napi_", "postgres://", "postgresql://"] {
        assert!(!table.contains(secret) && !said.contains(secret), "{secret} is in:\n{table}\n{said}");
    }
    for project in emulator.projects().await.unwrap() {
        let of_account = [&project.id, &project.name, &project.endpoint_id, &String::from(DEFAULT_ORG)];
        assert!(of_account.iter().all(|text| !table.contains(text.as_str())), "{project:?} is told by:\n{table}");
    }
    assert_eq!(left(emulator).await, [""; 0], "{table}\n{said}");
    (output, said)
}

/// Names of projects of checks that are alive and not seeded.
async fn left(emulator: &Emulator) -> Vec<String> {
    let projects = emulator.projects().await.unwrap().into_iter();
    let own = projects.filter(|project| !project.deleted && project.name.starts_with(PREFIX));
    own.map(|project| project.name).filter(|name| !name.contains("0000")).collect()
}

/// The rows by name.
fn rows(output: &Output) -> BTreeMap<String, Value> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["checks"].as_array().unwrap().iter();
    rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect()
}

/// The names of the rows with this verdict.
fn with_verdict<'a>(rows: &'a BTreeMap<String, Value>, verdict: &str) -> Vec<&'a str> {
    rows.iter().filter(|(_, row)| row["verdict"] == verdict).map(|(name, _)| name.as_str()).collect()
}

fn project(name: &str, age: TimeDelta, last_active: Option<DateTime<Utc>>) -> SeedProject {
    SeedProject {
        name: name.into(),
        org_id: None,
        region_id: "aws-us-east-1".into(),
        pg_version: 17,
        created_at: Utc::now() - age,
        last_active,
        logical_size_bytes: 40_000_000,
        quota: None,
        min_cu: 0.25,
        max_cu: 0.25,
        suspend_timeout_seconds: 0,
        active: false,
        usage: SeedUsage { active_time_seconds: 600, compute_time_seconds: 150, ..SeedUsage::default() },
        pattern: None,
        pattern_seed: 0,
    }
}

/// An account in which somebody's database was used two hours ago. A check finds its own project busy, and quotas are noticed at once.
async fn account(unknowns: Unknowns) -> Emulator {
    let emulator = emulator(|config| {
        config.unknowns = unknowns;
        config.operation_time_scale = 0.15;
        config.quota_lag = Duration::ZERO;
    })
    .await;
    let used = project("somebody's", TimeDelta::days(90), Some(Utc::now() - TimeDelta::hours(2)));
    emulator.seed(&[used]).await.unwrap();
    emulator
}

/// In the first hours of a month nothing has been counted in it yet.
fn is_early() -> bool {
    Utc::now().day() == 1 && Utc::now().hour() < 3
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_where_neon_is_not_as_expected_and_how_an_emulator_does_the_same() {
    let emulator = account(Unknowns::default()).await;
    let (output, said) = checked(&emulator, &["--yes", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{said}");
    let usual = rows(&output);
    let untried = if is_early() { vec!["counters"] } else { vec![] };
    assert_eq!(with_verdict(&usual, "could not be tried"), untried, "{usual:#?}");
    assert_eq!(with_verdict(&usual, "differs"), [""; 0], "{usual:#?}");
    for name in ["quota-patch", "password", "recovery", "quota-used-up"] {
        let row = &usual[name];
        assert!(
            ["tried", "documented", "source", "answered"].iter().all(|field| row[*field].as_str().unwrap().len() > 3)
        );
    }
    emulator.shutdown().await.unwrap();

    let unknowns = Unknowns {
        quota_patch_merges: true,
        pooled_by_default: true,
        second_deletion_is_404: true,
        counters_stay_zero: true,
        locked_code: Some(String::from("PROJECT_LOCKED")),
        quota_refusal_status: Some(403),
        ..Unknowns::default()
    };
    let emulator = account(unknowns).await;
    let lag = Fault::ListLag { list_lag_seconds: 3 };
    emulator.faults().add(Rule::new(lag));
    let (output, said) = checked(&emulator, &["--yes", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{said}");
    let other = rows(&output);
    let mut differing = vec![
        ("busy-project", "locked-code=PROJECT_LOCKED"),
        ("connection-string", "pooled-by-default"),
        ("counters", "counters-stay-zero"),
        ("deleted-project", "second-deletion-is-404"),
        ("name-lookup", ""),
        ("quota-patch", "quota-patch-merges"),
        ("quota-used-up", "quota-refusal-status=403"),
    ];
    differing.retain(|(name, _)| *name != "counters" || !is_early());
    let names: Vec<&str> = differing.iter().map(|(name, _)| *name).collect();
    assert_eq!(with_verdict(&other, "differs"), names, "{other:#?}");
    for (name, switch) in differing {
        assert_eq!(other[name]["emulator_switch"].as_str().unwrap_or_default(), switch, "{name}");
    }
    emulator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_table_with_what_was_tried_and_where_it_is_documented() {
    let emulator = account(Unknowns { quota_patch_merges: true, ..Unknowns::default() }).await;
    let (output, said) = checked(&emulator, &["--yes"]).await;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for text in
        ["it is merged", "OpenAPI: createProject", "neon-emulator --unknown quota-patch-merges", "its project is gone"]
    {
        assert!(table.contains(text), "{text} is not in\n{table}");
    }
    let line = table.lines().find(|line| line.starts_with("quota-patch")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("differs"), "{table}");
    assert!(said.contains("US cents") && said.contains("calls to Neon's API at most"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_and_without_yes_nothing_is_done() {
    let emulator = emulator(|_| {}).await;
    let (output, said) = checked(&emulator, &[]).await;
    assert_eq!((output.status.code(), emulator.stats().total), (Some(1), 0));
    assert!(said.contains("Nothing was done") && said.contains("--yes") && output.stdout.is_empty(), "{said}");
}

/// Where no project can be made, what needs none is tried all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_neon_refuses_is_told_with_its_reason() {
    let emulator = emulator(|_| {}).await;
    for status in [402, 403, 422, 429] {
        emulator.faults().set(vec![Rule::new(Fault::status(status)).on("POST", "/projects")]);
        let (output, said) = checked(&emulator, &["--yes", "--json"]).await;
        let rows = rows(&output);
        assert_eq!(rows["creation"]["verdict"], "could not be tried", "{said}");
        assert!(rows["creation"]["answered"].as_str().unwrap().contains(&status.to_string()), "{:?}", rows["creation"]);
        assert_eq!(rows["recovery"]["answered"], "there is no project to try it on");
        assert_eq!(rows["missing-project"]["verdict"], "as expected");
    }
    emulator.shutdown().await.unwrap();

    let full = crate::support::emulator(|config| {
        config.organizations = vec![Organization::new(DEFAULT_ORG).on(Plan::Launch).holding(0)];
    })
    .await;
    let (output, _) = checked(&full, &["--yes", "--json"]).await;
    assert!(rows(&output)["creation"]["answered"].as_str().unwrap().contains("PROJECTS_LIMIT_EXCEEDED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_on_the_way_the_project_is_gone_afterwards() {
    let emulator = emulator(|_| {}).await;
    let each = |status: u16, method: &str, route: &str| Rule::new(Fault::status(status)).on(method, route);
    let (projects, one) = ("/projects", "/projects/{project_id}");
    let ways: [(&str, Vec<Rule>); 6] = [
        ("the creation's answer is lost", vec![Rule::new(Fault::AnswerLost).on("POST", projects).times(1)]),
        (
            "the creation answers with an error, and is done",
            vec![
                Rule::new(Fault::Status { status: 500, retry_after_seconds: None, after_work: true })
                    .on("POST", projects)
                    .times(1),
            ],
        ),
        ("the creation's answer is a web page", vec![Rule::new(Fault::Html).on("POST", projects).times(1)]),
        ("no change is taken", vec![each(403, "PATCH", one)]),
        ("nothing can be read", vec![each(500, "GET", one), each(500, "GET", "/projects/{project_id}/operations")]),
        (
            "deletions fail at first",
            vec![
                each(503, "DELETE", one).times(1),
                each(423, "DELETE", one).times(2),
                each(500, "DELETE", one).times(2),
            ],
        ),
    ];
    for (way, rules) in ways {
        emulator.faults().set(rules);
        let (output, said) = checked(&emulator, &["--yes", "--json"]).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["is_clean"], true, "{way}: {said}");
        let made = emulator.projects().await.unwrap().iter().filter(|project| project.deleted).count();
        assert!(made > 0, "{way}: none was made, so this shows nothing");
    }
    emulator.faults().set(vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_cannot_be_deleted_is_named_to_whoever_runs_it() {
    let emulator = emulator(|_| {}).await;
    // What it needs is refused, so that it comes to its end soon.
    let projects = "/projects/{project_id}";
    emulator.faults().set(vec![
        Rule::new(Fault::status(403)).on("DELETE", projects),
        Rule::new(Fault::status(403)).on("PATCH", projects),
    ]);
    let mut command = command(&emulator, &["--yes", "--json"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let living = emulator.projects().await.unwrap();
    assert_eq!((output.status.code(), living.len()), (Some(1), 1), "{said}");
    assert!(said.contains(&living[0].id) && said.contains("may still be on Neon"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&living[0].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_with_its_project_deleted_and_what_is_known_so_far() {
    // Its operations alone take longer than the end may.
    let emulator = emulator(|config| config.operation_time_scale = 1.0).await;
    let child = command(&emulator, &["--yes", "--json", "--wait-minutes", "60"]).spawn().unwrap();
    until("it has made its project", || async { !left(&emulator).await.is_empty() }).await;
    let start = Instant::now();
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert!(start.elapsed() < SOON);
    assert_eq!(left(&emulator).await, [""; 0]);
    let rows = rows(&output);
    assert_eq!(rows["creation"]["verdict"], "as expected", "{rows:#?}");
    assert_eq!(rows["recovery"]["answered"], "the check was stopped before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_check_left_is_deleted_and_nothing_else_is() {
    let emulator = emulator(|_| {}).await;
    let seeds = [
        (format!("{PREFIX}0000000000000001"), TimeDelta::hours(3)),
        // Another check may run just now.
        (format!("{PREFIX}0000000000000002"), TimeDelta::minutes(5)),
        (format!("{PREFIX}0000-notes"), TimeDelta::hours(3)),
        (String::from("flotilla-13ae773e-0192d3a4-7b1c-7e55-8f00-0123456789ab"), TimeDelta::hours(3)),
    ];
    let seeds: Vec<SeedProject> = seeds.into_iter().map(|(name, age)| project(&name, age, None)).collect();
    emulator.seed(&seeds).await.unwrap();
    emulator.faults().set(vec![Rule::new(Fault::status(422)).on("POST", "/projects")]);
    let mut command = command(&emulator, &["--yes", "--json"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let projects = emulator.projects().await.unwrap();
    let is_deleted = |seed: &SeedProject| projects.iter().find(|one| one.name == seed.name).unwrap().deleted;
    assert_eq!(seeds.iter().map(is_deleted).collect::<Vec<_>>(), [true, false, false, false], "{said}");
    assert!(said.contains("0000000000000002: younger than two hours"), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["leftovers_deleted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_key_without_an_organisation_is_told_what_is_missing() {
    let emulator = emulator(|config: &mut Config| config.api_keys = vec![Key::personal(NEON_KEY)]).await;
    let (output, said) = checked(&emulator, &["--yes"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("org_id is required"), "{said}");
    let mut command = command(&emulator, &["--yes", "--json"]);
    command.env("NEON_ORG_ID", DEFAULT_ORG);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(rows(&output)["creation"]["verdict"], "as expected");
    assert_eq!(left(&emulator).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_project_is_no_database_and_no_orphan_of_any_installation() {
    let world = World::with_pool(0).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let whose: String = sqlx::query_scalar("SELECT name_belongs_to($1)")
        .bind(format!("{PREFIX}a1b2c3d4e5f60718"))
        .fetch_one(&mut ledger)
        .await
        .unwrap();
    assert_eq!(whose, "stray");
}
