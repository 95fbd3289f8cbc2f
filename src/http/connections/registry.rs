//! Who is connected: strangers by age and network, and how many are known.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::Limits;
use crate::{
    http::address,
    metrics::{Metrics, Refused},
};

/// For how long a token or session that was valid vouches for connections while nobody can ask the ledger about it.
const VOUCHES_FOR: Duration = Duration::from_secs(3_600);
/// Its age is renewed when it is older than this.
const RENEWED_AFTER: Duration = Duration::from_secs(300);
/// Tokens and sessions that are remembered.
const REMEMBERED: usize = 4_096;

/// SHA-256 of a token or of a session's cookie.
pub type CredentialHash = [u8; 32];

/// The open connections of one listener.
pub struct Connections {
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Cancelled when every connection must end.
    ended: CancellationToken,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    known: BTreeSet<u64>,
    /// Numbers rise, so the first is the oldest.
    strangers: BTreeMap<u64, Stranger>,
    by_network: HashMap<IpAddr, BTreeSet<u64>>,
    /// Tokens and sessions that were valid, and when they were last.
    proven: HashMap<CredentialHash, Instant>,
}

struct Stranger {
    /// None behind a trusted proxy.
    network: Option<IpAddr>,
    since: Instant,
    close: CancellationToken,
}

/// A connection, counted until this is dropped.
pub struct Guest {
    pub connection: OpenConnection,
    /// Cancelled when it must make way.
    pub close: CancellationToken,
}

/// In the extensions of every request: the connection that it came by.
#[derive(Clone)]
pub struct OpenConnection {
    number: u64,
    connections: Arc<Connections>,
}

impl Connections {
    pub fn new(limits: Limits, metrics: Arc<Metrics>, ended: CancellationToken) -> Self {
        Self { limits, metrics, ended, open: Mutex::default() }
    }

    /// Counts a new connection, for which older strangers may have to make way; none when all are known.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Option<Guest> {
        let network = (!is_proxy).then(|| address::network(peer));
        let mut open = self.open();
        if let Some(network) = network {
            self.thin_out(&mut open, network);
        }
        if open.count() >= self.limits.all {
            let next = open.next_to_go(self.limits.per_network);
            self.metrics.refused(Refused::Connection);
            open.displace(next?);
        }
        open.last += 1;
        let (number, close) = (open.last, self.ended.child_token());
        open.strangers.insert(number, Stranger { network, since: Instant::now(), close: close.clone() });
        if let Some(network) = network {
            open.by_network.entry(network).or_default().insert(number);
        }
        self.metrics.connections_open(open.count());
        Some(Guest { connection: OpenConnection { number, connections: self.clone() }, close })
    }

    /// Makes room for one more stranger of this network, among those who have had the time to say who they are.
    fn thin_out(&self, open: &mut Open, network: IpAddr) {
        while let Some(of_network) = open.by_network.get(&network)
            && of_network.len() >= self.limits.per_network
            && let Some(oldest) = of_network.first().copied()
            && open.strangers.get(&oldest).is_some_and(|stranger| stranger.since.elapsed() >= self.limits.unsaid)
        {
            self.metrics.refused(Refused::ConnectionOfAddress);
            open.displace(oldest);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self) -> usize {
        self.known.len() + self.strangers.len()
    }

    /// The stranger who makes way in a full house: the oldest of the network that has most of them beyond its limit, else the oldest of all.
    fn next_to_go(&self, per_network: usize) -> Option<u64> {
        let crowds = self.by_network.values().filter(|of_network| of_network.len() > per_network);
        let crowd = crowds.max_by_key(|of_network| of_network.len()).and_then(BTreeSet::first);
        crowd.or_else(|| self.strangers.first_key_value().map(|(oldest, _)| oldest)).copied()
    }

    fn become_known(&mut self, number: u64) {
        if self.remove_stranger(number).is_some() {
            self.known.insert(number);
        }
    }

    fn remember(&mut self, credential: CredentialHash) {
        if self.proven.len() >= REMEMBERED && !self.proven.contains_key(&credential) {
            self.proven.retain(|_, proven_at| proven_at.elapsed() < VOUCHES_FOR);
        }
        if self.proven.len() < REMEMBERED || self.proven.contains_key(&credential) {
            self.proven.insert(credential, Instant::now());
        }
    }

    fn displace(&mut self, number: u64) {
        if let Some(stranger) = self.remove_stranger(number) {
            stranger.close.cancel();
        }
    }

    fn remove_stranger(&mut self, number: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(network) = stranger.network
            && let Some(of_network) = self.by_network.get_mut(&network)
        {
            of_network.remove(&number);
            if of_network.is_empty() {
                self.by_network.remove(&network);
            }
        }
        Some(stranger)
    }
}

