//! Where a request came from, as far as that can be known: for throttling and for the history, never for trust.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::Response,
};

use crate::config::{Config, Networks};

/// In which proxies name the client. Only the first is read.
const FORWARDING: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];

/// The client's address. Of IPv6 only the network counts, since one machine commands all of it.
pub fn of(parts: &Parts, config: &Config) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let client = peer.map(|peer| client(peer, &parts.headers, &config.trusted_proxies));
    client.map_or_else(|| String::from("unknown"), |address| network(address).to_string())
}

/// The address itself, or the /64 that an IPv6 address is in.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Says once in the log that a proxy seems to stand in front of us which nobody has told us to trust: everybody behind it counts as one address.
pub async fn notice_proxies(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    static IS_SAID: AtomicBool = AtomicBool::new(false);
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>()
        && is_unexpected(peer.ip(), request.headers(), &config.trusted_proxies)
        && !IS_SAID.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "{} sends a header of forwarding proxies that is not believed, and all its requests count as from this one address. If a proxy of yours stands \
             there, name its network in FLOTILLA_TRUSTED_PROXIES",
            peer.ip()
        );
    }
    next.run(request).await
}

fn is_unexpected(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> bool {
    FORWARDING.iter().any(|name| headers.contains_key(*name)) && !trusted.contains(peer)
}

/// From the last hop to the first: each is believed as long as a trusted proxy has written it down.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let written = headers.get_all(FORWARDING[0]).iter().filter_map(|value| value.to_str().ok());
    let mut hops: Vec<&str> = written.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    while trusted.contains(client) {
        let Some(before) = hops.pop().and_then(hop) else { break };
        client = before;
    }
    client
}

/// `203.0.113.5`, `203.0.113.5:1234`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:1234`.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let without_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(without_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn headers(forwarded_for: &[&str]) -> HeaderMap {
        let values =
            forwarded_for.iter().map(|value| (FORWARDING[0].parse().expect("a name"), value.parse().expect("a value")));
        values.collect()
    }

    #[test]
    fn of_ipv6_the_network_counts() {
        let network = |text: &str| network(ip(text)).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_hop_is_read_in_every_form_that_proxies_write() {
        for text in ["203.0.113.5", " 203.0.113.5 ", "203.0.113.5:1234", "\"203.0.113.5\""] {
            assert_eq!(hop(text), Some(ip("203.0.113.5")), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:1234", "\"[2001:db8::1]:1234\""] {
            assert_eq!(hop(text), Some(ip("2001:db8::1")), "{text}");
        }
        assert_eq!(hop("unknown"), None);
    }

    #[test]
    fn only_what_a_trusted_proxy_has_written_is_believed() {
        let trusted: Networks = "10.0.0.0/8, 2001:db8:7::/48".parse().expect("networks");
        let of = |peer: &str, written: &[&str]| client(ip(peer), &headers(written), &trusted).to_string();
        assert_eq!(of("10.0.0.1", &["203.0.113.5:1234"]), "203.0.113.5");
        assert_eq!(of("10.0.0.1", &["192.0.2.66, 203.0.113.5"]), "203.0.113.5", "the client's own word");
        assert_eq!(of("10.0.0.1", &["192.0.2.66", "203.0.113.5, 10.0.0.2", "10.0.0.3"]), "203.0.113.5");
        assert_eq!(of("2001:db8:7::1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(of("::ffff:10.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(of("198.51.100.9", &["203.0.113.5"]), "198.51.100.9", "no proxy of ours");
        assert_eq!(of("10.0.0.1", &["not an address"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_proxy_that_nobody_has_named_is_noticed() {
        let (none, named): (Networks, Networks) = (Networks::default(), "10.0.0.0/8".parse().expect("networks"));
        assert!(is_unexpected(ip("10.0.0.1"), &headers(&["203.0.113.5"]), &none));
        assert!(!is_unexpected(ip("10.0.0.1"), &headers(&["203.0.113.5"]), &named));
        assert!(!is_unexpected(ip("10.0.0.1"), &headers(&[]), &none));
    }
}
