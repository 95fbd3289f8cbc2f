//! What the engine has been doing.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{AppError, DutyStatus, Examination, KeyReport, Outcome, UnreadableRecord, UsageTiers};

#[server(endpoint = "duties", input = GetUrl)]
pub async fn duties() -> Result<Vec<DutyStatus>, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.engine.duties().await?)
}

/// How much of the fleet is known how well.
#[server(name = ReadUsageTiers, endpoint = "usage-tiers", input = GetUrl)]
pub async fn usage_tiers() -> Result<UsageTiers, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.usage_tiers().await?)
}

/// The keys that seal credentials, by their ids.
#[server(name = ReadKeys, endpoint = "keys", input = GetUrl)]
pub async fn keys() -> Result<KeyReport, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.key_report().await?)
}

/// Records in Neon's answers that could not be read in the last day.
#[server(name = ReadUnreadableRecords, endpoint = "unreadable-records", input = GetUrl)]
pub async fn unreadable_records() -> Result<Vec<UnreadableRecord>, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.unreadable_records().await?)
}

/// What the doctor found last; `None` before its first run.
#[server(endpoint = "last-examination", input = GetUrl)]
pub async fn last_examination() -> Result<Option<Examination>, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.last_examination().await?)
}

/// Runs all checks now. Those that take long go on in the background.
#[server(endpoint = "run-checks")]
pub async fn run_checks() -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Examine)?;
    Ok(caller.state.engine.examine_now(&caller.by().actor).await)
}
