//! Attempts to sign in, and how long the next one must wait.
//!
//! Failures are counted per account and per address, and in a browser in which the operator has signed in before per browser alone: strangers who guess at
//! an account, or share its owner's address, do not slow that browser down. A delay grows with the failures and has an end, so that nobody can lock an
//! account or an address; an attempt before its time is refused and changes nothing.

use std::time::Duration;

use super::{Ledger, LedgerError};

/// Somebody who wants to sign in.
pub struct SignInAttempt<'a> {
    /// Trimmed and in lower case, whether there is such an account or not.
    pub email: &'a str,
    pub address: &'a str,
    /// SHA-256 of the browser's device cookie.
    pub device_hash: Option<[u8; 32]>,
}

/// How the delay grows: a second after so many failures, twice as long after each one more.
struct Pace {
    free: i32,
    longest: Duration,
}

const ACCOUNT: Pace = Pace { free: 5, longest: Duration::from_secs(300) };
const DEVICE: Pace = Pace { free: 10, longest: Duration::from_secs(300) };
/// Many may share an address, above all behind a proxy that nobody has named.
const ADDRESS: Pace = Pace { free: 30, longest: Duration::from_secs(2) };
/// Failures are forgotten so long after the last.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

impl SignInAttempt<'_> {
    fn account(&self) -> String {
        format!("account {}", self.email)
    }

    fn address(&self) -> String {
        format!("address {}", self.address)
    }

    fn device(&self) -> Option<String> {
        let hash = self.device_hash?;
        Some(format!("device {}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    /// The attempt has succeeded: nothing is held against its account any more, and one less against its address. If it was counted for a browser, only
    /// that is forgotten: others may be guessing at the account meanwhile.
    pub(super) async fn forgive(&self, tx: &mut sqlx::PgTransaction<'_>) -> Result<(), sqlx::Error> {
        let of_device =
            sqlx::query!("DELETE FROM sign_in_attempts WHERE subject = $1", self.device()).execute(&mut **tx).await?;
        if of_device.rows_affected() > 0 {
            return Ok(());
        }
        sqlx::query!("DELETE FROM sign_in_attempts WHERE subject = $1", self.account()).execute(&mut **tx).await?;
        sqlx::query!(
            "UPDATE sign_in_attempts SET failures = failures - 1 WHERE subject = $1 AND failures > 0",
            self.address()
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

impl Ledger {
    /// Counts an attempt as failed, before its password is looked at; success forgets it again. When it comes too early: how long to wait.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn begin_sign_in(&self, attempt: &SignInAttempt<'_>) -> Result<Option<Duration>, LedgerError> {
        if let (Some(hash), Some(device)) = (&attempt.device_hash, attempt.device())
            && self.is_device_of(hash, attempt.email).await?
        {
            return self.count_attempt(&device, &DEVICE).await;
        }
        match self.count_attempt(&attempt.address(), &ADDRESS).await? {
            None => self.count_attempt(&attempt.account(), &ACCOUNT).await,
            wait => Ok(wait),
        }
    }

    /// One statement, so that of many attempts at once no two pass on the same count.
    async fn count_attempt(&self, subject: &str, pace: &Pace) -> Result<Option<Duration>, LedgerError> {
        let counted = sqlx::query!(
            r#"WITH counted AS (
                 INSERT INTO sign_in_attempts AS a (subject, failures, last_at, next_at) VALUES ($1, 1, now(), 'epoch')
                 ON CONFLICT (subject) DO UPDATE SET
                   failures = CASE WHEN a.last_at > now() - make_interval(secs => $4) THEN a.failures + 1 ELSE 1 END,
                   last_at = now(),
                   next_at = CASE WHEN a.last_at > now() - make_interval(secs => $4) AND a.failures >= $2
                     THEN clock_timestamp() + make_interval(secs => least($3::float8, power(2, least(a.failures - $2, 30)))) ELSE 'epoch' END
                 WHERE a.next_at <= clock_timestamp()
                 RETURNING true)
               SELECT EXISTS (SELECT FROM counted) AS "is_counted!",
                      (SELECT extract(epoch FROM next_at - now())::float8 FROM sign_in_attempts WHERE subject = $1) AS wait_seconds"#,
            subject,
            pace.free,
            pace.longest.as_secs_f64(),
            FORGOTTEN_AFTER.as_secs_f64(),
        )
        .fetch_one(&self.db)
        .await?;
        let wait = counted.wait_seconds.unwrap_or_default().clamp(1.0, pace.longest.as_secs_f64());
        Ok((!counted.is_counted).then(|| Duration::from_secs_f64(wait)))
    }

    pub(super) async fn forget_old_attempts(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM sign_in_attempts WHERE last_at <= now() - make_interval(secs => $1)",
            FORGOTTEN_AFTER.as_secs_f64()
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
