//! Roll-outs: a changed plan on its way to its members, a bounded batch at a time. A row says how far it has come; it can be stopped and resumed, and stops
//! by itself where Neon refuses the change, where nothing is left but what this ledger may have forgotten, and when safe mode begins. It ends when Neon has confirmed it for those that were claimed before it began.
//!
//! What a claim that was under way has still taken from the older version is brought to the newer one too, when its roll-out has ended already.

use serde_json::json;

use sqlx::PgConnection;

use super::{Followed, follow, not_found, plan_in, tell};
use crate::{By, Ledger, LedgerError, quota_events::QUOTA_DECISIONS};
use fleet_types::{Plan, Problem, StatusLevel};

/// A change that Neon has refused so often does not hold up the others: its member counts as refused.
const TRIES_AWAITED: i32 = 3;
/// Members that Neon refuses it for and that somebody accepts at a time.
const ACCEPTED_AT_MOST: i64 = 1_000;
/// Members left that are looked at for whether their quota is in doubt.
const LEFT_LOOKED_AT: i64 = 1_000;
/// Changes on their way to Neon, of all kinds, among which a roll-out looks for its own.
const DUE_LOOKED_AT: i64 = 100_000;

/// A plan with something to be done about its members.
#[derive(Clone, Debug)]
pub struct RollingPlan {
    pub name: String,
    /// The version that members are to follow.
    pub version: i32,
    /// The roll-out that is under way.
    pub roll_out: Option<i64>,
    /// Members of an older version are left.
    pub is_behind: bool,
    /// Members whose settings Neon has not confirmed, of those that were claimed before the roll-out began.
    pub unconfirmed: i64,
    /// Of the same, those of this version that Neon refuses it for, but for those that somebody has accepted.
    pub refused: i64,
}

