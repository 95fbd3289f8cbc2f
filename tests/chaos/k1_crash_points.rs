//! K1: a crash at every step of every duty. The code enumerates its steps; one that is never reached fails.
//!
//! A process is started that dies at the step. A client goes on with an ordinary day meanwhile: claims, one of which has to wait; changed quotas and compute
//! settings; suspensions; creations that are lost, refused and given up; releases. In the background there is something to do for every duty. A supervisor
//! starts the process again. Afterwards nothing may be left over, doubled or stuck, in the ledger or on Neon.

use std::{
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engine::CrashPoint;
use ledger::By;
use neon_emulator::{Fault, Rule};
use reqwest::Method;
use secrets::Secrets;
use serde_json::json;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{
    background,
    ledger::Behind,
    process::{Caller, Replica, free_port},
    scenario::{Scenario, is_full, sized, within},
    support::World,
};

/// Crash points are tried in so many worlds side by side.
const LANES: usize = 4;
/// In the full form a dead process holds its leases for as long as they last: two minutes, ten where it acted on findings.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(300);
const LONG_SCENARIO_TIMEOUT: Duration = Duration::from_secs(900);
const SIGABRT: i32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn k1_a_crash_at_every_step_leaves_nothing_apart() {
    let hits = sized(1, 3);
    let scenario = Scenario::begin("K1", format!("{} crash points, up to {hits} hit(s) each", CrashPoint::ALL.len()));
    let rounds: Vec<(CrashPoint, u32)> =
        (1..=hits).flat_map(|hit| CrashPoint::ALL.iter().map(move |point| (*point, hit))).filter(may_be_hit).collect();
    let mut lanes = JoinSet::new();
    for lane in 0..sized(LANES, LANES * 3) {
        let mine: Vec<_> = rounds.iter().copied().skip(lane).step_by(sized(LANES, LANES * 3)).collect();
        lanes.spawn(async move {
            let mut world = World::with_pool(2).await;
            world.previous_keys.push(Secrets::generate_key());
            let world = Arc::new(world);
            background::make_pools(&world).await;
            let mut crashes = 0;
            for (point, hit) in mine {
                crashes += usize::from(round(&world, point, hit).await);
            }
            crashes
        });
    }
    let crashes: usize = lanes.join_all().await.into_iter().sum();
    scenario.passed(format!("{crashes} crashes, each mended: no orphan, ghost, duplicate or stuck row"));
}

/// Duties of the background may do each thing once.
fn may_be_hit((point, hit): &(CrashPoint, u32)) -> bool {
    *hit == 1 || !background::PARTS.contains(&point.part())
}

/// A day with a crash. Answers whether there was one: each step must be reached once, but a day need not lead to it again.
async fn round(world: &Arc<World>, point: CrashPoint, hit: u32) -> bool {
    let behind = Behind::of(world).await;
    background::arrange(world, &behind).await;
    let swept_before = behind.number(background::SWEEPS).await;
    let _time = behind.time_lapse_and(background::TIME_PASSES);
    let supervisor = Supervisor::start(world.clone(), behind.clone(), point, hit);
    let mut caller = Caller::of(world, std::slice::from_ref(&supervisor.url)).await;
    // A claim that found the pool empty may wait for a row that the dead process holds.
    caller.timeout = SCENARIO_TIMEOUT;
    let day = Day { world, behind: &behind, caller: &caller, swept_before, name: format!("{}-{hit}", point.name()) };
    day.go_through(&supervisor).await;
    // What is seen of a step may be seen before the process comes to the step itself, and its death is noticed later still.
    day.settle(|| (hit == 1 && !supervisor.has_crashed()).then(|| format!("{} was not reached", point.name()))).await;
    let crashed = supervisor.stop().await;
    world.assert_sound().await;
    crashed
}

/// Starts the process again when it dies.
struct Supervisor {
    url: String,
    crashed: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervisor {
    fn start(world: Arc<World>, behind: Behind, point: CrashPoint, hit: u32) -> Self {
        let port = free_port();
        let target = format!("{}:{hit}", point.name());
        let mut replica = Replica::start(&world, port, &[("FLOTILLA_CRASH_AT", &target)]);
        let (url, crashed) = (replica.url.clone(), Arc::new(AtomicBool::new(false)));
        let (stop, mut stopped) = oneshot::channel();
        let has_crashed = crashed.clone();
        let task = tokio::spawn(async move {
            let asked_to_stop = loop {
                match stopped.try_recv() {
                    Ok(()) => break true,
                    Err(oneshot::error::TryRecvError::Closed) => break false,
                    Err(oneshot::error::TryRecvError::Empty) => {}
                }
                if let Some(status) = replica.ended() {
                    let log = replica.log();
                    let reached = log.contains(&format!("crash point {} reached", point.name()));
                    assert!(status.signal() == Some(SIGABRT) && reached, "{target}: {status}\n{log}");
                    if !is_full() || hit > 1 {
                        behind.leases_run_out().await;
                    }
                    replica = Replica::start(&world, port, &[]);
                    has_crashed.store(true, Ordering::SeqCst);
                }
                sleep(Duration::from_millis(20)).await;
            };
            replica.kill();
            // Nobody has asked to stop: the test has failed.
            if !asked_to_stop {
                replica.tell();
            }
            behind.leases_run_out().await;
        });
        Self { url, crashed, stop, task }
    }

    /// Whether the process had died, and was started again.
    fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    async fn stop(self) -> bool {
        let crashed = self.has_crashed();
        let _ = self.stop.send(());
        self.task.await.unwrap();
        crashed
    }
}

/// What a platform and its operators do, so that every step is reached.
struct Day<'a> {
    world: &'a World,
    behind: &'a Behind,
    caller: &'a Caller,
    /// Sweeps that were complete before the day.
    swept_before: i64,
    name: String,
}

impl Day<'_> {
    /// Until the process has died; the rest of the day would show nothing more. In the full form the whole day.
    async fn go_through(&self, supervisor: &Supervisor) {
        let is_over = || !is_full() && supervisor.has_crashed();
        let owners = ["ada", "bob", "eve"].map(|owner| format!("{owner}-{}", self.name));
        self.claims_more_than_the_pool_has(&owners).await;
        if !is_over() {
            self.changes(&owners[0]).await;
        }
        if !is_over() {
            self.refused_creations(&format!("zoe-{}", self.name)).await;
        }
        for owner in &owners {
            let id = self.claim(owner).await;
            self.caller.call(Method::POST, &format!("/api/v1/databases/{id}/release"), json!({})).await;
        }
    }

    /// Claims from the pool and past it; the answer to the first creation is lost.
    async fn claims_more_than_the_pool_has(&self, owners: &[String; 3]) {
        self.world.emulator.faults().add(Rule::new(Fault::AnswerLost).on("POST", "/projects").times(1));
        let [one, two, three] = owners;
        tokio::join!(self.claim(one), self.claim(two), self.claim(three));
    }

    /// A quota that Neon does not take at first, compute settings, a suspension, a start, and a new password.
    async fn changes(&self, owner: &str) {
        let id = self.claim(owner).await;
        let path = format!("/api/v1/databases/{id}");
        self.world.emulator.faults().add(Rule::new(Fault::status(500)).on("PATCH", "/projects/{project_id}").times(1));
        let quota = json!({ "logical_size_bytes": 1_073_741_824_i64, "reason": "bigger" });
        self.caller.call(Method::PATCH, &format!("{path}/quota"), quota).await;
        self.applied(&id).await;
        self.world.ledger.set_suspend_timeout(id.parse().unwrap(), 120, &By::cli()).await.unwrap();
        self.applied(&id).await;
        for action in ["suspend", "resume", "rotate-password"] {
            self.caller.call(Method::POST, &format!("{path}/{action}"), json!({})).await;
            self.applied(&id).await;
        }
    }

    async fn claim(&self, owner: &str) -> String {
        match self.caller.try_claim(owner).await {
            Some(id) => id,
            None => panic!("{owner} was never served: {:#?}", self.behind.restless().await),
        }
    }

    async fn applied(&self, id: &str) {
        let id = id.parse().unwrap();
        within(SCENARIO_TIMEOUT, "the change is applied", || async {
            self.world.ledger.database(id).await.is_ok_and(|database| !database.row.pending)
        })
        .await;
    }

    /// Neon refuses to create until a row is given up, as if it had been tried seven times before; then that row is released.
    async fn refused_creations(&self, owner: &str) {
        // The claim is served from the pool; its replacement is what is refused.
        let ready =
            "SELECT count(*) FROM databases JOIN pools ON pools.id = pool_id WHERE is_default AND state = 'available'";
        within(SCENARIO_TIMEOUT, "the pool has a database", || async { self.behind.number(ready).await > 0 }).await;
        self.world.emulator.faults().set(vec![Rule::new(Fault::status(500)).on("POST", "/projects")]);
        self.claim(owner).await;
        within(SCENARIO_TIMEOUT, "a creation is given up", || async {
            self.behind
                .run("UPDATE databases SET attempts = 7 WHERE state = 'creating' AND attempts BETWEEN 1 AND 6")
                .await;
            self.behind.number("SELECT count(*) FROM databases WHERE state = 'failed'").await > 0
        })
        .await;
        self.world.emulator.faults().clear();
        let id = self.claim(owner).await;
        self.caller.call(Method::POST, &format!("/api/v1/databases/{id}/release"), json!({})).await;
        self.release_failed().await;
    }

    async fn release_failed(&self) {
        for id in self.behind.ids("SELECT id FROM databases WHERE state = 'failed'").await {
            self.caller.call(Method::POST, &format!("/api/v1/databases/{id}/release"), json!({})).await;
        }
    }

    /// What a dead process had asked for may be made after everybody has looked for it: then sweeps find it, and reconciliation ends it. What a start has set
    /// aside because Neon does not know it is seen by the sweep after that.
    async fn mismatches(&self) -> Vec<String> {
        let known = self.world.ledger.living_projects().await.unwrap();
        let projects = self.world.living_on_neon().await;
        let unknown = projects.iter().filter(|project| !known.contains(&project.id));
        let gone = known.iter().filter(|id| projects.iter().all(|project| project.id != **id));
        unknown
            .map(|project| format!("{} ({}) is not known", project.id, project.name))
            .chain(gone.map(|id| format!("{id} is not on Neon")))
            .collect()
    }

    /// Faults end; everything comes to rest, and what is `awaited` has come.
    async fn settle(&self, awaited: impl Fn() -> Option<String>) {
        self.world.emulator.faults().clear();
        let mut restless = Vec::new();
        for _ in 0..sized(SCENARIO_TIMEOUT, LONG_SCENARIO_TIMEOUT).as_millis() / 50 {
            self.release_failed().await;
            restless = self.behind.restless().await;
            restless.extend(self.behind.texts(background::RESTLESS).await);
            // What no sweep has shown, nobody knows of: the one of a dead process begins anew.
            if self.behind.number(background::SWEEPS).await <= self.swept_before {
                restless.push(String::from("the fleet has not been swept"));
            }
            restless.extend(awaited());
            if restless.is_empty() {
                restless = self.mismatches().await;
            }
            if restless.is_empty() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{}: not at rest: {restless:#?}", self.name);
    }
}
