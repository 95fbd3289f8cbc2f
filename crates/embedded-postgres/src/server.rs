//! The server itself: started, adopted or joined, and stopped.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Settings;
use crate::binaries::Binaries;
use crate::cluster;
use crate::error::{During, Error};
use crate::guard::guard;
use crate::home::Home;
use crate::lock::OwnerLock;
use crate::pidfile::{self, Running};
use crate::port;
use crate::process::{self, POLL};

/// How often a port that somebody took between our look and the server's is replaced.
const PORT_TRIES: u32 = 3;
/// How long processes of a crashed server may take to notice and end.
const LEFT_BEHIND_LIMIT: Duration = Duration::from_secs(10);
/// A lock refused for longer is another program's. A process that a program starts holds its locks until it is itself, for milliseconds.
const FORK_LIMIT: Duration = Duration::from_millis(100);
/// An immediate stop needs no disk.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(3);

/// A start that takes longer is said to take long: most likely the server recovers what an end without order has left.
const QUICK_START: Duration = Duration::from_secs(5);

/// A PostgreSQL server that accepts connections. Dropping it stops the server, if it is ours to stop.
#[derive(Debug)]
pub struct Postgres {
    home: Home,
    binaries: Binaries,
    port: u16,
    user: String,
    password: String,
    stop_timeout: Duration,
    /// Present if we started the server; kept to collect its end.
    child: Option<Child>,
    /// Present if the server is ours to stop.
    owner: Option<OwnerLock>,
    leave_running: bool,
    /// Present if the cluster is to go with its server.
    guard: Option<Child>,
}

impl Postgres {
    /// Makes the cluster if there is none and starts its server, or adopts the one that a crashed program left running,
    /// or joins the one that another program runs.
    pub fn start(settings: &Settings) -> Result<Self, Error> {
        let home = Home::locate(settings)?;
        home.prepare()?;
        let began = Instant::now();
        let deadline = began + settings.start_timeout;
        loop {
            if let Some(owner) = OwnerLock::try_take(&home)? {
                return Self::start_as_owner(settings, home, owner);
            }
            let is_held = began.elapsed() >= FORK_LIMIT;
            if let Some(running) = pidfile::running(&home.cluster()).filter(|running| is_held && running.ready) {
                return Self::join(settings, home, &running);
            }
            if Instant::now() >= deadline {
                return Err(Error::Busy { seconds: settings.start_timeout.as_secs(), lock: home.lock_file() });
            }
            sleep(POLL);
        }
    }

    /// A URL of the superuser for a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}:{}@127.0.0.1:{}/{}", encode(&self.user), self.password, self.port, encode(database))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The major version of the server.
    pub fn major_version(&self) -> u32 {
        self.binaries.major
    }

    /// The folder of the cluster, its password and its log: not always the one that was asked for.
    pub fn data_dir(&self) -> &Path {
        &self.home.dir
    }

