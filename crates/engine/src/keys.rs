//! Keys: tells the ledger which keys this process holds, and seals with the one that all have agreed upon.
//!
//! What one replica seals, every other must open. So a new key seals nothing before each running replica has it as its first: until then all go on with
//! the one before, and a restart of one replica after the other loses no claim. See `ledger/keys.rs`.

use super::{Duty, Inner, Report};
use ledger::{HeldKeys, LedgerError};

impl Inner {
    pub(super) async fn keys(&self) -> Report {
        match self.renew_keys().await {
            Ok(report) => report,
            Err(error) => Report::ledger_failed(&error),
        }
    }

    async fn renew_keys(&self) -> Result<Report, LedgerError> {
        let seals_with = self.secrets.sealing_key();
        let Some(agreed) = self.tell_keys(&seals_with).await?.filter(|agreed| *agreed != seals_with) else {
            return Ok(Report::idle());
        };
        if !self.secrets.seal_with(&agreed) {
            let error = format!(
                "Credentials are sealed with the key {agreed}, which this process does not have: add it to FLOTILLA_PREVIOUS_SECRET_KEYS and start it again."
            );
            return Ok(Report { failed: 1, error: Some(error), ..Report::idle() });
        }
        tracing::info!(key.id = agreed, key.before = seals_with, "credentials are sealed with another key from now on");
        self.tell_keys(&agreed).await?;
        self.nudge(Duty::Seal);
        Ok(Report::done("keys changed", 1))
    }

    async fn tell_keys(&self, seals_with: &str) -> Result<Option<String>, LedgerError> {
        let holds = self.secrets.key_ids();
        self.ledger.renew_keys(&HeldKeys { replica: self.replica, holds: &holds, seals_with }).await
    }
}
