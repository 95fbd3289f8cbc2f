//! A Flotilla of its own for each test: a fresh ledger, a fresh emulated Neon, and callers that speak HTTP.

use std::{future::Future, sync::Arc, time::Duration};

use clap::Parser;
use engine::{ClaimTimings, Engine, EngineSettings, Neon, NeonConfig, Parts};
use fleet_types::{Connection, Role};
use flotilla::{
    auth::{
        Scope, link,
        token::{self, NewToken},
    },
    cli::Cli,
    http, keys,
    metrics::Metrics,
    state::AppState,
    stop::Stop,
};
use ledger::{By, Ledger, NewOperator, NewPool, SeedRow};
use neon_emulator::{Emulator, ProjectTruth};
use reqwest::{Client, Method, RequestBuilder, StatusCode, header};
use secrets::Secrets;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Longer than anything takes here, a back-off on a busy machine included; shorter than anybody waits.
const WAIT_TIMEOUT: Duration = Duration::from_secs(150);
/// Of roles that connect quickly.
pub const QUICK_PASSWORD: &str = "tests";
pub const NEON_KEY: &str = "napi_test";

/// A ledger and an emulated Neon, for one or more servers.
pub struct World {
    pub database_url: String,
    pub ledger: Ledger,
    pub emulator: Emulator,
    /// Where servers are told to find Neon: the emulator, or something in front of it.
    pub neon_url: String,
    /// What each server may ask of it.
    pub calls_per_minute: u32,
    pub secret_key: String,
    pub previous_keys: Vec<String>,
    /// Settings of each server, as on the command line.
    pub arguments: Vec<&'static str>,
}

/// A server with its engine.
pub struct Server {
    pub url: String,
    pub state: AppState,
    pub token: String,
    client: Client,
    served: tokio::task::JoinHandle<()>,
}

impl World {
    /// With a default pool `standard` of this target.
    pub async fn with_pool(target: i32) -> Self {
        Self::new(target, &postgres_url(), |_| {}).await
    }

