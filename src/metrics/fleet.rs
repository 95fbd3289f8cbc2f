//! The fleet as the ledger knows it: the same from every replica.

use super::sheet::Sheet;
use fleet_types::{Blocked, Examination, FindingKind, FindingStatus, PoolSummary, Time};
use ledger::{DutyHealth, FleetSnapshot};

pub(super) fn write(sheet: &Sheet, snapshot: &FleetSnapshot) -> prometheus::Result<()> {
    write_pools(sheet, &snapshot.pools)?;
    write_duties(sheet, &snapshot.duties)?;
    write_problems(sheet, snapshot)?;
    let databases = sheet.gauge("flotilla_databases", "Databases by pool and state.", &["pool", "state"])?;
    for (pool, state, count) in &snapshot.databases {
        databases.with_label_values(&[pool.as_str(), state.as_str()]).set(*count as f64);
    }
    if let Some(swept_at) = snapshot.swept_at {
        let help = "When the last complete sweep over Neon's list of projects ended.";
        sheet.value("flotilla_sync_last_sweep_timestamp_seconds", help, seconds(swept_at))?;
    }
    let help = "Whether Neon answers, as the replicas that call it see it.";
    sheet.value("flotilla_neon_up", help, flag(!snapshot.neon_is_failing))?;
    if let Some(last_ok_at) = snapshot.neon_last_ok_at {
        let help = "When Neon last answered any replica.";
        sheet.value("flotilla_neon_last_ok_timestamp_seconds", help, seconds(last_ok_at))?;
    }
    Ok(())
}

fn write_pools(sheet: &Sheet, pools: &[PoolSummary]) -> prometheus::Result<()> {
    let gauge = |name, help| sheet.gauge(name, help, &["pool"]);
    let available = gauge("flotilla_pool_available", "Databases ready to be claimed.")?;
    let in_flight = gauge("flotilla_pool_in_flight", "Databases on their way into the pool.")?;
    let target = gauge("flotilla_pool_target", "Databases that shall be ready.")?;
    let waiting = gauge("flotilla_pool_waiting_claims", "Claims that wait for a database.")?;
    let paused = gauge("flotilla_pool_paused", "Whether somebody has paused creation.")?;
    let breaker = gauge("flotilla_pool_breaker_open", "Whether creation has stopped after failures in a row.")?;
    let made = gauge("flotilla_pool_creations_last_hour", "Databases that Neon was asked to create in the last hour.")?;
    let ceiling = gauge("flotilla_pool_creation_ceiling", "How many it may be asked for within an hour.")?;
    let cover = gauge(
        "flotilla_pool_cover_seconds",
        "How long claims go on if nothing more is created; absent while nothing is claimed.",
    )?;
    for pool in pools {
        let name = [pool.name.as_str()];
        available.with_label_values(&name).set(pool.available as f64);
        in_flight.with_label_values(&name).set(pool.in_flight as f64);
        target.with_label_values(&name).set(pool.target.into());
        waiting.with_label_values(&name).set(pool.waiting as f64);
        paused.with_label_values(&name).set(flag(pool.paused_at.is_some()));
        breaker.with_label_values(&name).set(flag(pool.breaker_until.is_some()));
        made.with_label_values(&name).set(pool.creations_last_hour as f64);
        ceiling.with_label_values(&name).set(pool.creation_ceiling.into());
        if let Some(hours) = pool.hours_of_cover {
            cover.with_label_values(&name).set(hours * 3_600.0);
        }
    }
    Ok(())
}

fn write_duties(sheet: &Sheet, duties: &[DutyHealth]) -> prometheus::Result<()> {
    let gauge = |name, help| sheet.gauge(name, help, &["duty"]);
    let finished = gauge(
        "flotilla_duty_last_finished_timestamp_seconds",
        "When the last run ended, in whatever replica; idle runs count every 15 seconds.",
    )?;
    let took = gauge("flotilla_duty_last_run_seconds", "How long the last run took, in whatever replica.")?;
    let failures = gauge("flotilla_duty_failures_in_a_row", "Runs that failed since the last that did not.")?;
    for duty in duties {
        let name = [duty.name.as_str()];
        failures.with_label_values(&name).set(duty.failures_in_a_row.into());
        if let (Some(started_at), Some(finished_at)) = (duty.last_started_at, duty.last_finished_at) {
            finished.with_label_values(&name).set(seconds(finished_at));
            // The start is on the replica's clock, the end on PostgreSQL's.
            took.with_label_values(&name).set((seconds(finished_at) - seconds(started_at)).max(0.0));
        }
    }
    Ok(())
}

fn write_problems(sheet: &Sheet, snapshot: &FleetSnapshot) -> prometheus::Result<()> {
    write_findings(sheet, &snapshot.findings)?;
    let help = "Whether the brake is on: nothing is done about findings until an operator lifts it.";
    sheet.value("flotilla_reconcile_brake_on", help, flag(snapshot.brake_is_on))?;
    let help = "Whether the ledger may not know who owns what: nothing is deleted until an operator ends it.";
    sheet.value("flotilla_safe_mode", help, flag(snapshot.is_in_safe_mode))?;
    if let Some(examination) = &snapshot.examination {
        write_examination(sheet, examination)?;
    }
    let help = "Released databases that are not deleted: Neon refuses, as it does while a branch is protected, or something was made in them while nobody held them.";
    sheet.value("flotilla_releases_refused", help, snapshot.releases_refused as f64)?;
    let help = "Databases whose credentials are sealed with this key, by its id; `current` is 1 for the key that seals what is new.";
    let sealed = sheet.gauge("flotilla_sealed_credentials", help, &["key", "current"])?;
    for key in &snapshot.keys.keys {
        sealed.with_label_values(&[key.id.as_str(), if key.seals { "1" } else { "0" }]).set(key.sealed as f64);
    }
    let help = "Claimed databases that cannot be used as they should, by why; absent where there is none.";
    let blocked = sheet.gauge("flotilla_databases_blocked", help, &["reason"])?;
    for Blocked { reason, count, .. } in &snapshot.blocked {
        blocked.with_label_values(&[reason.as_str()]).set(*count as f64);
    }
    Ok(())
}

fn write_findings(sheet: &Sheet, counts: &[(FindingKind, FindingStatus, i64)]) -> prometheus::Result<()> {
    let help = "Findings that are not resolved, by kind and status.";
    let findings = sheet.gauge("flotilla_findings", help, &["kind", "status"])?;
    let statuses = FindingStatus::ALL.into_iter().filter(|status| *status != FindingStatus::Resolved);
    for (kind, status) in statuses.flat_map(|status| FindingKind::ALL.map(|kind| (kind, status))) {
        findings.with_label_values(&[kind.as_str(), status.as_str()]).set(0.0);
    }
    for (kind, status, count) in counts {
        findings.with_label_values(&[kind.as_str(), status.as_str()]).set(*count as f64);
    }
    Ok(())
}

fn write_examination(sheet: &Sheet, examination: &Examination) -> prometheus::Result<()> {
    let help = "When the doctor's last run ended, whoever asked for it.";
    sheet.value("flotilla_doctor_last_run_timestamp_seconds", help, seconds(examination.finished_at))?;
    let help = "Whether the doctor's last conclusive verdict is a violation; their sum is how many are violated.";
    let violated = sheet.gauge("flotilla_invariant_violated", help, &["invariant"])?;
    for check in &examination.checks {
        // It stands until the check holds again, also where it could not be checked since.
        violated.with_label_values(&[check.name.as_str()]).set(flag(check.violated_since.is_some()));
    }
    Ok(())
}

/// Since 1970.
fn seconds(at: Time) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
