//! What goes on without anybody asking for it, arranged so that every duty has something to do: sweeps that show an orphan and a ghost, databases whose usage is due or that look full,
//! a pool whose policy wants more, templates and a plan that roll out, an override that ends, credentials that an earlier key has sealed, checks that have
//! not run for long.

use chrono::{TimeDelta, Utc};
use fleet_types::{PlanChange, PlanTerms, Policy, QuotaChange, SizingRate, Template};
use ledger::{By, NewPool, PlanIntent, Resealed, SeedRow};
use neon_emulator::SeedProject;
use secrets::Secrets;
use uuid::Uuid;

use crate::{
    ledger::Behind,
    support::{World, stocked},
};

/// Sizes itself.
const ELASTIC: &str = "elastic";
/// Its databases are changed in place.
const FITTED: &str = "fitted";
/// Its databases are replaced.
const RENEWED: &str = "renewed";
/// Who has it holds a database, which follows its changes.
const PLAN: &str = "changing";
/// Owners who have that plan. What the first of them holds follows it whenever an override ends there; the other by the roll-out alone.
const MEMBERS: [&str; 2] = ["member", "other-member"];

/// The duties that have only this to do.
pub const PARTS: [&str; 11] =
    ["mark", "sync", "usage", "measure", "reconcile", "sample", "size", "roll", "seal", "watch", "doctor"];

/// Pools of one database each, from which nobody claims.
pub async fn make_pools(world: &World) {
    for name in [ELASTIC, FITTED, RENEWED] {
        let pool = NewPool {
            name,
            region_id: "aws-us-east-1",
            pg_version: 17,
            birth_plan: "free",
            target: 1,
            is_default: false,
        };
        world.ledger.ensure_pool(&pool).await.unwrap();
    }
    let policy = Policy {
        cover_hours: 1.0,
        rate: SizingRate::P95,
        floor: 1,
        ceiling: 3,
        largest_step: 2,
        decrease_after_minutes: 0,
    };
    world.ledger.set_policy(ELASTIC, &policy, None, &By::cli()).await.unwrap();
    let terms = PlanTerms { label: String::from(PLAN), ..PlanTerms::default() };
    world.ledger.create_plan(PLAN, &terms, &By::cli()).await.unwrap();
    for (number, owner) in MEMBERS.into_iter().enumerate() {
        hold_one(world, number, owner).await;
    }
}

/// Somebody has held a database for long.
async fn hold_one(world: &World, number: usize, owner: &str) {
    let row = stocked(number, &Secrets::from_keys(&world.secret_key, &[""; 0]).unwrap());
    let seed = SeedProject::new(row.neon_project_name.clone(), Utc::now() - TimeDelta::days(2));
    let project = world.emulator.seed(&[seed]).await.unwrap().remove(0);
    let held = SeedRow {
        state: String::from("claimed"),
        neon_project_id: Some(project.project_id),
        neon_branch_id: Some(project.branch_id),
        neon_endpoint_id: Some(project.endpoint_id),
        host: Some(project.host),
        owner_id: Some(owner.to_owned()),
        email: Some(format!("{owner}@mail.example")),
        plan: Some(String::from(PLAN)),
        claimed_at: Some(Utc::now() - TimeDelta::days(1)),
        ..row
    };
    world.ledger.seed(&[held]).await.unwrap();
}

