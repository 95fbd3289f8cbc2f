//! The life of a server on a real PostgreSQL, as root or as an ordinary user: whoever runs the tests.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use embedded_postgres::{Error, Postgres, Settings};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// A wait that ends early costs nothing; a loaded machine takes its time.
const WAIT_TIMEOUT: Duration = Duration::from_secs(120);

/// A folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("embedded-postgres-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// Not durable, which is quicker: a test that kills the server asks for more.
    fn settings(&self) -> Settings {
        Settings { shared_dir: self.0.join("shared"), durable: false, ..Settings::new(self.0.join("pg")) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child that does not outlive its test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn query(url: &str, sql: &str) -> Result<Option<String>, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut connection).await?;
    Ok(row.map(|row| row.get(0)))
}

fn ask(server: &Postgres, sql: &str) -> String {
    query(&server.url("postgres"), sql).unwrap().unwrap_or_default()
}

fn process_of(server: &Postgres) -> u32 {
    let text = fs::read_to_string(server.data_dir().join("cluster/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn is_alive(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen within {WAIT_TIMEOUT:?}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn data_port_and_password_last_from_run_to_run() {
    let folder = Folder::new();
    let first = Postgres::start(&folder.settings()).unwrap();
    ask(&first, "CREATE TABLE kept AS SELECT 'yes' AS answer");
    let url = first.url("postgres");
    let process = process_of(&first);
    first.stop().unwrap();
    assert!(!is_alive(process));

    let second = Postgres::start(&folder.settings()).unwrap();
    assert_eq!(second.url("postgres"), url);
    assert_eq!(ask(&second, "SELECT answer FROM kept"), "yes");
}

#[test]
fn committed_rows_are_safe_and_text_is_utf8() {
    let folder = Folder::new();
    let server = Postgres::start(&Settings { durable: true, ..folder.settings() }).unwrap();
    let settings = "SELECT concat_ws(' ', current_setting('fsync'), current_setting('data_checksums'), current_setting('server_encoding'), \
         current_setting('listen_addresses'), current_setting('password_encryption'), datcollate) FROM pg_database WHERE datname = 'postgres'";
    assert_eq!(ask(&server, settings), "on on UTF8 127.0.0.1 scram-sha-256 C.UTF-8");
}

#[test]
fn only_the_password_opens_and_only_its_owner_reads_it() {
    let folder = Folder::new();
    let server = Postgres::start(&folder.settings()).unwrap();
    let wrong = format!("postgres://postgres:wrong@127.0.0.1:{}/postgres", server.port());
    let refused = query(&wrong, "SELECT 'in'").unwrap_err().to_string();
    assert!(refused.contains("password authentication failed"), "{refused}");
    let password = fs::metadata(server.data_dir().join("password")).unwrap();
    assert_eq!(password.mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(server.data_dir()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn the_server_is_no_root_and_out_of_the_terminals_reach() {
    let folder = Folder::new();
    let server = Postgres::start(&folder.settings()).unwrap();
    let process = process_of(&server);
    assert_ne!(fs::metadata(format!("/proc/{process}")).unwrap().uid(), 0);
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let group: u32 = stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap().parse().unwrap();
    assert_eq!(group, process, "Ctrl-C goes to the terminal's process group, and the server must not be in it");
}

#[test]
fn a_killed_server_is_recovered() {
    let folder = Folder::new();
    let first = Postgres::start(&Settings { leave_running: true, durable: true, ..folder.settings() }).unwrap();
    ask(&first, "CREATE TABLE kept AS SELECT 'yes' AS answer");
    assert!(Command::new("kill").args(["-KILL", &process_of(&first).to_string()]).status().unwrap().success());
    drop(first);

    let second = Postgres::start(&folder.settings()).unwrap();
    assert_eq!(ask(&second, "SELECT answer FROM kept"), "yes");
}

#[test]
fn a_process_file_that_names_a_stranger_does_not_stop_the_start() {
    let folder = Folder::new();
    let first = Postgres::start(&folder.settings()).unwrap();
    let file = first.data_dir().join("cluster/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    first.stop().unwrap();
    let rest = text.split_once('\n').unwrap().1;
    fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();

    let second = Postgres::start(&folder.settings()).unwrap();
    assert_eq!(ask(&second, "SELECT 'here'"), "here");
}

#[test]
fn a_cluster_of_another_version_is_named_and_left_alone() {
    let folder = Folder::new();
    let server = Postgres::start(&folder.settings()).unwrap();
    let (cluster, major) = (server.data_dir().join("cluster"), server.major_version());
    server.stop().unwrap();
    fs::write(cluster.join("PG_VERSION"), "99\n").unwrap();

    let error = Postgres::start(&folder.settings()).unwrap_err();
    assert!(matches!(error, Error::WrongVersion { cluster: 99, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("Install PostgreSQL 99") && text.contains(&format!("only {major} (")), "{text}");
    assert!(cluster.join("global/pg_control").exists());
}

#[test]
fn of_two_programs_one_owns_the_server_and_the_other_joins() {
    let folder = Folder::new();
    let settings = folder.settings();
    let starts = [settings.clone(), settings].map(|settings| spawn(move || Postgres::start(&settings).unwrap()));
    let [one, two] = starts.map(|start| start.join().unwrap());
    assert_eq!(one.url("postgres"), two.url("postgres"));
    let (owner, guest) = if one.is_owner() { (one, two) } else { (two, one) };
    assert!(!guest.is_owner());

    guest.stop().unwrap();
    assert_eq!(ask(&owner, "SELECT 'still here'"), "still here");
}

#[test]
fn a_server_left_running_is_adopted_and_then_stopped() {
    let folder = Folder::new();
    let first = Postgres::start(&Settings { leave_running: true, ..folder.settings() }).unwrap();
    let process = process_of(&first);
    drop(first);
    assert!(is_alive(process));

    let second = Postgres::start(&folder.settings()).unwrap();
    assert!(second.is_owner());
    assert_eq!(process_of(&second), process);
    second.stop().unwrap();
    wait_until("the end of the adopted server", || !is_alive(process));
}

#[test]
fn data_are_erased_with_their_server_but_not_from_under_a_program() {
    let folder = Folder::new();
    let settings = Settings { leave_running: true, ..folder.settings() };
    let server = Postgres::start(&settings).unwrap();
    let (place, process) = (server.data_dir().to_path_buf(), process_of(&server));
    let refused = Postgres::erase(&settings).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    drop(server);

    Postgres::erase(&settings).unwrap();
    assert!(!place.exists());
    wait_until("the end of the server", || !is_alive(process));
    Postgres::erase(&settings).unwrap();
}

#[test]
fn a_folder_closed_to_the_servers_user_is_no_hindrance() {
    let folder = Folder::new();
    let closed = folder.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let settings = Settings { data_dir: closed.join("pg"), ..folder.settings() };
    let server = Postgres::start(&settings).unwrap();
    let place = server.data_dir().to_path_buf();
    let as_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    assert!(place.starts_with(if as_root { folder.0.join("shared") } else { closed }), "{}", place.display());
    server.stop().unwrap();
    assert_eq!(Postgres::start(&settings).unwrap().data_dir(), place, "the next start finds the same data");
}

#[test]
fn a_wanted_port_that_is_taken_is_named() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Postgres::start(&Settings { port: Some(port), ..folder.settings() }).unwrap_err();
    assert!(matches!(error, Error::Port { port: named, .. } if named == port), "{error}");
}

/// The processes that were started for the data in this folder.
fn processes_for(folder: &Folder) -> Vec<String> {
    let path = folder.0.to_str().unwrap();
    let commands =
        fs::read_dir("/proc").unwrap().filter_map(|process| fs::read(process.ok()?.path().join("cmdline")).ok());
    commands
        .map(|command| String::from_utf8_lossy(&command).replace('\0', " "))
        .filter(|command| command.contains(path))
        .collect()
}

#[test]
fn a_start_that_was_given_up_leaves_no_server() {
    let folder = Folder::new();
    Postgres::start(&folder.settings()).unwrap().stop().unwrap();
    let hasty = Settings { start_timeout: Duration::ZERO, leave_running: true, ..folder.settings() };
    let error = Postgres::start(&hasty).unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
    assert_eq!(processes_for(&folder), [""; 0]);

    let in_the_way = folder.0.join("pg/port.new/x");
    fs::create_dir_all(&in_the_way).unwrap();
    Postgres::start(&Settings { leave_running: true, ..folder.settings() }).unwrap_err();
    assert_eq!(processes_for(&folder), [""; 0], "it could not write down its port");
}

#[test]
fn a_server_that_cannot_be_asked_to_stop_is_ended_all_the_same() {
    let folder = Folder::new();
    let server = Postgres::start(&folder.settings()).unwrap();
    let programs = fs::read_link(format!("/proc/{}/exe", process_of(&server))).unwrap();
    let programs = programs.parent().unwrap();
    server.stop().unwrap();
    let bin = folder.0.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["initdb", "postgres"] {
        std::os::unix::fs::symlink(programs.join(name), bin.join(name)).unwrap();
    }
    fs::write(bin.join("pg_ctl"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    for path in [bin.join("pg_ctl"), bin.clone()] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let settings =
        Settings { bin_dir: Some(bin), stop_timeout: Duration::from_secs(1), durable: true, ..folder.settings() };
    let server = Postgres::start(&settings).unwrap();
    ask(&server, "CREATE TABLE kept AS SELECT 'yes' AS answer");
    let process = process_of(&server);
    server.stop().unwrap();
    assert!(!is_alive(process));
    assert_eq!(ask(&Postgres::start(&folder.settings()).unwrap(), "SELECT answer FROM kept"), "yes");
}

#[test]
fn the_port_of_last_time_gives_way_if_it_is_taken() {
    let folder = Folder::new();
    let first = Postgres::start(&folder.settings()).unwrap();
    let port = first.port();
    first.stop().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let second = Postgres::start(&folder.settings()).unwrap();
    assert_ne!(second.port(), port);
    assert_eq!(ask(&second, "SELECT 'here'"), "here");
}

#[test]
fn a_temporary_cluster_leaves_nothing() {
    let server = Postgres::temporary().unwrap();
    let (place, process) = (server.data_dir().to_path_buf(), process_of(&server));
    assert_eq!(ask(&server, "SELECT 'here'"), "here");
    drop(server);
    assert!(!place.exists());
    assert!(!is_alive(process));
}

#[test]
fn a_command_runs_beside_a_temporary_server_that_ends_with_it() {
    let script = "echo \"$TEST_DATABASE_URL\"; exit 7";
    let output = Command::new(env!("CARGO_BIN_EXE_with-postgres")).args(["--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let url = String::from_utf8(output.stdout).unwrap();
    wait_until("the end of the temporary server", || query(url.trim(), "SELECT 'here'").is_err());
}

#[test]
fn a_killed_command_takes_its_server_with_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-postgres"));
    // Nothing of ours is in its hands, so that nobody waits for it if this test fails.
    let command = command
        .args(["sh", "-c", "echo \"$TEST_DATABASE_URL\"; exec sleep 1000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut command = Killed(command);
    let mut url = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(command.0.stdout.take().unwrap()), &mut url).unwrap();
    assert_eq!(query(url.trim(), "SELECT 'here'").unwrap().as_deref(), Some("here"));
    let place: String = query(url.trim(), "SELECT current_setting('data_directory')").unwrap().unwrap();
    drop(command);
    wait_until("the end of the temporary server", || query(url.trim(), "SELECT 'here'").is_err());
    wait_until("the removal of its folder", || !Path::new(&place).exists());
}
