//! Attempts to sign in, and how long the next one must wait.
//!
//! What bounds guessing is counted per account, wherever the guesses come from, and in a browser in which the operator has signed in before per browser
//! alone: strangers who guess at an account do not slow that browser down. A delay grows with the failures and has an end, so that nobody can lock an
//! account; an attempt before its time is not looked at and changes nothing. Addresses are not counted: many people may share one, and whoever guesses
//! from it must keep nobody else there out. Names without an account are not counted either, so that rows are bounded by the accounts there are.

use std::time::Duration;

use super::{Ledger, LedgerError};

/// Somebody who wants to sign in to an account that exists.
pub struct SignInAttempt<'a> {
    /// Trimmed and in lower case.
    pub email: &'a str,
    /// SHA-256 of the browser's device cookie.
    pub device_hash: Option<[u8; 32]>,
}

/// Whether the password of an attempt is looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Now,
    /// Too many have failed in a browser that is known; after this time the next is looked at.
    After(Duration),
    /// Too many strangers have failed. They are not told, since this happens only to accounts that exist.
    Untold,
}

/// How the delay grows: a second after so many failures, twice as long after each one more.
struct Growth {
    free: i32,
    longest: Duration,
}

const ACCOUNT: Growth = Growth { free: 5, longest: Duration::from_secs(300) };
const DEVICE: Growth = Growth { free: 10, longest: Duration::from_secs(300) };
/// Failures are forgotten so long after the last.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

impl SignInAttempt<'_> {
    fn account(&self) -> String {
        format!("account {}", self.email)
    }

    fn device(&self) -> Option<String> {
        let hash = self.device_hash?;
        Some(format!("device {}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    /// The attempt has succeeded: nothing is held against its account any more. If it was counted for a browser, only that is forgotten: others may be
    /// guessing at the account meanwhile.
    pub(super) async fn forgive(&self, tx: &mut sqlx::PgTransaction<'_>) -> Result<(), sqlx::Error> {
        let of_device =
            sqlx::query!("DELETE FROM sign_in_attempts WHERE subject = $1", self.device()).execute(&mut **tx).await?;
        if of_device.rows_affected() == 0 {
            sqlx::query!("DELETE FROM sign_in_attempts WHERE subject = $1", self.account()).execute(&mut **tx).await?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Counts an attempt as failed, before its password is looked at; success forgets it again. One that comes too early is not counted.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn begin_sign_in(&self, attempt: &SignInAttempt<'_>) -> Result<Turn, LedgerError> {
        if let (Some(hash), Some(device)) = (&attempt.device_hash, attempt.device())
            && self.is_device_of(hash, attempt.email).await?
        {
            return Ok(self.count_attempt(&device, &DEVICE).await?.map_or(Turn::Now, Turn::After));
        }
        Ok(self.count_attempt(&attempt.account(), &ACCOUNT).await?.map_or(Turn::Now, |_| Turn::Untold))
    }

    /// One statement, so that of many attempts at once no two pass on the same count.
    async fn count_attempt(&self, subject: &str, growth: &Growth) -> Result<Option<Duration>, LedgerError> {
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
            growth.free,
            growth.longest.as_secs_f64(),
            FORGOTTEN_AFTER.as_secs_f64(),
        )
        .fetch_one(&self.db)
        .await?;
        let wait = counted.wait_seconds.unwrap_or_default().clamp(1.0, growth.longest.as_secs_f64());
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
