//! Connections: how many there may be, and how long one may take to say what it wants.
//!
//! Whoever has shown a valid token or session on a connection is known. Everybody else is a stranger: a network may have so many of them who have had a
//! few seconds to say who they are, and its oldest make way for more. So hundreds of calls that come at once from one address are read and known before
//! anybody counts, and somebody who opens many connections and says nothing pushes out himself. In a full house the network with most strangers beyond
//! its limit gives one up, whatever their age, else the oldest stranger of all goes. Behind a trusted proxy only the limit of all counts. While the ledger
//! is away nobody can be asked who is who: then a token or session that was valid a while ago is enough to stay connected.

mod answer;
mod registry;
mod stalled;

use std::{sync::Arc, time::Duration};

use axum::{Router, http::Extensions, serve::Listener};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use registry::{Connections, CredentialHash, OpenConnection};

use crate::{config::Config, metrics::Metrics, stop::Stop};

/// How long requests under way may take when everything ends.
const GRACE: Duration = Duration::from_secs(2);
/// Files that the process needs besides connections: to the ledger and to Neon, and what it serves.
const OTHER_FILES: usize = 128;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub all: usize,
    /// Strangers of one network (an IPv4 address, or the /64 of an IPv6 address).
    pub per_network: usize,
    /// How long a stranger is not counted against that: time to be accepted, read and looked up, one of hundreds who come at once.
    pub unsaid: Duration,
    /// From the first moment, or from the end of the last answer, to the end of a request's header.
    pub header: Duration,
    /// The same for a trusted proxy, which keeps connections for later: longer than proxies usually do, so that it is the proxy that closes them.
    pub header_of_proxy: Duration,
    /// How long a client may leave an answer unread.
    pub unread: Duration,
}

impl Limits {
    /// As configured, within what the process may open.
    pub fn of(config: &Config) -> Self {
        let all = usize::from(config.connections);
        let files = std::fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits));
        let possible = files.map_or(all, |files| files.saturating_sub(OTHER_FILES).max(OTHER_FILES));
        if possible < all {
            tracing::info!(
                "at most {possible} connections at a time instead of {all}, since the process may open so few files; raise `ulimit -n` for more"
            );
        }
        Self {
            all: all.min(possible),
            per_network: usize::from(config.connections_per_address),
            unsaid: Duration::from_secs(5),
            header: Duration::from_secs(15),
            header_of_proxy: Duration::from_secs(90),
            unread: Duration::from_secs(30),
        }
    }
}

/// From the line `Max open files            1024                 524288               files`: the limit that is in force.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// Answers until `stop` closes, and then the requests that are under way: until none is left, or for [`GRACE`] once everything ends.
pub async fn serve(
    router: Router,
    mut listener: TcpListener,
    config: Arc<Config>,
    limits: Limits,
    metrics: Arc<Metrics>,
    stop: Stop,
) {
    let (tasks, ended) = (TaskTracker::new(), CancellationToken::new());
    let connections = Arc::new(Connections::new(limits, metrics, ended.clone()));
    while let Some((stream, peer)) = stop.closing.run_until_cancelled(Listener::accept(&mut listener)).await {
        let is_proxy = config.trusted_proxies.contains(peer.ip());
        let Some(guest) = connections.admit(peer.ip(), is_proxy) else { continue };
        let header = if is_proxy { limits.header_of_proxy } else { limits.header };
        let timeouts = answer::Timeouts { header, unread: limits.unread };
        tasks.spawn(answer::answer(stream, peer, guest, router.clone(), timeouts, stop.clone()));
    }
    // Nobody may connect any more: a queue of the kernel's would keep them waiting for nothing.
    drop(listener);
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = stop.cut.cancelled() => {}
        () = async {
            stop.ending.cancelled().await;
            tokio::time::sleep(GRACE).await;
        } => {}
    }
    ended.cancel();
}

/// A request of these extensions has shown a valid token or session: its connection need not make way any more.
pub fn make_known(extensions: &Extensions, credential: CredentialHash) {
    if let Some(connection) = extensions.get::<OpenConnection>() {
        connection.become_known(credential);
    }
}

/// Asked before the ledger: while it is away, those who were known go on being told so instead of making way. Whether [`make_known`] would add nothing.
pub fn recognise(extensions: &Extensions, credential: CredentialHash) -> bool {
    extensions.get::<OpenConnection>().is_none_or(|connection| connection.recognise(credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_the_one_in_force() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
    }
}
