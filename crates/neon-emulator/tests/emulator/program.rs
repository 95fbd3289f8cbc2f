//! The emulator as a program of its own, as somebody starts it who knows nothing else of this repository.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use embedded_postgres::{Postgres, Settings};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::database_url;

const PROGRAM: &str = env!("CARGO_BIN_EXE_neon-emulator");
/// It makes a cluster of PostgreSQL at its first start.
const START: Duration = Duration::from_secs(90);

/// A program that runs, and a folder that goes with it.
struct Program {
    child: Child,
    folder: PathBuf,
    api: String,
    proxy: String,
}

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("neon-emulator-{:016x}", rand::random::<u64>()));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().stdin(Stdio::null());
    for kept in ["PATH", "FLOTILLA_PG_BIN"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

/// What it says when it ends at once, as it must.
fn refusal(arguments: &[&str]) -> String {
    let mut child = command().args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > START {
            child.kill().unwrap();
            panic!("{arguments:?} is accepted");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success(), "{arguments:?} is accepted");
    String::from_utf8(output.stderr).unwrap()
}

fn is_well(api: &str) -> bool {
    run(&["--check", "--listen", api]).status.success()
}

impl Program {
    fn start(folder: PathBuf, arguments: &[&str]) -> Self {
        let (api, proxy) = (free_address(), free_address());
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = command()
            .args(["--listen", &api, "--proxy-listen", &proxy])
            .args(arguments)
            .current_dir(&folder)
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, folder, api, proxy };
        let started = Instant::now();
        while !is_well(&program.api) {
            assert!(started.elapsed() < START, "{}", program.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        program
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// As a terminal or a supervisor ends it.
    fn stop(mut self) -> PathBuf {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
        self.folder
    }

    async fn call(&self, method: reqwest::Method, body: Option<Value>) -> (StatusCode, Value) {
        crate::support::tls();
        let request = reqwest::Client::new()
            .request(method, format!("http://{}/api/v2/projects", self.api))
            .bearer_auth(neon_emulator::cli::DEFAULT_KEY);
        let answer = body.iter().fold(request, |request, body| request.json(body)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_it_starts_a_postgresql_and_remembers_its_projects() {
    let program = Program::start(folder(), &[]);
    let (status, made) = program.call(reqwest::Method::POST, Some(json!({"project": {"name": "first"}}))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let uri = made["connection_uris"][0]["connection_uri"].as_str().unwrap();
    assert!(uri.contains(&program.proxy), "{uri}");
    assert!(program.log().contains("A stand-in for Neon is ready"), "{}", program.log());
    let (api, proxy) = (program.api.clone(), program.proxy.clone());
    let program = Program::start(program.stop(), &["--no-connections"]);
    assert!(!is_well(&api), "the first has ended");
    assert!(
        TcpStream::connect(&proxy).is_err() && TcpStream::connect(&program.proxy).is_err(),
        "nothing listens there"
    );
    let (_, listed) = program.call(reqwest::Method::GET, None).await;
    assert_eq!(listed["projects"][0]["name"], "first", "{listed}");
    let folder = program.stop();
    Postgres::erase(&Settings::new(folder.join(".neon-emulator"))).unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn region_and_faults_are_set_from_the_start() {
    let folder = folder();
    fs::write(folder.join("faults.json"), r#"{"rules": [{"method": "GET", "fault": "status", "status": 503}]}"#)
        .unwrap();
    let state = format!("ne_{:016x}", rand::random::<u64>());
    let arguments = ["--database-url", &database_url(), "--state-database", &state, "--region", "aws-eu-central-1"];
    let program = Program::start(folder, &[&arguments[..], &["--faults", "faults.json"]].concat());
    let (_, made) = program.call(reqwest::Method::POST, Some(json!({"project": {}}))).await;
    assert_eq!(made["project"]["region_id"], "aws-eu-central-1", "{made}");
    assert_eq!(program.call(reqwest::Method::GET, None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    fs::remove_dir_all(program.stop()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_from_files_and_not_only_from_the_command_line() {
    let folder = folder();
    fs::write(folder.join("url"), format!("{}\n", database_url())).unwrap();
    fs::write(folder.join("keys"), format!("napi_another\n{}\n", neon_emulator::cli::DEFAULT_KEY)).unwrap();
    let state = format!("ne_{:016x}", rand::random::<u64>());
    let arguments = ["--state-database", &state, "--database-url-file", "url", "--api-key-file", "keys"];
    let program = Program::start(folder, &arguments);
    assert_eq!(program.call(reqwest::Method::GET, None).await.0, StatusCode::OK);
    assert!(!program.log().contains("napi_another"), "{}", program.log());
    let started = fs::read(format!("/proc/{}/cmdline", program.child.id())).unwrap();
    let started = String::from_utf8(started).unwrap();
    assert!(!started.contains("napi_") && !started.contains("postgres://"), "{started}");
    fs::remove_dir_all(program.stop()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_keys_and_switches_are_set_from_the_start() {
    let state = format!("ne_{:016x}", rand::random::<u64>());
    let url = database_url();
    let arguments = [
        ["--database-url", &url],
        ["--state-database", &state],
        ["--organization", "org-free-1:Free users:agent-free:1"],
        ["--organization", "org-paid-2:Paying users:agent-paid"],
        ["--api-key", "napi_paid@org-paid-2"],
        ["--api-key", "napi_me@person"],
        ["--unknown", "foreign-status=403"],
    ];
    let program = Program::start(folder(), &arguments.concat());
    crate::support::tls();
    let ask = async |key: &str, path: &str| {
        let url = format!("http://{}/api/v2{path}", program.api);
        let answer = reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (_, mine) = ask("napi_me", "/users/me/organizations").await;
    let names: Vec<&str> =
        mine["organizations"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Free users", "Paying users"]);
    assert_eq!(ask("napi_paid", "/organizations/org-free-1").await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask("napi_local", "/projects").await.0, StatusCode::UNAUTHORIZED, "others are given");
    fs::remove_dir_all(program.stop()).unwrap();
}

#[test]
fn what_cannot_be_right_is_named_with_what_to_write_instead() {
    let folder = folder();
    let broken = folder.join("faults.json").display().to_string();
    fs::write(&broken, r#"{"fault": "html"}"#).unwrap();
    for (arguments, words) in [
        (["--faults", &broken], "holds no faults: write {\"rules\""),
        (["--region", "mars-1"], "there is no region mars-1: choose one of aws-us-east-1"),
        (["--time-scale", "NaN"], "write a number that is 0 or more"),
        (["--organization", "org-a:A:huge"], "choose one of free, agent-free, launch, scale, agent-paid"),
        (["--api-key", "napi_a@org-nowhere"], "a key belongs to the organisation org-nowhere, which there is not"),
        (["--unknown", "speed=3"], "choose one of quota-patch-merges"),
        (["--unknown", "foreign-status=200"], "an HTTP status from 400 to 599"),
        (["--database-url-file", &broken], "given twice, as a text and by a file: keep one of them"),
        (["--api-key-file", "/none/here"], "cannot read /none/here"),
    ] {
        let url = database_url();
        let usual = ["--database-url", &url, "--listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0"];
        let told = refusal(&[&usual[..], &arguments].concat());
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    let told = refusal(&["--check", "--listen", "127.0.0.1:1"]);
    assert!(told.contains("no emulator answers at 127.0.0.1:1"), "{told}");
    fs::remove_dir_all(folder).unwrap();
}
