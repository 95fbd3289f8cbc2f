//! Where and how to reach Neon, and what is refused as an address or a key.

use std::time::Duration;

use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::NeonError;

/// Where and how to reach Neon.
#[derive(Clone, Debug)]
pub struct NeonConfig {
    /// Up to and including `/api/v2`.
    pub base_url: String,
    pub api_key: SecretString,
    /// Needed with a personal key; an organisation's key implies it.
    pub org_id: Option<String>,
    /// Neon's limit per account, less what others use of it. All who share an [`RateLimiter`] keep to it together.
    pub calls_per_minute: u32,
    /// Neon's limit per account and route.
    pub calls_per_second_per_route: u32,
    /// Neon's limit per account for calls for usage history, which it counts apart.
    pub consumption_calls_per_minute: u32,
    /// From sending a call to the end of its answer.
    pub timeout: Duration,
    /// Who calls, as `name/version`.
    pub user_agent: String,
    /// For what a call is made: sent along with the number of the call, and told by Neon in its errors. Asked in the task that makes the call.
    pub request_id: fn() -> String,
}

impl NeonConfig {
    /// Neon's documented limits, and half a minute for each answer.
    pub fn new(base_url: impl Into<String>, api_key: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            org_id: None,
            calls_per_minute: 700,
            calls_per_second_per_route: 40,
            consumption_calls_per_minute: 30,
            timeout: Duration::from_secs(30),
            user_agent: String::from(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"))),
            request_id: || format!("{:016x}", rand::random::<u64>()),
        }
    }
}

/// Chooses the cryptography behind TLS, once for the process. Before any client of reqwest is made.
pub fn prepare_tls() {
    // An error says that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(super) fn base_url(text: &str) -> Result<Url, NeonError> {
    let wrong = |why: &str| {
        NeonError::Misconfigured(format!(
            "the address of the Neon API {why}; it looks like https://console.neon.tech/api/v2."
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(wrong("has to begin with https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("must hold neither a user nor a query"));
    }
    Ok(url)
}

pub(super) fn bearer(key: &SecretString) -> Result<HeaderValue, NeonError> {
    let key = key.expose_secret().trim();
    let mut header =
        HeaderValue::from_str(&format!("Bearer {key}")).ok().filter(|_| !key.is_empty()).ok_or_else(|| {
            NeonError::Misconfigured(String::from("the Neon API key is empty or holds characters that no key has."))
        })?;
    header.set_sensitive(true);
    Ok(header)
}