    /// Whether this program will stop the server, rather than another one.
    pub fn is_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Stops the server if it is ours, in order if that is quick, at once if not, and by force if it does not hear; each keeps every committed row.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_if_ours()
    }

    /// Makes the cluster go with its server, and with this process, however either ends.
    pub(crate) fn make_temporary(&mut self) -> Result<(), Error> {
        self.guard = Some(guard(&self.home, &self.binaries)?);
        Ok(())
    }

    pub(crate) fn start_as_owner(settings: &Settings, home: Home, owner: OwnerLock) -> Result<Self, Error> {
        let made_by = cluster::version(&home.cluster())?;
        let data = home.cluster();
        let binaries = Binaries::find(settings, &home.account, made_by.map(|version| (data.as_path(), version)))?;
        if made_by.is_none() {
            cluster::create(settings, &home, &binaries)?;
        }
        let (child, port) = match adopt(settings, &home)? {
            Some(running) => (None, running.port),
            None => launch(settings, &home, &binaries).map(|(child, port)| (Some(child), port))?,
        };
        let mut server = Self::at(port, settings, home, binaries);
        server.child = child;
        server.owner = Some(owner);
        // From here on it is stopped whatever fails.
        server.leave_running = false;
        server.password = server.home.password()?;
        server.home.write_private(&server.home.port_file(), &port.to_string())?;
        server.leave_running = settings.leave_running;
        Ok(server)
    }

    fn join(settings: &Settings, home: Home, running: &Running) -> Result<Self, Error> {
        let data = home.cluster();
        let version = cluster::version(&data)?;
        let binaries = Binaries::find(settings, &home.account, version.map(|version| (data.as_path(), version)))?;
        let mut server = Self::at(running.port, settings, home, binaries);
        server.password = server.home.password()?;
        tracing::info!(port = running.port, "joined the PostgreSQL that another program runs");
        Ok(server)
    }

    /// A server that is not ours yet.
    fn at(port: u16, settings: &Settings, home: Home, binaries: Binaries) -> Self {
        Self {
            home,
            binaries,
            port,
            user: settings.user.clone(),
            password: String::new(),
            stop_timeout: settings.stop_timeout,
            leave_running: settings.leave_running,
            child: None,
            owner: None,
            guard: None,
        }
    }

    fn stop_if_ours(&mut self) -> Result<(), Error> {
        if self.leave_running || self.owner.is_none() {
            return Ok(());
        }
        let stopped = self.stop_server();
        if let Some(mut guard) = self.guard.take().filter(|_| stopped.is_ok()) {
            let _ = guard.kill().and_then(|()| guard.wait());
            fs::remove_dir_all(&self.home.dir).during("remove", &self.home.dir)?;
        }
        // Only now may another program start a server on these data.
        self.owner = None;
        stopped
    }

    fn stop_server(&mut self) -> Result<(), Error> {
        let first = if self.guard.is_some() { "immediate" } else { "fast" };
        for (mode, limit) in [(first, self.stop_timeout), ("immediate", IMMEDIATE_LIMIT)] {
            if pidfile::running(&self.home.cluster()).is_none() {
                break;
            }
            if let Err(error) = self.ask_to_stop(mode, limit) {
                tracing::warn!(%error, "PostgreSQL could not be asked to stop");
            }
        }
        if let Some(running) = pidfile::running(&self.home.cluster()) {
            tracing::warn!(pid = running.pid, "PostgreSQL does not stop and is killed; it recovers at its next start");
            let _ = self.home.account.signal("KILL", running.pid);
            self.wait_for_end(IMMEDIATE_LIMIT);
        }
        if let Some(running) = pidfile::running(&self.home.cluster()) {
            return Err(Error::NotStopped { pid: running.pid, log: self.home.log_file() });
        }
        if let Some(child) = &mut self.child {
            let _ = process::wait(child, IMMEDIATE_LIMIT);
        }
        tracing::info!("PostgreSQL stopped");
        Ok(())
    }

    /// Sends the signal by `pg_ctl` and waits for the end of the server.
    fn ask_to_stop(&mut self, mode: &str, limit: Duration) -> Result<(), Error> {
        let mut stop = self.home.account.command(self.binaries.program("pg_ctl"), &self.home.dir);
        stop.args(["stop", "--silent", "--no-wait", "--mode", mode, "--pgdata"]).arg(self.home.cluster());
        stop.stdout(Stdio::null()).stderr(Stdio::null());
        let asked = process::run(stop, limit);
        if asked.is_ok() {
            self.wait_for_end(limit);
        }
        asked.map(drop)
    }

    fn wait_for_end(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while pidfile::running(&self.home.cluster()).is_some() && Instant::now() < deadline {
            // A child that ended stays in the process list until it is collected.
            if let Some(child) = &mut self.child {
                let _ = child.try_wait();
            }
            sleep(POLL);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop_if_ours() {
            tracing::error!(%error, "stopping PostgreSQL failed");
        }
    }
}

