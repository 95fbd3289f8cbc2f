//! Whether this process may hand out: its proof, what a start doubts, and that the last one has stopped in order.
//!
//! A process exchanges its proof every second, and each claim names it together with the claim that the process served last. A ledger that is put in the
//! place of this one lacks one of them, so it hands out nothing from its first moment on. See `docs/decisions/0007-a-mark-on-neon.md`.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{Problem, StatusLevel, Time, grouped};

/// How often, and how long each time, a claim waits for its process to be proven, and for the pool to be looked at: two seconds.
const WAITS: u32 = 40;
const WAIT: Duration = Duration::from_millis(50);
/// A process whose proof is older than this has ended, or hangs.
const ALIVE_SECONDS: f64 = 10.0;
/// Why what was active is withheld after a start that no stop precedes, until a person decides.
pub(super) const MAY_HAVE_BEEN_CLAIMED: &str =
    "It was active on Neon, and Flotilla was not stopped in order: it may have been claimed meanwhile.";
/// Of one pool, rows that are looked at at a time.
const PER_POOL: i64 = 8;

/// What this process proves itself with.
#[derive(Default)]
pub(super) struct HeldProof(Mutex<Proof>);

/// Before anything was proven, a pair that no ledger has.
#[derive(Clone, Copy, Default)]
pub(super) struct Proof {
    pub replica: Uuid,
    pub nonce: Uuid,
    /// What it was shown for last: a ledger that lacks this claim is another one.
    pub last_claim: Option<Uuid>,
}

/// How the proof of this process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofState {
    /// Never granted, given up, or of no use since the last process said that it stopped.
    None,
    /// The ledger has it.
    Held,
    /// The ledger lacks what this process has committed to it: another one is in its place.
    Lost,
}

/// An unclaimed database that is not handed out before it was looked at on Neon.
#[derive(Clone, Debug)]
pub struct Doubtful {
    pub id: Uuid,
    pub project_id: String,
    pub project_name: String,
}

/// When the processes of this ledger were last alive, on its own clock.
#[derive(Clone, Copy, Debug)]
pub struct SignsOfLife {
    pub now: Time,
    pub last: Option<Time>,
    /// The last one ended, or hangs.
    pub is_over: bool,
}

impl HeldProof {
    fn get(&self) -> Proof {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, proof: Proof) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = proof;
    }

    /// Changes it, unless it was given up since `shown` was read.
    fn change(&self, shown: Proof, change: impl FnOnce(&mut Proof)) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.replica == shown.replica {
            change(&mut held);
        }
    }
}

impl Ledger {
    pub(super) fn proof(&self) -> Proof {
        self.held_proof.get()
    }

    pub(super) fn proof_served(&self, claim: Uuid, shown: Proof) {
        self.held_proof.change(shown, |held| held.last_claim = Some(claim));
    }

