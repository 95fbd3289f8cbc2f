//! The session cookie: 256 random bits, out of reach of scripts, of which the ledger keeps the hash only.

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::server::{config::Config, secrets};

/// Marks the cookie's value as ours, for whoever finds it in a place where it should not be.
pub const PREFIX: &str = "fls_";

/// Browsers accept the prefix `__Host-` with `Secure` only, and `Secure` over TLS only.
fn name(is_https: bool) -> &'static str {
    if is_https { "__Host-flotilla" } else { "flotilla" }
}

/// The hash of the session cookie that this request carries, if it looks like one.
pub fn session_hash(headers: &HeaderMap, config: &Config) -> Option<[u8; 32]> {
    let jar = CookieJar::from_headers(headers);
    let value = jar.get(name(config.is_https()))?.value();
    secrets::is_well_formed(value).then(|| secrets::hash_token(value))
}

/// Whether the request carries a cookie under our name, whatever is in it.
pub fn is_present(headers: &HeaderMap, config: &Config) -> bool {
    CookieJar::from_headers(headers).get(name(config.is_https())).is_some()
}

/// The cookie that opens a session. It ends with the browser; the ledger sets the limits.
pub fn opening(token: String, config: &Config) -> Cookie<'static> {
    build(token, config)
}

/// The cookie that takes the other one away.
pub fn closing(config: &Config) -> Cookie<'static> {
    let mut cookie = build(String::new(), config);
    cookie.make_removal();
    cookie
}

fn build(value: String, config: &Config) -> Cookie<'static> {
    Cookie::build((name(config.is_https()), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.is_https())
        .build()
}
