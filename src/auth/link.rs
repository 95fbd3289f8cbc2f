//! Links that sign an operator in once.

use std::time::Duration;

use anyhow::Result;

use crate::config::Config;
use ledger::{By, Ledger};

/// How a one-time link's token begins.
const LINK_PREFIX: &str = "fll_";

/// Makes a link that signs this operator in once.
///
/// # Errors
/// When there is no such operator, or it is disabled.
pub async fn create(config: &Config, ledger: &Ledger, email: &str, valid_for: Duration) -> Result<String> {
    let token = secrets::random_token(LINK_PREFIX);
    ledger.create_sign_in_link(email, &secrets::hash_token(&token), valid_for, &By::cli()).await?;
    Ok(format!("{}/sign-in/link/{token}", config.public_url()))
}