impl OpenConnection {
    /// Somebody has shown a valid token or session on it: it need not make way any more.
    pub fn become_known(&self, credential: CredentialHash) {
        let mut open = self.connections.open();
        open.remember(credential);
        open.become_known(self.number);
    }

    /// Before the ledger is asked, which may be away: what was valid here a while ago vouches for the connection, and for nothing else. Whether it was so
    /// lately that it need not be proven again.
    pub fn recognise(&self, credential: CredentialHash) -> bool {
        let mut open = self.connections.open();
        let Some(age) = open.proven.get(&credential).map(Instant::elapsed) else { return false };
        if age < VOUCHES_FOR {
            open.become_known(self.number);
        }
        age < RENEWED_AFTER
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let OpenConnection { number, connections } = &self.connection;
        let mut open = connections.open();
        if open.remove_stranger(*number).is_none() {
            open.known.remove(number);
        }
        connections.metrics.connections_open(open.count());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn house(all: usize, per_network: usize) -> Arc<Connections> {
        house_where(all, per_network, Duration::ZERO)
    }

    fn house_where(all: usize, per_network: usize, unsaid: Duration) -> Arc<Connections> {
        let time = Duration::from_secs(1);
        let limits = Limits { all, per_network, unsaid, header: time, header_of_proxy: time, unread: time };
        Arc::new(Connections::new(limits, Arc::new(Metrics::new().unwrap()), CancellationToken::new()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn of_one_network_the_oldest_stranger_makes_way() {
        let house = house(100, 2);
        let other = house.admit(ip("198.51.100.1"), false).unwrap();
        let guests: Vec<Guest> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .iter()
            .map(|of| house.admit(ip(of), false).unwrap())
            .collect();
        let closed: Vec<bool> = guests.iter().map(|guest| guest.close.is_cancelled()).collect();
        assert_eq!(closed, [true, false, false]);
        assert!(!other.close.is_cancelled());
        assert_eq!(house.open().count(), 3);
    }

    #[test]
    fn the_known_and_a_trusted_proxy_are_not_counted_by_address() {
        let house = house(100, 1);
        let known = house.admit(ip("192.0.2.1"), false).unwrap();
        known.connection.become_known([1; 32]);
        let proxied: Vec<Guest> = (0..10).map(|_| house.admit(ip("192.0.2.1"), true).unwrap()).collect();
        let stranger = house.admit(ip("192.0.2.1"), false).unwrap();
        assert!(![&known, &stranger].into_iter().chain(&proxied).any(|guest| guest.close.is_cancelled()));
    }

    #[test]
    fn whoever_has_just_come_makes_way_in_a_full_house_alone_and_for_a_crowd_of_others_not_at_all() {
        let house = house_where(10, 2, Duration::from_secs(3_600));
        let other = house.admit(ip("198.51.100.1"), false).unwrap();
        let crowd: Vec<Guest> = (0..9).map(|_| house.admit(ip("192.0.2.1"), false).unwrap()).collect();
        assert!(!crowd.iter().any(|guest| guest.close.is_cancelled()), "nine at once, and none has had time");
        let next = [house.admit(ip("192.0.2.1"), false).unwrap(), house.admit(ip("203.0.113.1"), false).unwrap()];
        let closed: Vec<bool> = crowd.iter().map(|guest| guest.close.is_cancelled()).collect();
        assert_eq!(closed, [true, true, false, false, false, false, false, false, false]);
        assert!(![&other, &next[0], &next[1]].iter().any(|guest| guest.close.is_cancelled()));
    }

    #[test]
    fn what_was_valid_once_vouches_for_later_connections() {
        let house = house(100, 1);
        house.admit(ip("192.0.2.1"), false).unwrap().connection.become_known([7; 32]);
        let [again, forged] = [[7; 32], [8; 32]].map(|credential| {
            let guest = house.admit(ip("192.0.2.1"), false).unwrap();
            assert_eq!(guest.connection.recognise(credential), credential == [7; 32]);
            guest
        });
        let _next = house.admit(ip("192.0.2.1"), false).unwrap();
        assert!(!again.close.is_cancelled() && forged.close.is_cancelled());
    }

    #[test]
    fn in_a_full_house_strangers_make_way_and_the_known_stay() {
        let house = house(2, 10);
        let known = house.admit(ip("192.0.2.1"), false).unwrap();
        known.connection.become_known([1; 32]);
        let stranger = house.admit(ip("192.0.2.2"), false).unwrap();
        let next = house.admit(ip("192.0.2.3"), false).unwrap();
        assert!(stranger.close.is_cancelled() && !known.close.is_cancelled());
        next.connection.become_known([2; 32]);
        assert!(house.admit(ip("192.0.2.4"), false).is_none(), "all are known");
        drop((known, stranger, next));
        assert_eq!(house.open().count(), 0);
        assert!(house.open().by_network.is_empty());
    }
}
