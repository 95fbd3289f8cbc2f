//! The client against a small server of its own that answers by script: what is sent, what is understood, what is repeated.

mod calls;
mod consumption;
mod failures;
mod lists;
mod raw;
mod stub;

use std::time::Duration;

use secrecy::SecretString;

use super::{NeonClient, NeonConfig, NeonQuota, NewProject};

const KEY: &str = "napi_0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr";

fn client(url: &str) -> NeonClient {
    let config = NeonConfig {
        org_id: Some(String::from("org-royal-sun-91776391")),
        user_agent: String::from("fleet/1.2"),
        ..NeonConfig::new(url, SecretString::from(KEY))
    };
    NeonClient::new(config).unwrap()
}

/// A client that waits for an answer no longer than this.
fn impatient(url: &str, timeout: Duration) -> NeonClient {
    NeonClient::new(NeonConfig { timeout, ..NeonConfig::new(url, SecretString::from(KEY)) }).unwrap()
}

fn new_project() -> NewProject {
    NewProject {
        name: String::from("flotilla-0198f0a2"),
        region_id: String::from("aws-us-west-2"),
        pg_version: 17,
        quota: NeonQuota { logical_size_bytes: Some(536_870_912), ..NeonQuota::default() },
        min_cu: 0.25,
        max_cu: 2.0,
        suspend_timeout_seconds: 0,
    }
}
