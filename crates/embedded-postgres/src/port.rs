//! The port of a cluster: kept from start to start, so that a URL someone noted stays true.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::Settings;
use crate::error::Error;
use crate::home::{Home, fingerprint};

/// Below the range from which systems take ports for outgoing connections, so that nobody borrows ours in between.
const FIRST: u16 = 15_432;
const SPREAD: u64 = 10_000;
const TRIES: u16 = 100;

/// The port for the next start: the wanted one, the one of last time if it is free, else a free one.
pub(crate) fn choose(settings: &Settings, home: &Home) -> Result<u16, Error> {
    if let Some(port) = settings.port {
        return probe(port).map_err(|source| Error::Port { port, source });
    }
    let last = fs::read_to_string(home.port_file()).ok().and_then(|port| port.trim().parse().ok());
    match last.filter(|port| *port != 0 && probe(*port).is_ok()) {
        Some(port) => Ok(port),
        None => free(home),
    }
}

/// The first free port from one that depends on the folder, so that two projects rarely meet.
fn free(home: &Home) -> Result<u16, Error> {
    let spread = u64::from_str_radix(&fingerprint(home.dir.as_os_str().as_encoded_bytes()), 16).unwrap_or(0) % SPREAD;
    let first = FIRST + u16::try_from(spread).unwrap_or(0);
    let found = (first..first + TRIES).find_map(|port| probe(port).ok());
    found.map_or_else(|| probe(0).map_err(|source| Error::Port { port: 0, source }), Ok)
}

fn probe(port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

/// Whether a start failed because somebody took the port in the meantime.
pub(crate) fn is_taken(port: u16) -> bool {
    probe(port).is_err()
}