/// The server that a crashed program left behind, once it is ready.
fn adopt(settings: &Settings, home: &Home) -> Result<Option<Running>, Error> {
    let deadline = Instant::now() + settings.start_timeout;
    while let Some(running) = pidfile::running(&home.cluster()) {
        if running.ready {
            tracing::info!(port = running.port, process = running.pid, "adopted a PostgreSQL that was left running");
            return Ok(Some(running));
        }
        if Instant::now() >= deadline {
            return Err(Error::NotReady { seconds: settings.start_timeout.as_secs(), log: home.log_file() });
        }
        sleep(POLL);
    }
    wait_for_left_behind(home)?;
    pidfile::remove_if_stale(&home.cluster())?;
    Ok(None)
}

/// A server that was killed leaves processes that end by themselves as soon as they notice.
fn wait_for_left_behind(home: &Home) -> Result<(), Error> {
    let deadline = Instant::now() + LEFT_BEHIND_LIMIT;
    loop {
        let left = pidfile::processes_in(&home.cluster());
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let pids = left.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            return Err(Error::LeftBehind { data: home.cluster(), pids });
        }
        sleep(POLL);
    }
}

/// Starts the server, on another port if somebody was quicker to take the first.
fn launch(settings: &Settings, home: &Home, binaries: &Binaries) -> Result<(Child, u16), Error> {
    let mut tries = 1;
    loop {
        let port = port::choose(settings, home)?;
        match start_on(settings, home, binaries, port) {
            Err(Error::Exited { .. }) if tries < PORT_TRIES && settings.port.is_none() && port::is_taken(port) => {
                tries += 1
            }
            started => return started.map(|child| (child, port)),
        }
    }
}

fn start_on(settings: &Settings, home: &Home, binaries: &Binaries, port: u16) -> Result<Child, Error> {
    let began = Instant::now();
    let (log, length) = home.open_log()?;
    let mut server = home.account.command(binaries.program("postgres"), &home.dir);
    server.arg("-D").arg(home.cluster());
    for setting in cluster::server_settings(settings, port) {
        server.arg("-c").arg(setting);
    }
    server.stdout(log.try_clone().during("open", home.log_file())?).stderr(log);
    let mut child = server.spawn().map_err(|source| Error::Run { program: binaries.program("postgres"), source })?;
    if let Err(error) = wait_until_ready(&mut child, settings.start_timeout, home, length) {
        end(&mut child, home);
        return Err(error);
    }
    tracing::info!(port, version = binaries.major, data = %home.dir.display(), took_ms = began.elapsed().as_millis(), "PostgreSQL started");
    Ok(child)
}

/// `log_length`: what the log had before this start.
fn wait_until_ready(child: &mut Child, limit: Duration, home: &Home, log_length: u64) -> Result<(), Error> {
    let (began, mut is_told) = (Instant::now(), false);
    while !pidfile::running(&home.cluster()).is_some_and(|running| running.ready && running.pid == child.id()) {
        if child.try_wait().during("wait for", "postgres")?.is_some() {
            return Err(Error::Exited { log: home.log_file(), tail: home.log_tail(log_length) });
        }
        if began.elapsed() >= limit {
            return Err(Error::NotReady { seconds: limit.as_secs(), log: home.log_file() });
        }
        if began.elapsed() >= QUICK_START && !std::mem::replace(&mut is_told, true) {
            tracing::info!(log = %home.log_file().display(), "PostgreSQL recovers after an end without order; waiting at most {} s", limit.as_secs());
        }
        sleep(POLL);
    }
    Ok(())
}

/// Ends a server that was started and is not waited for any longer: at once, and by force if it does not hear.
fn end(child: &mut Child, home: &Home) {
    let _ = home.account.signal("QUIT", child.id());
    if !matches!(process::wait(child, IMMEDIATE_LIMIT), Ok(Some(_))) {
        let _ = child.kill();
        let _ = process::wait(child, IMMEDIATE_LIMIT);
    }
}

/// Percent-encodes a name for a URL.
fn encode(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_in_urls_are_encoded() {
        assert_eq!(super::encode("flotilla_demo-1"), "flotilla_demo-1");
        assert_eq!(super::encode("a b/ä"), "a%20b%2F%C3%A4");
    }
}
