//! S2: random histories of claims, changes, releases, lost answers, refusals, crashes and restarts. What must always hold is checked after every step, and
//! after the last one, when faults have ended, that ledger and Neon agree.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ledger::By;
use neon_emulator::{Fault, Rule};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    ledger::{Behind, clear_server},
    scenario::{Scenario, sized, within},
    support::{Server, World},
};

const OWNERS: usize = 4;
const POOL: i32 = 2;
/// A few calls that fail, one after another, and the tries that follow.
const NOT_PROVEN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Step {
    Claim(usize),
    Release(usize),
    Quota(usize, i64),
    Suspend(usize),
    Resume(usize),
    /// The answers to the next creations are lost.
    LoseAnswers(u32),
    /// The next calls fail.
    FailCalls(u32),
    SetTarget(i32),
    /// The table of databases and the pools are read.
    List,
    /// The process dies between two instructions, and is started again.
    Crash,
    /// An orderly stop and start.
    Restart,
    /// The duties get to run; whatever waits is due.
    TimePasses,
}

fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let owner = 0..OWNERS;
    let step = prop_oneof![
        6 => owner.clone().prop_map(Step::Claim),
        3 => owner.clone().prop_map(Step::Release),
        2 => (owner.clone(), 1..5_i64).prop_map(|(owner, gib)| Step::Quota(owner, gib)),
        1 => owner.clone().prop_map(Step::Suspend),
        1 => owner.prop_map(Step::Resume),
        1 => (1..3_u32).prop_map(Step::LoseAnswers),
        1 => (1..3_u32).prop_map(Step::FailCalls),
        1 => (0..4).prop_map(Step::SetTarget),
        1 => Just(Step::List),
        2 => Just(Step::Crash),
        1 => Just(Step::Restart),
        4 => Just(Step::TimePasses),
    ];
    vec(step, length..=length)
}