    /// [`World::with_pool`], with the ledger in this PostgreSQL, and an emulator to taste.
    pub async fn new(target: i32, ledger_server: &str, tune: impl FnOnce(&mut neon_emulator::Config)) -> Self {
        let name = format!("flotilla_{}", Uuid::now_v7().simple());
        let ledger_server = quickly(ledger_server).await;
        let mut admin = PgConnection::connect(&ledger_server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
            .execute(&mut admin)
            .await
            .unwrap();
        admin.close().await.unwrap();
        let mut url = reqwest::Url::parse(&ledger_server).unwrap();
        url.set_path(&name);
        let ledger = Ledger::connect(url.as_str(), 20).await.unwrap();
        ledger.migrate().await.unwrap();
        let pool = NewPool {
            name: "standard",
            region_id: "aws-us-east-1",
            pg_version: 17,
            birth_plan: "free",
            target,
            is_default: true,
        };
        flotilla::demo::plans::ensure(&ledger).await.unwrap();
        ledger.ensure_pool(&pool).await.unwrap();
        let emulator = emulator(tune).await;
        Self {
            database_url: url.to_string(),
            ledger,
            neon_url: emulator.api_url(),
            emulator,
            calls_per_minute: 700,
            secret_key: Secrets::generate_key(),
            previous_keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// A replica: server and engine.
    pub async fn serve(&self) -> Server {
        self.start(true, EngineSettings::default(), |_| {}).await
    }

    /// A replica of a Flotilla that may make so many calls to Neon a minute.
    pub async fn serve_within(&self, calls_per_minute: u32) -> Server {
        self.start(true, EngineSettings::default(), |neon| neon.calls_per_minute = calls_per_minute).await
    }

    /// A replica whose engine has other times.
    pub async fn serve_with(&self, settings: EngineSettings) -> Server {
        self.serve_beside(&self.database_url, settings).await
    }

    /// A replica that leaves the duties to others.
    pub async fn serve_without_duties(&self) -> Server {
        self.start(false, EngineSettings::default(), |_| {}).await
    }

    /// A replica whose ledger is this database, at the same Neon.
    pub async fn serve_beside(&self, ledger_url: &str, settings: EngineSettings) -> Server {
        self.start_on(ledger_url, true, settings, |_| {}).await
    }

    async fn start(
        &self,
        run_duties: bool,
        settings: EngineSettings,
        configure: impl FnOnce(&mut NeonConfig),
    ) -> Server {
        self.start_on(&self.database_url, run_duties, settings, configure).await
    }

    async fn start_on(
        &self,
        ledger_url: &str,
        run_duties: bool,
        settings: EngineSettings,
        configure: impl FnOnce(&mut NeonConfig),
    ) -> Server {
        let arguments = ["flotilla", "serve"].into_iter().chain(self.arguments.iter().copied());
        let mut config = Cli::try_parse_from(arguments).unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        config.public_url = Some(url.clone());
        let ledger = Ledger::connect(ledger_url, 20).await.unwrap();
        let secrets = Arc::new(Secrets::from_keys(&self.secret_key, &self.previous_keys).unwrap());
        let replica = Uuid::now_v7();
        keys::register(&config, &secrets, &ledger, replica).await.unwrap();
        let timings = Arc::new(ClaimTimings::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        let stop = Stop::default();
        let mut neon = NeonConfig::new(&self.neon_url, NEON_KEY.into());
        neon.calls_per_minute = self.calls_per_minute;
        neon.timeout = Duration::from_secs(10);
        neon.org_id = Some(String::from(neon_emulator::DEFAULT_ORG));
        configure(&mut neon);
        let engine = Engine::start(Parts {
            ledger: ledger.clone(),
            neon: Neon::new(neon).unwrap(),
            secrets: secrets.clone(),
            replica,
            timings: timings.clone(),
            outcomes: metrics.clone(),
            run_duties,
            settings,
            shutdown: stop.ending.clone(),
        });
        let config = Arc::new(config);
        let state = AppState { config, ledger: ledger.clone(), engine, secrets, timings, metrics, stop };
        let served = tokio::spawn(http::serve(state.clone(), listener));
        let name = format!("test {}", Uuid::now_v7());
        let token = token::create(
            &ledger,
            &NewToken {
                // Every replica is asked by the same signup service.
                client: Some(String::from("signup")),
                ..NewToken::new(&name, &[Scope::Claim, Scope::Read, Scope::Manage])
            },
        )
        .await
        .unwrap();
        let client =
            Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WAIT_TIMEOUT).build().unwrap();
        Server { url, state, token, client, served }
    }

    /// A call to the emulated Neon, past Flotilla.
    pub fn neon(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.emulator.api_url())).bearer_auth(NEON_KEY)
    }

    /// Puts databases into the pool without asking Neon: for tests of the ledger alone.
    pub async fn stock(&self, count: usize) {
        self.stock_in("standard", count).await;
    }

    /// [`World::stock`] for another pool.
    pub async fn stock_in(&self, pool: &str, count: usize) {
        let secrets = Secrets::from_keys(&self.secret_key, &[""; 0]).unwrap();
        let rows: Vec<SeedRow> =
            (0..count).map(|number| SeedRow { pool: pool.to_owned(), ..stocked(number, &secrets) }).collect();
        self.ledger.seed(&rows).await.unwrap();
    }

    /// Everything that must always hold, in the ledger and between the ledger and Neon.
    pub async fn assert_sound(&self) {
        assert_eq!(self.ledger.violations().await.unwrap(), []);
        let ours: std::collections::BTreeSet<String> =
            self.ledger.living_projects().await.unwrap().into_iter().collect();
        let projects = self.living_on_neon().await;
        let unknown: Vec<_> = projects.iter().filter(|project| !ours.contains(&project.id)).collect();
        let theirs: std::collections::BTreeSet<String> = projects.iter().map(|project| project.id.clone()).collect();
        assert_eq!(
            ours, theirs,
            "the ledger's projects (left) and Neon's (right); the ledger does not know {unknown:#?}"
        );
    }

    /// What Neon has, whatever its lists say.
    pub async fn living_on_neon(&self) -> Vec<ProjectTruth> {
        let mut projects = self.emulator.projects().await.unwrap();
        // The mark is nobody's database.
        projects.retain(|project| !project.deleted && !project.name.starts_with("flotilla-mark-"));
        projects
    }
}

/// An emulated Neon of one's own, to taste.
pub async fn emulator(tune: impl FnOnce(&mut neon_emulator::Config)) -> Emulator {
    let mut settings = neon_emulator::Config::new(quickly(&postgres_url()).await, NEON_KEY);
    // The end of such an id is random; the name may have 30 characters.
    settings.state_database = format!("neon_{}", &Uuid::now_v7().simple().to_string()[12..]);
    settings.operation_time_scale = 0.02;
    settings.consumption_refresh = Duration::ZERO;
    tune(&mut settings);
    Emulator::start(settings).await.unwrap()
}

/// The PostgreSQL that the tests run beside.
pub fn postgres_url() -> String {
    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL: `make test` sets it, or run under `with-postgres`")
}

/// Makes a role whose password is hashed once instead of 4,096 times: a server opens twenty connections when it starts, and is started often.
pub fn make_quick_role(name: &str) -> String {
    format!(
        "DO $make$ BEGIN
         CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$1:dGVzdHMtb2Ytc2VydmVycw==$LreKW/t1u+0Aqe7bavEPuHW3EnvJ2nXo+DAiXP1YA58=:bSDdEPyvmXKD7Nr33yrSQTTVZYPrTZu1wx3bV/xFdQo=';
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $make$"
    )
}

/// The same server, by a role that connects quickly.
async fn quickly(server: &str) -> String {
    let mut admin = PgConnection::connect(server).await.unwrap();
    sqlx::query(AssertSqlSafe(make_quick_role("tests"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    let mut url = reqwest::Url::parse(server).unwrap();
    url.set_username("tests").unwrap();
    url.set_password(Some(QUICK_PASSWORD)).unwrap();
    url.to_string()
}

/// A database in the pool that Neon knows nothing of.
pub fn stocked(number: usize, secrets: &Secrets) -> SeedRow {
    let id = Uuid::now_v7();
    let now = chrono::Utc::now();
    let connection = Connection {
        uri: format!("postgresql://u:p@127.0.0.1:1/db{number}"),
        pooled_uri: format!("postgresql://u:p@127.0.0.1:1/db{number}"),
        host: String::from("127.0.0.1"),
        port: 1,
        database: format!("db{number}"),
        role: String::from("u"),
        password: String::from("p"),
    };
    let sealed = secrets.seal(id, &connection).unwrap();
    SeedRow {
        id,
        pool: String::from("standard"),
        region_id: String::from("aws-us-east-1"),
        pg_version: 17,
        state: String::from("available"),
        neon_project_name: format!("flotilla-{id}"),
        neon_project_id: Some(format!("stocked-{number}-{}", id.simple())),
        neon_branch_id: Some(format!("br-{id}")),
        neon_endpoint_id: Some(format!("ep-{id}")),
        host: Some(String::from("127.0.0.1")),
        database_name: Some(connection.database),
        role_name: Some(connection.role),
        sealed_credentials: Some(sealed.iter().map(|byte| format!("{byte:02x}")).collect()),
        owner_id: None,
        email: None,
        organisation: None,
        plan: None,
        claim_id: Uuid::now_v7(),
        requested_at: now,
        claimed_at: None,
        deleted_at: None,
        endpoint_state: Some(String::from("idle")),
        last_active_at: None,
        logical_size_bytes: None,
        synthetic_size_bytes: None,
        quota_logical_size_bytes: None,
        used_active_seconds: 0,
        used_compute_seconds: 0,
        last_error: None,
    }
}

impl Server {
    pub async fn stop(self) {
        self.state.stop.end();
        self.served.await.unwrap();
        self.state.engine.stop().await;
        self.state.engine.sign_off().await;
    }

    /// As after a power cut: the ledger has no word of it.
    pub async fn end_without_signing_off(self) {
        self.state.stop.end();
        self.served.await.unwrap();
        self.state.engine.stop().await;
    }

    /// Without any credentials.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// With a token of all scopes.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.api(Method::GET, path).send().await.unwrap();
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// The status and the body of a claim for this owner.
    pub async fn claim(&self, owner: &str) -> (StatusCode, Value) {
        self.claim_with(json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } }), None).await
    }

    pub async fn claim_with(&self, body: Value, key: Option<&str>) -> (StatusCode, Value) {
        let mut request = self.api(Method::POST, "/api/v1/claims").json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The cookie of an operator of this role who has just signed in by a link.
    pub async fn sign_in(&self, role: Role) -> String {
        let email = format!("{}-{}@staff.example", role.as_str(), Uuid::now_v7().simple());
        let new = NewOperator { email: &email, name: "Test", role, password_hash: None };
        self.state.ledger.create_operator(&new, &By::cli()).await.unwrap();
        let link = link::create(&self.state.config, &self.state.ledger, &email, Duration::from_secs(60)).await.unwrap();
        let answer = self.client.post(link).send().await.unwrap();
        assert!(answer.status().is_redirection(), "{}", answer.status());
        let mut cookies = answer.headers().get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
        let session = cookies.find(|cookie| cookie.starts_with("flotilla=")).unwrap();
        session.split(';').next().unwrap().to_owned()
    }

    /// Databases of the default pool that are ready.
    pub async fn available(&self) -> i64 {
        self.state.ledger.pools().await.unwrap().first().unwrap().available
    }

    pub async fn until_available(&self, count: i64) {
        until(&format!("{count} databases are available"), || async { self.available().await == count }).await;
    }
}

/// Until so many statements of this ledger wait for a lock.
pub async fn until_waiting_for_a_lock(world: &World, count: i64) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(&format!("{count} wait for a lock"), || async {
        let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut ledger).await.unwrap() == count
    })
    .await;
}

/// Waits for something that a user would notice. Asks every 20 ms; gives up after [`WAIT_TIMEOUT`].
pub async fn until<F, T>(what: &str, holds: F)
where
    F: Fn() -> T,
    T: Future<Output = bool>,
{
    let timeout = tokio::time::sleep(WAIT_TIMEOUT);
    tokio::pin!(timeout);
    let mut ask = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            () = &mut timeout => panic!("waited {WAIT_TIMEOUT:?} in vain until {what}"),
            _ = ask.tick() => {
                if holds().await {
                    return;
                }
            }
        }
    }
}
