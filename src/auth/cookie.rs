//! The session cookie and the device cookie: 256 random bits each, out of reach of scripts, of which the ledger keeps the hashes only.
//!
//! The device cookie stays when the session ends. It opens nothing: it tells a browser in which an operator has signed in before from one in which
//! somebody guesses.

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::config::Config;

/// Marks the cookie's value as ours, for whoever finds it in a place where it should not be.
pub const PREFIX: &str = "fls_";
pub const DEVICE_PREFIX: &str = "fld_";

/// Browsers accept the prefix `__Host-` with `Secure` only, and `Secure` over TLS only.
fn name(is_https: bool) -> &'static str {
    if is_https { "__Host-flotilla" } else { "flotilla" }
}

fn device_name(is_https: bool) -> &'static str {
    if is_https { "__Host-flotilla-device" } else { "flotilla-device" }
}

/// The hash of the session cookie that this request carries, if it looks like one.
pub fn session_hash(headers: &HeaderMap, config: &Config) -> Option<[u8; 32]> {
    hash_of(name(config.is_https()), headers)
}

/// The hash of its device cookie, if it looks like one.
pub fn device_hash(headers: &HeaderMap, config: &Config) -> Option<[u8; 32]> {
    hash_of(device_name(config.is_https()), headers)
}

fn hash_of(name: &str, headers: &HeaderMap) -> Option<[u8; 32]> {
    let jar = CookieJar::from_headers(headers);
    let value = jar.get(name)?.value();
    secrets::is_well_formed(value).then(|| secrets::hash_token(value))
}

/// Whether the request carries a cookie under our name, whatever is in it.
pub fn is_present(headers: &HeaderMap, config: &Config) -> bool {
    CookieJar::from_headers(headers).get(name(config.is_https())).is_some()
}

/// The cookie that opens a session. It ends with the browser; the ledger sets the limits.
pub fn opening(token: String, config: &Config) -> Cookie<'static> {
    build(name(config.is_https()), token, config)
}

/// The cookie by which this browser is known at its next sign-in. How long that counts is the ledger's to say.
pub fn remembering(token: String, config: &Config) -> Cookie<'static> {
    let mut cookie = build(device_name(config.is_https()), token, config);
    cookie.make_permanent();
    cookie
}

/// The cookie that takes the other one away.
pub fn closing(config: &Config) -> Cookie<'static> {
    let mut cookie = build(name(config.is_https()), String::new(), config);
    cookie.make_removal();
    cookie
}

fn build(name: &'static str, value: String, config: &Config) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).secure(config.is_https()).build()
}