#[test]
fn s2_what_must_hold_holds_after_every_step_of_any_history() {
    let (cases, length) = sized((3, 25), (60, 60));
    let scenario = Scenario::begin("S2", format!("{cases} histories of {length} steps"));
    let config = Config { cases, max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    // Another seed each time in full size; the same ones in every test run.
    let rng = match crate::scenario::is_full() {
        true => TestRng::from_seed(RngAlgorithm::ChaCha, &seed_of_now()),
        false => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outside = Runtime::new().unwrap();
    let outcome = runner.run(&steps(length), |steps| {
        let outcome = outside.block_on(live(&steps)).map_err(|why| TestCaseError::fail(why.to_string()));
        outside.block_on(clear_server());
        outcome
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    scenario.passed("the invariants held after each step, and ledger and Neon agreed at each end");
}

fn seed_of_now() -> [u8; 32] {
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(one.as_bytes());
    seed[16..].copy_from_slice(two.as_bytes());
    seed
}

/// A server in a runtime of its own: to let go of the runtime is to die, every task where it stands.
struct Process {
    runtime: Option<Runtime>,
    server: Option<Server>,
}

impl Process {
    async fn start(world: &Arc<World>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = world.clone();
        let server = runtime.spawn(async move { world.serve().await }).await.unwrap();
        Self { runtime: Some(runtime), server: Some(server) }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    async fn stop(mut self) {
        self.server.take().unwrap().stop().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the platform knows: who was told which database, and which quota was accepted.
#[derive(Default)]
struct Platform {
    held: BTreeMap<usize, String>,
    quotas: BTreeMap<String, i64>,
    given_up: Vec<String>,
}

async fn live(steps: &[Step]) -> anyhow::Result<()> {
    let world = Arc::new(World::with_pool(POOL).await);
    let behind = Behind::of(&world).await;
    let mut process = Process::start(&world).await;
    let mut platform = Platform::default();
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Crash | Step::Restart => {
                if matches!(step, Step::Restart) {
                    process.stop().await;
                } else {
                    drop(process);
                }
                dead_leases_run_out(&behind).await;
                process = Process::start(&world).await;
            }
            step => platform.take(*step, process.server(), &world, &behind).await?,
        }
        let violations = world.ledger.violations().await?;
        anyhow::ensure!(violations.is_empty(), "after step {number}, {step:?}: {violations:?}");
    }
    world.emulator.faults().clear();
    let _time = behind.time_lapse();
    within(Duration::from_secs(300), "everything is at rest", || async {
        for id in behind.ids("SELECT id FROM databases WHERE state = 'failed'").await {
            let _ = world.ledger.release(id, &By::cli()).await;
        }
        behind.restless().await.is_empty()
    })
    .await;
    platform.agrees(process.server(), &world).await?;
    world.assert_sound().await;
    Ok(())
}

/// The tasks of a process that died in this one hold nothing any more, once what they had sent is done.
async fn dead_leases_run_out(behind: &Behind) {
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'flotilla' AND state = 'active'";
    within(Duration::from_secs(120), "nothing runs in the ledger", || async { behind.number(busy).await == 0 }).await;
    behind.leases_run_out().await;
}

/// After a crash a start asks Neon before it hands out, and tells claims to come back meanwhile: for as long as calls fail, and the next try takes.
async fn claim_until_heard(server: &Server, owner: usize) -> (StatusCode, serde_json::Value) {
    let end = Instant::now() + NOT_PROVEN_TIMEOUT;
    loop {
        let (status, claim) = server.claim(&format!("owner-{owner}")).await;
        if status != StatusCode::SERVICE_UNAVAILABLE || Instant::now() > end {
            return (status, claim);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Platform {
    async fn take(&mut self, step: Step, server: &Server, world: &World, behind: &Behind) -> anyhow::Result<()> {
        let faults = world.emulator.faults();
        match step {
            Step::Claim(owner) => self.claim(owner, server).await?,
            Step::Release(owner) => {
                if let Some(id) = self.held.remove(&owner) {
                    self.act(server, Method::POST, &id, "release", json!({})).await?;
                    self.quotas.remove(&id);
                    self.given_up.push(id);
                }
            }
            Step::Quota(owner, gib) => {
                if let Some(id) = self.held.get(&owner).cloned() {
                    let bytes = gib << 30;
                    let body = json!({ "logical_size_bytes": bytes, "reason": "a test" });
                    self.act(server, Method::PATCH, &id, "quota", body).await?;
                    self.quotas.insert(id, bytes);
                }
            }
            Step::Suspend(owner) | Step::Resume(owner) => {
                if let Some(id) = self.held.get(&owner).cloned() {
                    let action = if matches!(step, Step::Suspend(_)) { "suspend" } else { "resume" };
                    self.act(server, Method::POST, &id, action, json!({})).await?;
                }
            }
            Step::LoseAnswers(times) => faults.add(Rule::new(Fault::AnswerLost).on("POST", "/projects").times(times)),
            Step::FailCalls(times) => faults.add(Rule::new(Fault::status(500)).times(times)),
            Step::SetTarget(target) => world.ledger.set_target("standard", target, &By::cli()).await?,
            Step::List => {
                for path in ["/api/v1/databases?limit=5", "/api/v1/pools"] {
                    let answer = server.api(Method::GET, path).send().await?;
                    anyhow::ensure!(answer.status() == StatusCode::OK, "GET {path}: {}", answer.status());
                }
            }
            Step::TimePasses => {
                behind.back_off_passes().await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Step::Crash | Step::Restart => {}
        }
        Ok(())
    }

    /// The same owner is told the same database until it is given up, and nobody is told one that somebody else was told.
    async fn claim(&mut self, owner: usize, server: &Server) -> anyhow::Result<()> {
        let (status, claim) = claim_until_heard(server, owner).await;
        anyhow::ensure!(status.is_success(), "claim of {owner}: {status} {claim}");
        let Some(id) = claim["database"]["id"].as_str() else { return Ok(()) };
        if let Some(before) = self.held.get(&owner) {
            anyhow::ensure!(before == id, "owner {owner} was told {before}, and now {id}");
            return Ok(());
        }
        let is_fresh = !self.given_up.iter().chain(self.held.values()).any(|told| told == id);
        anyhow::ensure!(is_fresh, "{id} is told to owner {owner}, but somebody was told it before");
        self.held.insert(owner, id.to_owned());
        Ok(())
    }

    async fn act(
        &self,
        server: &Server,
        method: Method,
        id: &str,
        what: &str,
        body: serde_json::Value,
    ) -> anyhow::Result<()> {
        let answer = server.api(method, &format!("/api/v1/databases/{id}/{what}")).json(&body).send().await?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "{what} of {id}: {status} {}", answer.text().await?);
        Ok(())
    }

    /// At the end everybody holds what they were told, with the quota that was accepted.
    async fn agrees(&self, server: &Server, world: &World) -> anyhow::Result<()> {
        let projects = world.emulator.projects().await?;
        for (owner, told) in &self.held {
            let (status, claim) = server.claim(&format!("owner-{owner}")).await;
            anyhow::ensure!(
                status == StatusCode::OK && claim["database"]["id"] == json!(told),
                "owner {owner}: {status} {claim}"
            );
            let Some(quota) = self.quotas.get(told) else { continue };
            let project = projects.iter().find(|project| claim["database"]["neon_project_id"] == json!(project.id));
            let on_neon = project.and_then(|project| project.quota.logical_size_bytes);
            anyhow::ensure!(on_neon == Some(*quota), "quota of {told}: {on_neon:?} on Neon, {quota} wanted");
        }
        Ok(())
    }
}
