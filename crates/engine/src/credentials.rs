//! Credentials: whether Neon still has the password that the ledger has, and a new one when somebody asks for it.
//!
//! A password may be reset on Neon past Flotilla. It is noticed when credentials are asked for, and then what Neon has is kept. Only the role's password
//! can change: host, database and role stay.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Engine, Inner, apply::ApplyError, crash, crash::CrashPoint};
use fleet_types::{Connection, Credentials, Time};
use ledger::{By, DueChange, DueReset, LedgerError, StoredCredentials};
use neon_client::{Class, NeonClient, NeonError};
use probe::uri;
use secrets::SecretsError;

/// The name under which the history has what was noticed.
const CHECK: &str = "check";
/// How long whoever asked for credentials waits for Neon's word.
const COMPARE_DEADLINE: Duration = Duration::from_secs(4);
const BACKGROUND_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error("the stored connection string is of no use: {0}")]
    Uri(#[from] uri::UriError),
}

/// What Neon said of a password.
enum Verdict {
    /// It is the stored one.
    Same(Option<Time>),
    /// It is another one.
    Other(Connection, Option<Time>),
    /// Neon stores none.
    NotTold,
}

impl Engine {
    /// These credentials as Neon has them now, or as they are stored where Neon does not tell in time.
    ///
    /// # Errors
    /// When what is stored cannot be opened.
    pub async fn current_credentials(&self, id: Uuid, stored: &StoredCredentials) -> Result<Credentials, SecretsError> {
        let connection = self.inner.secrets.open(id, &stored.sealed)?;
        let credentials = Credentials {
            connection,
            verified_at: stored.verified_at,
            changed_on_neon_at: stored.changed_at,
            not_verified_because: None,
        };
        let neon = self.inner.neon.with_class(Class::Support).with_deadline(COMPARE_DEADLINE);
        let why_not = match tokio::time::timeout(COMPARE_DEADLINE, self.inner.compare(&neon, id, stored)).await {
            Ok(Ok(Verdict::Same(at))) => {
                return Ok(Credentials { verified_at: at.or(stored.verified_at), ..credentials });
            }
            Ok(Ok(Verdict::Other(connection, at))) => {
                return Ok(Credentials {
                    connection,
                    verified_at: Some(at.unwrap_or_else(chrono::Utc::now)),
                    changed_on_neon_at: at.or(stored.changed_at),
                    ..credentials
                });
            }
            Ok(Ok(Verdict::NotTold)) => String::from("Neon does not store the passwords of this project."),
            Ok(Err(CredentialsError::Neon(error))) => error.to_string(),
            Ok(Err(error)) => {
                tracing::warn!(database.id = %id, error = &error as &dyn std::error::Error, "could not compare credentials with Neon");
                String::from("What Neon said could not be kept.")
            }
            Err(_) => format!("Neon did not answer within {} seconds.", COMPARE_DEADLINE.as_secs()),
        };
        Ok(Credentials { not_verified_because: Some(why_not), ..credentials })
    }

    /// Credentials were given again: find out in the background whether Neon still has them, unless that was just done or much is being asked.
    pub fn check_credentials_soon(&self, id: Uuid) {
        let Some(permit) = self.inner.credential_looks.begin(id) else { return };
        if self.inner.shutdown.is_cancelled() {
            return;
        }
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(trace::carry_on(None, async move {
            let neon = inner.neon.with_class(Class::Sync).with_deadline(BACKGROUND_DEADLINE);
            if let Err(error) = inner.check_credentials(&neon, id).await {
                tracing::debug!(database.id = %id, error = &error as &dyn std::error::Error, "could not compare credentials with Neon");
            }
            drop(permit);
        }));
    }
}

impl Inner {
    async fn check_credentials(&self, neon: &NeonClient, id: Uuid) -> Result<(), CredentialsError> {
        if let Some(stored) = self.ledger.stored_credentials(id).await? {
            self.compare(neon, id, &stored).await?;
        }
        Ok(())
    }

    /// Asks Neon for the password and keeps what it says.
    async fn compare(
        &self,
        neon: &NeonClient,
        id: Uuid,
        stored: &StoredCredentials,
    ) -> Result<Verdict, CredentialsError> {
        let Some(password) = neon.reveal_password(&stored.project_id, &stored.branch_id, &stored.role).await? else {
            return Ok(Verdict::NotTold);
        };
        let connection = self.secrets.open(id, &stored.sealed)?;
        if connection.password == password.expose_secret() {
            return Ok(Verdict::Same(self.ledger.record_credentials_verified(id, &stored.sealed).await?));
        }
        let connection = uri::with_password(&connection, &stored.endpoint_id, &password)?;
        let sealed = self.secrets.seal(id, &connection)?;
        let at = self.ledger.record_credentials_changed(id, stored, &sealed, &By::duty(CHECK)).await?;
        Ok(Verdict::Other(connection, at))
    }

    /// Has Neon make a new password, and answers the credentials with it, sealed.
    ///
    /// Before Neon is asked the ledger has what Neon has, and says that it asks. So after a lost answer a password that differs is the new one: it is
    /// taken as it is, and the owner's connections are not cut once more.
    pub(super) async fn reset_password(
        &self,
        neon: &NeonClient,
        row: &DueChange,
        reset: &DueReset,
    ) -> Result<Vec<u8>, ApplyError> {
        let stored = self.secrets.open(row.id, &reset.sealed)?;
        let on_neon = neon.reveal_password(&row.project_id, &reset.branch_id, &reset.role).await?;
        let other = on_neon.filter(|password| stored.password != password.expose_secret());
        let current = match other {
            Some(password) if reset.asked_before => return self.sealed_with(row, &stored, &password),
            Some(password) => self.sealed_with(row, &stored, &password)?,
            None => reset.sealed.clone(),
        };
        if !self.ledger.record_reset_asked(row, &current).await? {
            return Err(ApplyError::LeaseLost);
        }
        crash::here(CrashPoint::ResetAsked);
        let password = neon.reset_password(&row.project_id, &reset.branch_id, &reset.role).await?;
        crash::here(CrashPoint::PasswordReset);
        self.sealed_with(row, &stored, &password)
    }

    fn sealed_with(
        &self,
        row: &DueChange,
        stored: &Connection,
        password: &SecretString,
    ) -> Result<Vec<u8>, ApplyError> {
        let connection = uri::with_password(stored, &row.endpoint_id, password)?;
        Ok(self.secrets.seal(row.id, &connection)?)
    }
}