    /// Whether this process is proven, and may hand out.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may_hand_out(&self) -> Result<bool, LedgerError> {
        let Proof { replica, nonce, last_claim } = self.proof();
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM may_hand_out($1, $2, $3)) AS "may!""#,
            replica,
            nonce,
            last_claim
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Whether this process may change anything on Neon: it is certain that this ledger is the newest, and the only one.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may_change_neon(&self) -> Result<bool, LedgerError> {
        let Proof { replica, nonce, .. } = self.proof();
        Ok(sqlx::query_scalar!(r#"SELECT may_change_neon($1, $2) AS "may!""#, replica, nonce)
            .fetch_one(&self.db)
            .await?)
    }

    /// For a claim that has found nothing, maybe for lack of a proof, or of a look at the pool: whether there is more now. A process that starts has both
    /// within a moment.
    ///
    /// # Errors
    /// `NotHandingOut` when there is no proof.
    pub(super) async fn until_proven(&self, pool: Option<&str>) -> Result<bool, LedgerError> {
        let mut is_proven = false;
        for wait in 0..=WAITS {
            let proof = self.proof();
            let seen = sqlx::query!(
                r#"SELECT m.behind IS NOT NULL AS "is_proven!", i.hands_out,
                          EXISTS (SELECT FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
                                  WHERE d.state = 'available' AND d.available_order <= m.behind
                                    AND CASE WHEN $4::text IS NULL THEN p.is_default ELSE p.name = $4 END) AS "is_doubtful!",
                          EXISTS (SELECT FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
                                  WHERE d.state = 'available' AND d.available_order > m.behind
                                    AND CASE WHEN $4::text IS NULL THEN p.is_default ELSE p.name = $4 END) AS "has_some!"
                   FROM installation AS i LEFT JOIN may_hand_out($1, $2, $3) AS m ON true"#,
                proof.replica,
                proof.nonce,
                proof.last_claim,
                pool
            )
            .fetch_one(&self.db)
            .await?;
            is_proven = seen.is_proven;
            if is_proven && (seen.has_some || !seen.is_doubtful) {
                return Ok(wait > 0 || seen.has_some);
            }
            if !seen.hands_out {
                break;
            }
            tokio::time::sleep(WAIT).await;
        }
        if is_proven { Ok(false) } else { Err(LedgerError::NotHandingOut) }
    }

    /// This process has seen that the ledger is current.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn grant_proof(&self, replica: Uuid) -> Result<(), LedgerError> {
        let nonce = Uuid::new_v4();
        sqlx::query!(
            "WITH old AS (DELETE FROM proofs WHERE renewed_at < now() - interval '30 days' AND replica <> $1),
                  begun AS (UPDATE installation SET stopped_at = NULL WHERE stopped_at IS NOT NULL)
             INSERT INTO proofs (replica, nonce, previous) VALUES ($1, $2, $2)
             ON CONFLICT (replica) DO UPDATE SET nonce = excluded.nonce, previous = excluded.nonce, renewed_at = now()",
            replica,
            nonce
        )
        .execute(&self.db)
        .await?;
        self.held_proof.set(Proof { replica, nonce, last_claim: None });
        Ok(())
    }

    /// Exchanges the proof for a new one, so that a ledger that is put in the place of this one is too old to have it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn renew_proof(&self) -> Result<ProofState, LedgerError> {
        let held = self.proof();
        if held.replica.is_nil() {
            return Ok(ProofState::None);
        }
        let next = Uuid::new_v4();
        let renewed = sqlx::query_scalar!(
            r#"UPDATE proofs SET nonce = $3, previous = $2, renewed_at = now()
               WHERE replica = $1 AND $2 IN (nonce, previous) AND ($4::uuid IS NULL OR EXISTS (SELECT FROM claims WHERE id = $4 AND status = 'served'))
               RETURNING (SELECT stopped_at IS NOT NULL FROM installation) AS "is_stopped!""#,
            held.replica,
            held.nonce,
            next,
            held.last_claim
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(match renewed {
            Some(false) => {
                self.held_proof.change(held, |held| held.nonce = next);
                ProofState::Held
            }
            Some(true) => ProofState::None,
            None => ProofState::Lost,
        })
    }

    /// # Errors
    /// PostgreSQL's.
    pub async fn signs_of_life(&self) -> Result<SignsOfLife, LedgerError> {
        Ok(sqlx::query_as!(
            SignsOfLife,
            r#"SELECT now() AS "now!", max(renewed_at) AS last,
                      coalesce(max(renewed_at) < now() - make_interval(secs => $1), true) AS "is_over!" FROM proofs"#,
            ALIVE_SECONDS
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Gives up the proof of this process. `true` when no other process goes on.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn give_up_proof(&self) -> Result<bool, LedgerError> {
        let held = self.proof();
        self.held_proof.set(Proof::default());
        let mut tx = self.db.begin().await?;
        // Whoever stops at the same time waits for its turn.
        sqlx::query!("SELECT id FROM installation FOR NO KEY UPDATE").fetch_one(&mut *tx).await?;
        let given_up = sqlx::query!(
            "DELETE FROM proofs WHERE replica = $1 AND $2 IN (nonce, previous)
               AND ($3::uuid IS NULL OR EXISTS (SELECT FROM claims WHERE id = $3 AND status = 'served'))",
            held.replica,
            held.nonce,
            held.last_claim
        )
        .execute(&mut *tx)
        .await?;
        let others = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM proofs WHERE renewed_at > now() - make_interval(secs => $1)) AS "others!""#,
            ALIVE_SECONDS
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(given_up.rows_affected() == 1 && !others)
    }

    /// Nothing is handed out any more until the next start, unless somebody has started meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_stop(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE installation SET stopped_at = now()
             WHERE NOT EXISTS (SELECT FROM proofs WHERE renewed_at > now() - make_interval(secs => $1))",
            ALIVE_SECONDS
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// What stands in the pool is not handed out before it was looked at on Neon. What stands for nothing there needs no look. What was to go back into the
    /// pool may have been handed out since: it is for a person.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn doubt_available(&self) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        sqlx::query!("UPDATE installation SET doubtful_up_to = nextval('available_order')").execute(&mut *tx).await?;
        sqlx::query!(
            "UPDATE databases SET available_order = nextval('available_order') WHERE state = 'available' AND origin <> 'pool'"
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "UPDATE databases SET awaits_look = false, lease_until = NULL, leased_by = NULL, withheld_reason = $1 WHERE awaits_look",
            MAY_HAVE_BEEN_CLAIMED
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Of every pool, some that are to be looked at.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn doubtful(&self, limit: i64) -> Result<Vec<Doubtful>, LedgerError> {
        Ok(sqlx::query_as!(
            Doubtful,
            r#"SELECT n.id AS "id!", n.neon_project_id AS "project_id!", n.neon_project_name AS "project_name!"
               FROM installation AS i, pools AS p, LATERAL (
                 SELECT id, neon_project_id, neon_project_name FROM databases
                 WHERE pool_id = p.id AND state = 'available' AND available_order <= i.doubtful_up_to
                 ORDER BY available_order LIMIT $1) AS n
               ORDER BY p.is_default DESC, p.id LIMIT $2"#,
            PER_POOL,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// These are unclaimed on Neon, too: they may be handed out, as far as they are still available.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn trust(&self, ids: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases SET available_order = nextval('available_order') WHERE id = ANY ($1) AND state = 'available'",
            ids
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// What a start holds back, in words.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub(super) async fn start_problem(&self) -> Result<Option<Problem>, LedgerError> {
        let seen = sqlx::query!(
            r#"SELECT i.mark_confirmed_at IS NOT NULL AND i.hands_out
                        AND NOT EXISTS (SELECT FROM proofs WHERE renewed_at > now() - make_interval(secs => $1)) AS "is_unproven!",
                      (SELECT count(*) FROM databases WHERE state = 'available' AND available_order <= i.doubtful_up_to) AS "doubtful!",
                      NOT i.hands_out AND i.safe_mode_since IS NULL AS "is_moved!", i.settles_at
               FROM installation AS i"#,
            ALIVE_SECONDS
        )
        .fetch_one(&self.db)
        .await?;
        if seen.is_moved {
            return Ok(Some(Problem {
                level: StatusLevel::Warning,
                text: String::from(
                    "Nothing is handed out: the ledger is in another place than before, and another one may run beside it.",
                ),
                since: None,
                doing: match seen.settles_at {
                    Some(at) => format!(
                        "If nobody else writes the mark on Neon until {} UTC, databases are handed out again.",
                        at.format("%H:%M:%S")
                    ),
                    None => String::from("The mark on Neon is read."),
                },
                href: String::from("/engine"),
            }));
        }
        let (text, doing) = match (seen.is_unproven, seen.doubtful) {
            (true, _) => (
                String::from("Nothing is handed out: it is not certain yet that this ledger is the newest."),
                "Neon is asked every second, and takes a new mark; claims are told to come back.",
            ),
            (false, 0) => return Ok(None),
            (false, count) => (
                format!("{} unclaimed databases are held back: Flotilla was not stopped in order.", grouped(count)),
                "Each is looked at on Neon before it is handed out.",
            ),
        };
        Ok(Some(Problem {
            level: StatusLevel::Warning,
            text,
            since: None,
            doing: doing.to_owned(),
            href: String::from("/engine"),
        }))
    }
}