impl Ledger {
    /// Plans whose members are to follow, but for those whose roll-out is stopped. Cheap while there is none. None in safe mode, and before a ledger that was
    /// found to be old has seen all projects again.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn rolling_plans(&self) -> Result<Vec<RollingPlan>, LedgerError> {
        let plans = sqlx::query_as!(
            RollingPlan,
            r#"WITH due AS MATERIALIZED (
                 SELECT plan, plan_version, attempts, claimed_at FROM databases
                 WHERE state = 'claimed' AND wanted_revision <> applied_revision AND origin <> 'copied' ORDER BY next_attempt_at LIMIT $2)
               SELECT p.name, p.members_version AS version, r.id AS "roll_out?", b.is_behind AS "is_behind!", d.unconfirmed AS "unconfirmed!",
                      d.refused - coalesce(r.accepted, 0) AS "refused!"
               FROM plans AS p LEFT JOIN plan_roll_outs AS r ON r.plan = p.name AND r.ended_at IS NULL
               CROSS JOIN LATERAL (SELECT coalesce((
                   SELECT plan_version FROM databases WHERE plan = p.name AND state = 'claimed' AND origin <> 'copied' ORDER BY plan_version LIMIT 1
                 ) < p.members_version, false) AS is_behind) AS b
               CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE attempts < $1) AS unconfirmed,
                        count(*) FILTER (WHERE attempts >= $1 AND plan_version = p.members_version) AS refused
                 FROM due WHERE plan = p.name AND claimed_at < coalesce(r.began_at, now())) AS d
               WHERE r.stopped_at IS NULL AND (r.id IS NOT NULL OR b.is_behind) AND (SELECT safe_mode_since IS NULL AND fleet_was_seen() FROM installation)
               ORDER BY p.name LIMIT 1000"#,
            TRIES_AWAITED,
            DUE_LOOKED_AT
        )
        .fetch_all(&self.db)
        .await?;
        Ok(plans)
    }

    /// Brings the next members to their plan, in the ledger; the engine takes it to Neon. Does nothing when the roll-out was stopped meanwhile. Members whose
    /// quota on Neon may be newer than this ledger are left alone.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn roll_members(&self, plan: &RollingPlan, at_most: i64, by: &By) -> Result<Followed, LedgerError> {
        let mut tx = self.db.begin().await?;
        let goes_on = sqlx::query_scalar!(
            r#"SELECT stopped_at IS NULL AS "goes_on!" FROM plan_roll_outs WHERE plan = $1 AND ended_at IS NULL FOR NO KEY UPDATE"#,
            plan.name
        )
        .fetch_optional(&mut *tx)
        .await?;
        if goes_on == Some(false) {
            return Ok(Followed::default());
        }
        let ids = sqlx::query_scalar!(
            "SELECT id FROM databases WHERE plan = $1 AND plan_version < $2 AND state = 'claimed' AND origin <> 'copied' AND NOT may_have_forgotten_quota(id, $4)
             ORDER BY plan_version, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
            plan.name,
            plan.version,
            at_most,
            &QUOTA_DECISIONS.map(String::from)[..]
        )
        .fetch_all(&mut *tx)
        .await?;
        let by = By { reason: Some(format!("The plan {} was changed.", plan.name)), ..by.clone() };
        let followed = follow(&mut tx, &ids, false, &by).await?;
        sqlx::query!(
            "UPDATE plan_roll_outs SET done = done + $2 WHERE plan = $1 AND ended_at IS NULL",
            plan.name,
            followed.followed
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(followed)
    }

    /// All members follow, and Neon has confirmed it. `false` when the plan was changed again, or the roll-out stopped, meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn end_plan_roll_out(&self, plan: &RollingPlan, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let ended = sqlx::query!(
            "UPDATE plan_roll_outs SET ended_at = now(), outcome = 'done' WHERE id = $1 AND ended_at IS NULL AND stopped_at IS NULL
             RETURNING version, done",
            plan.roll_out
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(ended) = ended else { return Ok(false) };
        let after = json!({ "plan": plan.name, "version": ended.version, "databases": ended.done });
        tell(&mut tx, "plan.rolled_out", json!({}), after, by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The roll-out stops by itself: Neon refuses it. With what Neon says of one of its members. `false` when it ended or was stopped meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn halt_plan_roll_out(&self, plan: &RollingPlan, by: &By) -> Result<bool, LedgerError> {
        let answer = sqlx::query_scalar!(
            "SELECT last_error FROM databases WHERE state = 'claimed' AND wanted_revision <> applied_revision AND plan = $1 AND plan_version = $2
               AND attempts >= $3 AND last_error IS NOT NULL ORDER BY next_attempt_at LIMIT 1",
            plan.name,
            plan.version,
            TRIES_AWAITED
        )
        .fetch_optional(&self.db)
        .await?
        .flatten();
        let answer = answer.unwrap_or_else(|| String::from("it does not say why."));
        self.halt(plan, format!("Neon refuses it: {answer}"), by).await
    }

    /// The roll-out stops by itself: nothing is left but members whose quota on Neon may be newer than this ledger. `false` when others are left, or none.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn halt_plan_roll_out_in_doubt(&self, plan: &RollingPlan, by: &By) -> Result<bool, LedgerError> {
        let left = sqlx::query!(
            r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE may_have_forgotten_quota(id, $3)) AS "forgotten!" FROM (
                 SELECT id FROM databases WHERE plan = $1 AND plan_version < $2 AND state = 'claimed' AND origin <> 'copied' LIMIT $4) AS d"#,
            plan.name,
            plan.version,
            &QUOTA_DECISIONS.map(String::from)[..],
            LEFT_LOOKED_AT
        )
        .fetch_one(&self.db)
        .await?;
        if left.forgotten == 0 || left.forgotten < left.all {
            return Ok(false);
        }
        let reason = format!(
            "{} of its databases may have a newer quota on Neon than here, since this ledger was found to be old: no sweep has seen there what they have here. Decide about each on Problems, where they have drifted, then resume.",
            left.forgotten
        );
        self.halt(plan, reason, by).await
    }

    async fn halt(&self, plan: &RollingPlan, reason: String, by: &By) -> Result<bool, LedgerError> {
        let by = By { reason: Some(reason), ..by.clone() };
        let mut tx = self.db.begin().await?;
        let is_stopped = stop(&mut tx, Some((&plan.name, plan.version)), &by).await?;
        tx.commit().await?;
        Ok(is_stopped)
    }

    /// No further member is brought to the plan; what is on its way to Neon goes on.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when no roll-out of the plan is running.
    pub async fn stop_plan_roll_out(&self, name: &str, by: &By) -> Result<Plan, LedgerError> {
        let mut tx = self.db.begin().await?;
        let version = members_version(&mut tx, name).await?;
        if !stop(&mut tx, Some((name, version)), by).await? {
            let message = format!("No roll-out of the plan {name} is running: there is nothing to stop.");
            return Err(LedgerError::Conflict(message));
        }
        let plan = plan_in(&mut tx, name).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// It goes on where it was stopped. Whom Neon refuses it for by now is accepted, and tried again at once: only further ones stop it again.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when no roll-out of the plan is stopped.
    pub async fn resume_plan_roll_out(&self, name: &str, by: &By) -> Result<Plan, LedgerError> {
        let mut tx = self.db.begin().await?;
        let version = members_version(&mut tx, name).await?;
        let resumed = sqlx::query!(
            "WITH refused AS (
               SELECT d.id FROM databases AS d JOIN plan_roll_outs AS r ON r.plan = d.plan AND r.ended_at IS NULL
               WHERE d.state = 'claimed' AND d.wanted_revision <> d.applied_revision AND d.plan = $1 AND d.origin <> 'copied'
                 AND d.attempts >= $3 AND d.plan_version = $2 AND d.claimed_at < r.began_at ORDER BY d.next_attempt_at LIMIT $4),
             tried AS (
               UPDATE databases AS d SET next_attempt_at = now() FROM refused WHERE d.id = refused.id)
             UPDATE plan_roll_outs
             SET stopped_at = NULL, stopped_by = NULL, stopped_via = NULL, stopped_reason = NULL, accepted = (SELECT count(*) FROM refused)
             WHERE plan = $1 AND ended_at IS NULL AND stopped_at IS NOT NULL",
            name,
            version,
            TRIES_AWAITED,
            ACCEPTED_AT_MOST
        )
        .execute(&mut *tx)
        .await?;
        if resumed.rows_affected() == 0 {
            let message = format!("No roll-out of the plan {name} is stopped: there is nothing to resume.");
            return Err(LedgerError::Conflict(message));
        }
        let (before, after) = (json!({ "plan": name }), json!({ "plan": name, "roll_out": "running" }));
        tell(&mut tx, "plan.roll_out_resumed", before, after, by).await?;
        let plan = plan_in(&mut tx, name).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// Roll-outs that have stopped by themselves, for the list of what is wrong.
    pub(crate) async fn halted_roll_outs(&self) -> Result<Vec<Problem>, LedgerError> {
        let halted = sqlx::query!(
            r#"SELECT plan, version, stopped_at, coalesce(stopped_reason, '') AS "reason!" FROM plan_roll_outs
               WHERE ended_at IS NULL AND stopped_via = 'engine' ORDER BY stopped_at LIMIT 100"#
        )
        .fetch_all(&self.db)
        .await?;
        let problems = halted.into_iter().map(|row| Problem {
            level: StatusLevel::Warning,
            text: format!("The roll-out of version {} of the plan {} has stopped. {}", row.version, row.plan, row.reason),
            since: row.stopped_at,
            doing: String::from(
                "What is claimed gets this version all the same. When the cause is gone, resume it: flotilla plan roll-out resume. Or change the plan.",
            ),
            href: String::from("/pools"),
        });
        Ok(problems.collect())
    }
}

