//! How to get in: the sign-in link works once, so as soon as it is used a fresh one takes its place in `demo.env`.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{Access, OPERATOR, files};
use crate::{auth::link, config::Config, output::remark};
use ledger::Ledger;

pub const ENV_FILE: &str = "demo.env";
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A link that nobody has used yet.
pub struct Link {
    pub url: String,
    token_hash: [u8; 32],
}

/// Makes a link and writes it, with everything else that scripts need, to `demo.env`.
///
/// # Errors
/// The ledger's, or when the file cannot be written.
pub async fn renew(config: &Config, ledger: &Ledger, access: &Access, folder: &Path) -> Result<Link> {
    let url = link::create(config, ledger, OPERATOR, VALID_FOR).await?;
    let token_hash = secrets::hash_token(url.rsplit('/').next().unwrap_or_default());
    let values = [
        ("FLOTILLA_URL", &access.url),
        ("FLOTILLA_API_TOKEN", &access.token),
        ("FLOTILLA_SIGN_IN_URL", &url),
        ("NEON_API_HOST", &access.neon_api),
        ("NEON_API_KEY", &access.neon_key),
        ("DATABASE_URL", &access.database_url),
    ];
    let text: String = values.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    files::write_private(&folder.join(ENV_FILE), &text)?;
    Ok(Link { url, token_hash })
}

/// Replaces the link whenever it has been used or is about to expire, until shutdown.
pub async fn keep_fresh(
    config: &Config,
    ledger: &Ledger,
    access: &Access,
    folder: &Path,
    mut link: Link,
    shutdown: &CancellationToken,
) {
    while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        if ledger.sign_in_link_is_open(&link.token_hash).await.unwrap_or(true) {
            continue;
        }
        match renew(config, ledger, access, folder).await {
            Ok(fresh) => link = fresh,
            Err(error) => tracing::warn!("no fresh sign-in link could be made: {error:#}"),
        }
    }
}

/// Where to go and what to try.
///
/// # Errors
/// When standard error is closed.
pub fn tell(access: &Access, link: &str, folder: &Path) -> Result<()> {
    let Access { url, token, neon_api, .. } = access;
    let env = folder.join(ENV_FILE);
    let control = neon_api.trim_end_matches("/api/v2");
    Ok(remark(&format!(
        r#"
  Flotilla is running. Open the console (its button signs you in once; a fresh link is always in {env}):

    {link}

  Claim a database as your signup service would, and connect to it with the `connection.uri` of the answer:

    curl -sS {url}/api/v1/claims -H 'Authorization: Bearer {token}' \
      -H 'Content-Type: application/json' -d '{{"owner": {{"id": "me", "email": "me@mail.example"}}}}'
    psql 'postgresql://…'

  Cut the network to Neon, watch claims go on and the console say so, and mend it:

    curl -sS -X PUT {control}/_emulator/faults -H 'Content-Type: application/json' -d '{{"cut": {{"api": true}}}}'
    curl -sS -X DELETE {control}/_emulator/faults

  The API is described at {url}/api/docs. For scripts: . {env}. Ctrl-C stops everything.
"#,
        env = env.display()
    ))?)
}
