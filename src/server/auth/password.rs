//! Passwords: argon2id with 19 MiB and two passes, a few at a time and never on a thread that serves requests.
//!
//! Whether the account exists or not, a check takes one hash, so neither text nor time tell.

use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// Length of a password in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=1_024;
/// Hashes at a time: each takes 19 MiB and a processor.
static HASHING: Semaphore = Semaphore::const_new(2);
/// How long a check may wait for its turn.
const WAIT: Duration = Duration::from_secs(5);
/// Stands in where there is no account or no password. Nobody knows a password for it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy10aGlz$FiBnYUBwYf0zSlvq1j9CVnIkHt0nGh3tq0d2cWn3m2E";

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("A password has {} to {} characters.", LENGTH.start(), LENGTH.end())]
    Length,
    #[error("too many passwords are being checked at this moment")]
    Busy,
    #[error("the password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    #[error("the password's hashing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// The PHC string to keep.
///
/// # Errors
/// `Length` for what is no good password; `Busy` under load.
pub async fn hash(password: SecretString) -> Result<String, PasswordError> {
    if !LENGTH.contains(&password.expose_secret().chars().count()) {
        return Err(PasswordError::Length);
    }
    in_turn(move || {
        let hash = Argon2::default().hash_password(password.expose_secret().as_bytes()).map_err(PasswordError::Hash)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password belongs to the kept hash; `None` is an account that does not exist, or has no password.
///
/// # Errors
/// `Busy` under load.
pub async fn is_right(password: SecretString, kept: Option<String>) -> Result<bool, PasswordError> {
    if password.expose_secret().len() > LENGTH.end() * 4 {
        return Ok(false);
    }
    in_turn(move || {
        let kept = kept.as_deref();
        let hash = PasswordHash::new(kept.unwrap_or(NOBODY))
            .map_err(|_| PasswordError::Hash(argon2::password_hash::Error::EncodingInvalid))?;
        let fits = Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok();
        Ok(fits && kept.is_some())
    })
    .await
}

async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordError> {
    let turn = tokio::time::timeout(WAIT, HASHING.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(PasswordError::Busy) };
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let kept = hash(SecretString::from("correct horse battery")).await.expect("hashed");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_right(SecretString::from("correct horse battery"), Some(kept.clone())).await.expect("checked"));
        assert!(!is_right(SecretString::from("correct horse batterz"), Some(kept)).await.expect("checked"));
    }

    #[tokio::test]
    async fn an_account_that_does_not_exist_costs_a_hash_and_fits_nothing() {
        let nobody = PasswordHash::new(NOBODY).expect("a hash like those we make");
        assert_eq!(nobody.params.to_string(), "m=19456,t=2,p=1");
        assert!(!is_right(SecretString::from("correct horse battery"), None).await.expect("checked"));
    }

    #[tokio::test]
    async fn too_short_and_too_long_are_refused() {
        assert!(matches!(hash(SecretString::from("eleven-char")).await, Err(PasswordError::Length)));
        assert!(matches!(hash(SecretString::from("x".repeat(1_025))).await, Err(PasswordError::Length)));
        assert!(!is_right(SecretString::from("x".repeat(100_000)), None).await.expect("refused unseen"));
    }
}
