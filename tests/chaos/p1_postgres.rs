//! P1: the ledger's PostgreSQL is stopped at once (`pg_ctl stop -m immediate`) and started again, under claims.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use embedded_postgres::{Postgres, Settings};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, interval, sleep},
};

use crate::{
    ledger::Behind,
    process::{Caller, Replica, free_port},
    scenario::{Scenario, sized, within},
    support::World,
};

/// A new owner signs up.
const CLAIM_EVERY: Duration = Duration::from_millis(80);
/// How soon claims must be answered again once PostgreSQL accepts connections.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// Longer than a request would wait for a connection, so that hundreds have gathered.
const LONG_ABSENCE: Duration = Duration::from_secs(10);
const SHORT_ABSENCE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_ledger_that_restarts_at_once_doubles_and_loses_nothing() {
    let restarts = sized(4, 10);
    let scenario = Scenario::begin(
        "P1",
        format!("{restarts} immediate restarts under {:.0} claims a second", 1.0 / CLAIM_EVERY.as_secs_f64()),
    );
    let mut postgres = Restartable::start().await;
    let world = World::new(0, &postgres.url(), |_| {}).await;
    world.stock(sized(3_000, 20_000)).await;
    Behind::of(&world).await;
    let replica = Replica::start(&world, free_port(), &[]);
    let caller = Caller::of(&world, std::slice::from_ref(&replica.url)).await;
    caller.date().await;
    let claims = Arc::new(Claims::default());
    let signups = tokio::spawn(claims.clone().keep_coming(caller.clone()));

    let mut slowest = Duration::ZERO;
    for restart in 0..restarts {
        sleep(Duration::from_millis(500)).await;
        postgres.stop_at_once().await;
        // Most absences are over before anybody gives up; the last one is not.
        sleep(if restart + 1 == restarts { LONG_ABSENCE } else { SHORT_ABSENCE }).await;
        postgres.start_again().await;
        postgres.accepts().await;
        let before = claims.served();
        let back =
            within(Duration::from_secs(120), "claims are served again", || async { claims.served() > before }).await;
        assert!(back <= BACK_WITHIN, "back after {back:?}");
        slowest = slowest.max(back);
    }
    claims.over.store(true, Ordering::SeqCst);
    signups.await.unwrap();

    let told = claims.told.lock().unwrap().clone();
    let distinct: BTreeSet<&String> = told.values().collect();
    assert_eq!(distinct.len(), told.len(), "no database was handed out twice");
    for (owner, database) in told.iter().step_by(told.len() / 100 + 1) {
        assert_eq!(caller.try_claim(owner).await.as_ref(), Some(database), "{owner} has lost a database");
    }
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    let refused = claims.refused.load(Ordering::SeqCst);
    assert!(refused > 0, "nobody was ever told to come back later");
    scenario.passed(format!(
        "{} claims, none lost or doubled; {refused} answers 503 with Retry-After; back after {:.2} s at most",
        told.len(),
        slowest.as_secs_f64()
    ));
}

/// What the clients were told.
#[derive(Default)]
struct Claims {
    /// Owner and database.
    told: Mutex<BTreeMap<String, String>>,
    refused: AtomicUsize,
    over: AtomicBool,
}

impl Claims {
    fn served(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Owners sign up at their own rate, whatever became of the others; ends when each has been served.
    async fn keep_coming(self: Arc<Self>, caller: Caller) {
        let mut owners = JoinSet::new();
        let mut ticks = interval(CLAIM_EVERY);
        while !self.over.load(Ordering::SeqCst) {
            ticks.tick().await;
            let (claims, caller, owner) = (self.clone(), caller.clone(), format!("owner-{}", owners.len()));
            owners.spawn(async move {
                let database = claims.until_served(&caller, &owner).await;
                claims.told.lock().unwrap().insert(owner, database);
            });
        }
        owners.join_all().await;
    }

    /// Every answer is a success or an honest 503.
    async fn until_served(&self, caller: &Caller, owner: &str) -> String {
        let body = json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } });
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let answer = caller.call_once(Method::POST, "/api/v1/claims", &body).await.expect("an answer of some kind");
            let (status, retry_after) = (answer.status(), answer.headers().get(header::RETRY_AFTER).cloned());
            if status.is_success() {
                let claim: Value = answer.json().await.unwrap();
                return claim["database"]["id"].as_str().unwrap_or_else(|| panic!("{status} {claim}")).to_owned();
            }
            let text = answer.text().await.unwrap_or_default();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
            let seconds = retry_after.and_then(|after| after.to_str().ok()?.parse().ok());
            let seconds = seconds.expect("a 503 says when to come back");
            self.refused.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(seconds)).await;
        }
        panic!("{owner} was never served");
    }
}

/// A PostgreSQL with data that survive, on a port that stays.
struct Restartable {
    folder: PathBuf,
    port: u16,
    postgres: Option<Postgres>,
}

impl Restartable {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("flotilla-p1-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let mut started = Self { folder, port: free_port(), postgres: None };
        started.start_again().await;
        started
    }

    fn settings(&self) -> Settings {
        Settings {
            leave_running: true,
            port: Some(self.port),
            shared_dir: self.folder.join("shared"),
            ..Settings::new(self.folder.join("pg"))
        }
    }

    fn url(&self) -> String {
        self.postgres.as_ref().unwrap().url("postgres")
    }

    async fn start_again(&mut self) {
        let settings = self.settings();
        self.postgres = Some(spawn_blocking(move || Postgres::start(&settings)).await.unwrap().unwrap());
    }

    /// What `pg_ctl stop -m immediate` does: no checkpoint, no goodbye.
    async fn stop_at_once(&mut self) {
        let pid = self.pid().unwrap();
        self.postgres = None;
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        let stat = format!("/proc/{pid}/stat");
        let is_gone = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        within(Duration::from_secs(120), "PostgreSQL has stopped", || async { is_gone() }).await;
    }

    /// Until a stranger is served: so long nobody can be asked to be back.
    async fn accepts(&self) {
        let url = self.url();
        within(Duration::from_secs(120), "PostgreSQL accepts connections", || async {
            PgConnection::connect(&url).await.is_ok()
        })
        .await;
    }

    fn pid(&self) -> Option<String> {
        let file = self.postgres.as_ref()?.data_dir().join("cluster/postmaster.pid");
        Some(fs::read_to_string(file).ok()?.lines().next()?.to_owned())
    }
}

impl Drop for Restartable {
    fn drop(&mut self) {
        self.postgres = None;
        let _ = Postgres::erase(&self.settings());
        let _ = fs::remove_dir_all(&self.folder);
    }
}