/// The version that members are to follow. Holds the plan, so that no newer one comes.
async fn members_version(db: &mut PgConnection, name: &str) -> Result<i32, LedgerError> {
    sqlx::query_scalar!("SELECT members_version FROM plans WHERE name = $1 FOR NO KEY UPDATE", name)
        .fetch_optional(db)
        .await?
        .ok_or_else(|| not_found(name))
}

/// This ledger is an older one: its plans may have been changed since, so no roll-out goes on before somebody has looked.
pub async fn stop_all(db: &mut PgConnection, by: &By) -> Result<(), LedgerError> {
    let reason = "This ledger was found to be old: the plan may have been changed since. Make it what it shall be, or resume if it was not.";
    stop(db, None, &By { reason: Some(reason.to_owned()), ..by.clone() }).await?;
    Ok(())
}

/// Of this version of a plan, or all. `false` when there is none that is running.
async fn stop(db: &mut PgConnection, of: Option<(&str, i32)>, by: &By) -> Result<bool, LedgerError> {
    let stopped = sqlx::query_scalar!(
        "UPDATE plan_roll_outs SET stopped_at = now(), stopped_by = $3, stopped_via = $4, stopped_reason = $5
         WHERE ($1::text IS NULL OR plan = $1 AND version = $2) AND ended_at IS NULL AND stopped_at IS NULL RETURNING plan",
        of.map(|(name, _)| name),
        of.map(|(_, version)| version),
        by.actor,
        by.via.as_str(),
        by.reason
    )
    .fetch_all(&mut *db)
    .await?;
    for name in &stopped {
        let (before, after) = (json!({ "plan": name }), json!({ "plan": name, "roll_out": "stopped" }));
        tell(db, "plan.roll_out_stopped", before, after, by).await?;
    }
    Ok(!stopped.is_empty())
}
