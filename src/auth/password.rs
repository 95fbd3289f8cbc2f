//! Passwords: argon2id with 19 MiB and two passes, a few at a time and never on a thread that serves requests.
//!
//! Only passwords of accounts that exist are hashed. That this tells nobody which do is for the answer to see to.

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

/// Whether the password belongs to the kept hash.
///
/// # Errors
/// `Busy` under load.
pub async fn is_right(password: SecretString, kept: String) -> Result<bool, PasswordError> {
    if password.expose_secret().len() > LENGTH.end() * 4 {
        return Ok(false);
    }
    in_turn(move || {
        let hash =
            PasswordHash::new(&kept).map_err(|_| PasswordError::Hash(argon2::password_hash::Error::EncodingInvalid))?;
        Ok(Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
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
        assert!(is_right(SecretString::from("correct horse battery"), kept.clone()).await.expect("checked"));
        assert!(!is_right(SecretString::from("correct horse batterz"), kept).await.expect("checked"));
    }

    #[tokio::test]
    async fn too_short_and_too_long_are_refused() {
        assert!(matches!(hash(SecretString::from("eleven-char")).await, Err(PasswordError::Length)));
        assert!(matches!(hash(SecretString::from("x".repeat(1_025))).await, Err(PasswordError::Length)));
        assert!(!is_right(SecretString::from("x".repeat(100_000)), String::new()).await.expect("refused unseen"));
    }
}
