//! How the program ends, as a process that is sent signals: whoever came in time is answered, and nobody who says nothing is waited for.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use ledger::By;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{NEON_KEY, World, until};

/// Far longer than the end takes when nobody is waited for, and shorter than anything that is waited for.
const SOON: Duration = Duration::from_secs(10);

/// A `flotilla serve` with its secrets in files. Killed when dropped.
struct Process {
    child: Child,
    url: String,
    port: u16,
    token: String,
    client: Client,
    folder: PathBuf,
}

impl Process {
    async fn serve(world: &World, environment: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("flotilla-stopping-{}", Uuid::now_v7().simple()));
        fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
            folder.join(name)
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL_FILE", file("database-url", &world.database_url))
            .env("NEON_API_KEY_FILE", file("neon-api-key", NEON_KEY))
            .env("FLOTILLA_SECRET_KEY_FILE", file("secret-key", &world.secret_key))
            .env("NEON_API_HOST", &world.neon_url)
            .env("PORT", port.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        engine::prepare_tls();
        let name = format!("caller {}", Uuid::now_v7());
        let token = token::create(&world.ledger, &NewToken::new(&name, &[Scope::Claim, Scope::Read])).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let process = Self { child, url: format!("http://127.0.0.1:{port}"), port, token, client, folder };
        until("the server is ready", || async { process.status("/readyz").await == Some(StatusCode::OK) }).await;
        process
    }

    async fn status(&self, path: &str) -> Option<StatusCode> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().await.ok().map(|answer| answer.status())
    }

    /// A claim that waits for half a minute, once the ledger has it.
    async fn claim_that_waits(&self, world: &World) -> JoinHandle<(StatusCode, Value)> {
        let body = json!({ "owner": { "id": "ada", "email": "ada@mail.example" }, "wait_seconds": 30 });
        let request = self.client.post(format!("{}/api/v1/claims", self.url)).bearer_auth(&self.token).json(&body);
        let claim = tokio::spawn(async move {
            let answer = request.send().await.expect("an answer");
            (answer.status(), answer.json().await.unwrap())
        });
        until("the claim waits", || async { world.ledger.pools().await.unwrap()[0].waiting == 1 }).await;
        claim
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// How it ended, and how long that took from here.
    async fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let child = std::cell::RefCell::new(&mut self.child);
        until("the process ends", || async { child.borrow_mut().try_wait().unwrap().is_some() }).await;
        let took = began.elapsed();
        (self.child.wait().unwrap(), took)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A pool that makes nothing until it is resumed.
async fn paused_pool() -> World {
    let world = World::with_pool(1).await;
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_it_is_unready_first_and_a_claim_that_waits_is_served_before_the_end() {
    let world = paused_pool().await;
    let mut server = Process::serve(&world, &[("FLOTILLA_UNREADY_SECONDS", "3")]).await;
    let claim = server.claim_that_waits(&world).await;
    server.signal("TERM");
    until("it says that it is not ready", || async {
        server.status("/readyz").await == Some(StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;
    let answer = server.client.get(format!("{}/api/v1/pools", server.url)).bearer_auth(&server.token).send().await;
    let answer = answer.expect("whoever comes while it is unready is served");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["connection"], "close", "nobody keeps a connection to what ends");
    assert_eq!(server.status("/healthz").await, Some(StatusCode::OK), "it lives");
    until("nobody new is let in", || async { server.status("/healthz").await.is_none() }).await;
    assert!(!claim.is_finished(), "the claim is not turned away for it");
    world.ledger.resume_pool("standard", &By::cli()).await.unwrap();
    let (status, claim) = claim.await.unwrap();
    assert_eq!((status, &claim["status"]), (StatusCode::CREATED, &json!("served")), "{claim}");
    assert!(claim["connection"]["uri"].is_string());
    let (status, took) = server.ended().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waits_longer_than_the_drain_is_told_how_it_stands() {
    let world = paused_pool().await;
    let settings = [("FLOTILLA_UNREADY_SECONDS", "0"), ("FLOTILLA_DRAIN_SECONDS", "1")];
    let mut server = Process::serve(&world, &settings).await;
    let claim = server.claim_that_waits(&world).await;
    server.signal("TERM");
    let (status, claim) = claim.await.unwrap();
    assert_eq!((status, &claim["status"]), (StatusCode::ACCEPTED, &json!("waiting")), "{claim}");
    let (status, took) = server.ended().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_waits_neither_for_load_balancers_nor_for_claims_and_tells_them_how_they_stand() {
    let world = paused_pool().await;
    let mut server = Process::serve(&world, &[("FLOTILLA_UNREADY_SECONDS", "60")]).await;
    let claim = server.claim_that_waits(&world).await;
    server.signal("INT");
    let (status, claim) = claim.await.unwrap();
    assert_eq!((status, &claim["status"]), (StatusCode::ACCEPTED, &json!("waiting")), "{claim}");
    let (status, took) = server.ended().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let world = paused_pool().await;
    let mut server = Process::serve(&world, &[("FLOTILLA_UNREADY_SECONDS", "0")]).await;
    let connect = || TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let _silent = connect();
    let mut kept = connect();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: flotilla\r\n\r\n").unwrap();
    let answered = kept.read(&mut [0; 64]).unwrap();
    assert!(answered > 0);
    server.signal("TERM");
    let (status, took) = server.ended().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let world = paused_pool().await;
    let mut server = Process::serve(&world, &[("FLOTILLA_UNREADY_SECONDS", "300")]).await;
    let _claim = server.claim_that_waits(&world).await;
    server.signal("TERM");
    until("the first is heard", || async { server.status("/readyz").await == Some(StatusCode::SERVICE_UNAVAILABLE) })
        .await;
    server.signal("TERM");
    let (status, took) = server.ended().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}
