//! Whether the configured keys are those with which the ledger is sealed: a server that lacks one would hand out what it cannot open.

use anyhow::{Result, bail};
use fleet_types::grouped;
use ledger::{Ledger, MissingKey, Registration};
use secrets::Secrets;
use uuid::Uuid;

use crate::config::{Config, Misconfigured};

/// A server or an engine registers beside those that run, and seals as they do.
///
/// # Errors
/// With a text that says what to do when a key is lacking, or the ledger's.
pub async fn register(config: &Config, secrets: &Secrets, ledger: &Ledger, replica: Uuid) -> Result<()> {
    match ledger.register_keys(replica, &secrets.key_ids(), &config.lost_secret_keys).await? {
        Registration::SealsWith(key) => {
            secrets.seal_with(&key);
            Ok(())
        }
        Registration::Missing(missing) => bail!(refusal(&missing)),
    }
}

/// A command that opens and seals what servers do.
///
/// # Errors
/// As [`register`].
pub async fn check(config: &Config, secrets: &Secrets, ledger: &Ledger) -> Result<()> {
    let missing = ledger.missing_keys(&secrets.key_ids(), &config.lost_secret_keys).await?;
    if !missing.is_empty() {
        bail!(refusal(&missing));
    }
    if let Some(key) = ledger.sealing_key().await? {
        secrets.seal_with(&key);
    }
    Ok(())
}

fn refusal(missing: &[MissingKey]) -> Misconfigured {
    let keys: Vec<String> = missing.iter().map(in_words).collect();
    Misconfigured(format!(
        "FLOTILLA_SECRET_KEY is not the key with which credentials in this ledger are sealed, whose id is {}. Set that key; after a change of keys name it in \
         FLOTILLA_PREVIOUS_SECRET_KEYS until `flotilla key list` says that it can go; if it is lost for good, name its id in FLOTILLA_LOST_SECRET_KEYS",
        keys.join(" and ")
    ))
}

fn in_words(missing: &MissingKey) -> String {
    match missing.sealed {
        0 => format!("{} (another Flotilla, which runs or ended within the last minute, seals with it)", missing.id),
        count => format!("{} ({} credentials)", missing.id, grouped(count)),
    }
}
