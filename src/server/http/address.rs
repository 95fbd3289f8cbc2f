//! Where a request came from, as far as that can be known: for throttling, never for trust.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{extract::ConnectInfo, http::request::Parts};

use crate::server::config::Config;

/// The peer's address, or behind a proxy the last one that the proxy wrote down. Of IPv6 only the network counts, since one
/// machine commands all of it.
pub fn of(parts: &Parts, config: &Config) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = if config.behind_proxy { forwarded(parts).or(peer) } else { peer };
    address.map_or_else(|| String::from("unknown"), |address| network(address).to_string())
}

fn forwarded(parts: &Parts) -> Option<IpAddr> {
    let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ipv6_the_network_counts() {
        let network = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn behind_a_proxy_its_own_word_counts_not_the_clients() {
        let request = axum::http::Request::builder()
            .header("x-forwarded-for", "10.9.9.9, 203.0.113.5")
            .body(())
            .expect("a request");
        let (parts, ()) = request.into_parts();
        assert_eq!(forwarded(&parts), "203.0.113.5".parse().ok());
    }
}
