//! Replicas as real processes, so that they can be killed as processes are; and a client that does not give up.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use flotilla::{
    auth::Scope,
    auth::token::{self, NewToken},
};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    ledger::REPLICA_ROLE,
    support::{NEON_KEY, QUICK_PASSWORD, World},
};

/// Crashes must not fill the disk with cores.
const WITHOUT_CORES: &str = "ulimit -c 0; exec \"$0\" \"$@\"";

/// A `flotilla serve` of its own. Killed when dropped.
pub struct Replica {
    child: Child,
    pub url: String,
    log: PathBuf,
}

impl Replica {
    pub fn start(world: &World, port: u16, environment: &[(&str, &str)]) -> Self {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replica-{}.log", Uuid::now_v7().simple()));
        let file = File::create(&log).unwrap();
        let child = Command::new("/bin/sh")
            .args(["-c", WITHOUT_CORES, env!("CARGO_BIN_EXE_flotilla"), "serve"])
            .env_clear()
            .env("DATABASE_URL", database_url(world))
            .env("NEON_API_KEY", NEON_KEY)
            .env("NEON_API_HOST", &world.neon_url)
            .env("FLOTILLA_NEON_CALLS_PER_MINUTE", world.calls_per_minute.to_string())
            .env("FLOTILLA_SECRET_KEY", &world.secret_key)
            .env("FLOTILLA_PREVIOUS_SECRET_KEYS", world.previous_keys.join(","))
            .env("FLOTILLA_DATABASE_CONNECTIONS", "8")
            .env("PORT", port.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}"), log }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// As the kernel does it when memory runs out.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it said last, for whoever reads why a test failed.
    pub fn tell(&self) {
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        eprintln!("the last of a replica:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            self.tell();
        }
        let _ = fs::remove_file(&self.log);
    }
}

/// The ledger, by a role of the replicas' own.
fn database_url(world: &World) -> String {
    let mut url = reqwest::Url::parse(&world.database_url).unwrap();
    url.set_username(REPLICA_ROLE).unwrap();
    url.set_password(Some(QUICK_PASSWORD)).unwrap();
    url.to_string()
}

/// A port that is free now, and that no outgoing connection takes while a replica is dead: below those that the kernel gives out.
pub fn free_port() -> u16 {
    let ports = || 10_000 + (Uuid::new_v4().as_u128() % 20_000) as u16;
    std::iter::repeat_with(ports).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// The platform's signup service, as its authors were told to write it: it repeats what was not answered, at the next replica.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    urls: Vec<String>,
    token: String,
    /// How long it repeats a call.
    pub timeout: Duration,
}

impl Caller {
    pub async fn of(world: &World, urls: &[String]) -> Self {
        engine::prepare_tls();
        let name = format!("caller {}", Uuid::now_v7());
        let scopes = [Scope::Claim, Scope::Read, Scope::Manage];
        let token = token::create(&world.ledger, &NewToken::new(&name, &scopes)).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { client, urls: urls.to_vec(), token, timeout: Duration::from_secs(60) }
    }

    /// Clients do not all begin at the same replica.
    pub fn start_at(&mut self, replica: usize) {
        let count = self.urls.len();
        self.urls.rotate_left(replica % count);
    }

    /// One call of the first replica: whatever it answers. `None` when it does not.
    pub async fn call_once(&self, method: Method, path: &str, body: &Value) -> Option<reqwest::Response> {
        let url = format!("{}{path}", self.urls[0]);
        self.client.request(method, url).bearer_auth(&self.token).json(body).send().await.ok()
    }

    /// The first answer that is none of 5xx; `None` when timeout ended before.
    pub async fn try_call(&self, method: Method, path: &str, body: &Value) -> Option<(StatusCode, Value)> {
        let end = Instant::now() + self.timeout;
        for url in self.urls.iter().cycle() {
            let request = self.client.request(method.clone(), format!("{url}{path}")).bearer_auth(&self.token);
            let request = if method == Method::GET { request } else { request.json(body) };
            if let Ok(answer) = request.send().await
                && !answer.status().is_server_error()
            {
                let status = answer.status();
                if let Ok(body) = answer.json().await {
                    return Some((status, body));
                }
            }
            if Instant::now() > end {
                return None;
            }
            sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// What time it is for the first replica, once it answers.
    pub async fn date(&self) -> chrono::DateTime<chrono::Utc> {
        let end = Instant::now() + self.timeout;
        while Instant::now() < end {
            if let Ok(answer) = self.client.get(format!("{}/readyz", self.urls[0])).send().await {
                let date = answer.headers()[reqwest::header::DATE].to_str().unwrap();
                return chrono::DateTime::parse_from_rfc2822(date).unwrap().to_utc();
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{} never answered", self.urls[0]);
    }

    /// The body of a success.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.try_call(method, path, &body).await;
        let (status, body) = answer.unwrap_or_else(|| panic!("{path} was not answered"));
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// The id of the database that this owner holds, once it is served; `None` when timeout ended before.
    pub async fn try_claim(&self, owner: &str) -> Option<String> {
        let body = json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } });
        let (status, mut claim) = self.try_call(Method::POST, "/api/v1/claims", &body).await?;
        assert!(status.is_success(), "{status} {claim}");
        let end = Instant::now() + self.timeout;
        while claim["status"] == "waiting" && Instant::now() < end {
            sleep(Duration::from_millis(100)).await;
            let path = format!("/api/v1/claims/{}", claim["id"].as_str().unwrap());
            claim = self.try_call(Method::GET, &path, &Value::Null).await?.1;
        }
        claim["database"]["id"].as_str().map(str::to_owned)
    }
}