/// Something for each of the [`PARTS`] to do. To be called while no engine runs.
pub async fn arrange(world: &World, behind: &Behind) {
    // Old enough that nobody seems to use it.
    let ours = world.ledger.installation().await.unwrap().id;
    let orphan = SeedProject::new(format!("flotilla-{ours}-{}", Uuid::now_v7()), Utc::now() - TimeDelta::days(2));
    world.emulator.seed(&[orphan]).await.unwrap();
    let ghost = "SELECT neon_project_id FROM databases JOIN pools ON pools.id = pool_id WHERE pools.name = 'elastic' AND state = 'available' LIMIT 1";
    for project_id in behind.texts(ghost).await {
        world.emulator.delete_project(&project_id).await.unwrap();
    }
    let new = |pg_version, suspend_timeout_seconds| Template {
        pg_version,
        min_cu: 0.25,
        max_cu: 0.25,
        suspend_timeout_seconds,
        birth_plan: String::from("free"),
    };
    let is = |condition: &'static str| async move {
        behind.number(&format!("SELECT count(*) FROM pools WHERE {condition}")).await == 1
    };
    let timeout = if is("name = 'fitted' AND suspend_timeout_seconds = 60").await { 120 } else { 60 };
    world.ledger.set_template(FITTED, &new(17, timeout), None, &By::cli()).await.unwrap();
    let version = if is("name = 'renewed' AND pg_version = 17").await { 16 } else { 17 };
    world.ledger.set_template(RENEWED, &new(version, 0), None, &By::cli()).await.unwrap();
    let storage = 1 + behind.number("SELECT version::bigint FROM plans WHERE name = 'changing'").await;
    let quota = QuotaChange { logical_size_bytes: Some(Some(storage << 30)), ..QuotaChange::default() };
    let change = PlanChange {
        quota,
        history_retention_seconds: Some(i32::try_from(60 * storage).ok()),
        ..PlanChange::default()
    };
    world.ledger.change_plan(PLAN, &change, PlanIntent::default(), &By::cli()).await.unwrap();
    behind
        .run(
            "INSERT INTO database_overrides (database_id, field, value, until, actor, via)
             SELECT id, 'written_data_bytes', 1000000000, now(), 'test', 'cli' FROM databases WHERE owner_id = 'member' AND state = 'claimed'
             ON CONFLICT (database_id, field) DO UPDATE SET until = now()",
        )
        .await;
    behind.run("UPDATE pools SET target = 0 WHERE name = 'elastic'").await;
    behind.run("UPDATE databases SET usage_asked_at = NULL, usage_due_at = now(), usage_rests_until = now()").await;
    behind.run("UPDATE databases SET logical_size_bytes = quota_logical_size_bytes, size_settled_to = NULL, size_rests_until = now()").await;
    behind.run("UPDATE installation SET mark_due_at = now()").await;
    behind.run("DELETE FROM doctor_runs").await;
    seal_with_earlier_key(world).await;
}

/// As if the key had been changed since.
async fn seal_with_earlier_key(world: &World) {
    let earlier = Secrets::from_keys(&world.previous_keys[0], std::slice::from_ref(&world.secret_key)).unwrap();
    let current = earlier.key_ids().split_off(1);
    for row in world.ledger.sealed_behind(Uuid::nil(), &current, 200).await.unwrap() {
        let Some(was) = row.sealed else { continue };
        let sealed = earlier.reseal(row.id, &was).unwrap();
        world.ledger.record_resealed(&[Resealed { id: row.id, was, sealed }]).await.unwrap();
    }
}

/// What is confirmed needs no second sweep and no hour any more, and a deleted database cannot be taken back: so much time has passed. Strays are nobody's
/// business.
pub const TIME_PASSES: &str = "WITH old AS (
      UPDATE databases SET deleted_at = now() - interval '9 days'
      WHERE state = 'deleted' AND sealed_credentials IS NOT NULL AND deleted_at BETWEEN now() - interval '8 days' AND now() - interval '3 seconds')
    UPDATE findings SET status = 'quarantined', action_due_at = now() - interval '1 second'
    WHERE kind IN ('orphan', 'ghost', 'zombie', 'twin') AND status IN ('suspected', 'quarantined') AND (action_due_at IS NULL OR action_due_at > now())
      AND subject NOT IN (SELECT neon_project_id FROM databases WHERE state = 'claimed' AND neon_project_id IS NOT NULL)";

/// What of it is left to do.
pub const RESTLESS: &str = "SELECT format('finding %s: %s %s, %s; %s', id, kind, status, last_error, timeline) FROM findings WHERE status NOT IN ('resolved', 'ignored') AND kind <> 'stray'
    UNION ALL SELECT format('pool %s: template %s of %s', name, rolled_revision, template_revision) FROM pools WHERE rolled_revision < template_revision
    UNION ALL SELECT format('plan %s: %s of %s follow', plan, done, members) FROM plan_roll_outs WHERE ended_at IS NULL
    UNION ALL SELECT format('%s: its override has not ended', database_id) FROM database_overrides WHERE until <= now()
    UNION ALL SELECT format('pool %s: target %s', name, target) FROM pools WHERE name = 'elastic' AND target = 0
    UNION ALL SELECT format('%s: its usage is due', id) FROM databases
      WHERE state IN ('available', 'claimed') AND usage_asked_at IS NULL AND usage_due_at <= now() AND usage_rests_until <= now()
    UNION ALL SELECT format('%s: its storage is to be measured', id) FROM databases_to_measure WHERE size_rests_until <= now()
    UNION ALL SELECT format('%s credentials are sealed with an earlier key', count) FROM sealed_by_key, installation WHERE key_id <> sealing_key
    UNION ALL SELECT format('%s: its credentials are not erased', id) FROM databases
      WHERE state = 'deleted' AND sealed_credentials IS NOT NULL AND deleted_at < now() - interval '8 days'
    UNION ALL SELECT 'no check has run' WHERE NOT EXISTS (SELECT FROM doctor_runs)";

/// Sweeps whose conclusions have been drawn.
pub const SWEEPS: &str = "SELECT count(*) FROM sweeps WHERE concluded_at IS NOT NULL";
