//! API tokens, given out once when they are made.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{API_TOKEN_PREFIX, Scope};
use fleet_types::text;
use ledger::{By, Ledger, NewApiToken, TokenReplacement};

/// Characters of a token that are kept to recognise it by.
const VISIBLE: usize = 10;

/// A token to be made.
#[derive(Args, Clone, Debug, Default)]
pub struct NewToken {
    /// By which it is listed and stands in the history
    pub name: String,
    /// What it may do: claim (claim databases), read (see the fleet), manage (also change it), reveal (see the credentials of any claimed database). May be given several times
    #[arg(long = "scope", required = true)]
    pub scopes: Vec<Scope>,
    /// Whose claims are its own: only their client is told their connection again. The token's name if left out
    #[arg(long)]
    pub client: Option<String>,
    /// The only pools it may claim from. May be given several times; all if left out
    #[arg(long = "pool")]
    pub pools: Vec<String>,
    /// Calls a minute it may make, in all replicas together; no limit of its own if left out
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub rate: Option<i32>,
    /// Days after which it stops working; never if left out
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    pub days: Option<u64>,
}

impl NewToken {
    /// With these scopes and nothing else to it.
    pub fn new(name: &str, scopes: &[Scope]) -> Self {
        Self { name: name.to_owned(), scopes: scopes.to_vec(), ..Self::default() }
    }
}

/// Makes a token and gives it out, the only time.
///
/// # Errors
/// When the name is taken or is none, a pool does not exist, or scopes and pools do not go together.
pub async fn create(ledger: &Ledger, new: &NewToken) -> Result<String> {
    let name = named("name", &new.name)?;
    let client = named("client", new.client.as_ref().unwrap_or(&name))?;
    let sees_all = new.scopes.iter().any(|scope| matches!(scope, Scope::Read | Scope::Manage));
    if sees_all && !new.pools.is_empty() {
        bail!(
            "The scopes read and manage are for the whole fleet. Make one token for them and another one for the pools."
        );
    }
    let mut scopes: Vec<String> = new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    scopes.sort();
    scopes.dedup();
    let secret = Secret::fresh();
    let token = NewApiToken {
        name: &name,
        client: &client,
        prefix: secret.prefix(),
        token_hash: secret.hash(),
        scopes,
        pools: (!new.pools.is_empty()).then(|| new.pools.clone()),
        calls_per_minute: new.rate,
        valid_for: new.days.map(from_days),
    };
    ledger.create_api_token(&token, &By::cli()).await?;
    Ok(secret.0)
}

/// Gives the token another secret. The one before it is accepted for a while.
///
/// # Errors
/// When there is no such token, or it has been revoked.
pub async fn replace(
    ledger: &Ledger,
    name: &str,
    keep_previous_for: Duration,
    valid_for: Option<Duration>,
) -> Result<String> {
    let secret = Secret::fresh();
    let (prefix, token_hash) = (secret.prefix(), secret.hash());
    let new = TokenReplacement { name, prefix, token_hash, valid_for, keep_previous_for };
    ledger.replace_api_token(&new, &By::cli()).await?;
    Ok(secret.0)
}

struct Secret(String);

impl Secret {
    fn fresh() -> Self {
        Self(secrets::random_token(API_TOKEN_PREFIX))
    }

    fn prefix(&self) -> &str {
        self.0.get(..VISIBLE).unwrap_or(API_TOKEN_PREFIX)
    }

    fn hash(&self) -> [u8; 32] {
        secrets::hash_token(&self.0)
    }
}

fn named(what: &str, text: &str) -> Result<String> {
    text::label(text, 1..=100).with_context(|| format!("The token's {what}"))
}

/// A time in days.
pub fn from_days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}
