//! What is wrong, and what an operator decides about it.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{AppError, Finding, FindingKind, FindingPage, FindingStatus, Outcome, Problems};

#[server(name = ReadProblems, endpoint = "problems", input = GetUrl)]
pub async fn problems() -> Result<Problems, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.problems().await?)
}

#[server(name = ListFindings, endpoint = "findings", input = GetUrl)]
pub async fn findings(
    kind: Option<FindingKind>,
    status: Option<FindingStatus>,
    after: Option<i64>,
) -> Result<FindingPage, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.findings(fleet_types::FindingFilter { kind, status, after }, fleet_types::PAGE_ROWS).await?)
}

#[server(name = ReadFinding, endpoint = "finding", input = GetUrl)]
pub async fn finding(id: i64) -> Result<Finding, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.finding(id).await?)
}

/// Puts an orphan that nobody has used into the pool.
#[server(endpoint = "adopt-finding")]
pub async fn adopt_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.adopt_finding(id, &caller.because(&reason)?).await?)
}

#[server(endpoint = "ignore-finding")]
pub async fn ignore_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.ignore_finding(id, &caller.because(&reason)?).await?;
    Ok(Outcome::Done)
}

/// No longer ignores it.
#[server(endpoint = "look-again")]
pub async fn look_again(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.look_again(id, &caller.because(&reason)?).await?;
    Ok(Outcome::Done)
}

/// Deletes the project on Neon. `confirmation` must be its name. It is looked into first, and refused if it is not empty, unless it may go `anyway`.
#[server(endpoint = "delete-finding")]
pub async fn delete_finding(
    id: i64,
    confirmation: String,
    #[server(default)] anyway: bool,
    reason: String,
) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.delete_finding(id, &confirmation, anyway, &caller.because(&reason)?).await?)
}

/// Brings the project back on Neon, for as long as it is kept there.
#[server(endpoint = "recover-finding")]
pub async fn recover_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.recover_finding(id, &caller.because(&reason)?).await?)
}

/// Gives a deleted database that is alive again on Neon back to its owner.
#[server(endpoint = "take-back-finding")]
pub async fn take_back_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.take_back_finding(id, &caller.because(&reason)?).await?)
}

/// Sends the ledger's quota to Neon again.
#[server(endpoint = "reapply-finding")]
pub async fn reapply_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.reapply_finding(id, &caller.because(&reason)?).await?)
}

/// Makes Neon's quota the wanted one.
#[server(endpoint = "accept-finding")]
pub async fn accept_finding(id: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.engine.accept_finding(id, &caller.because(&reason)?).await?)
}

/// Lets all strays be whose name begins so. Answers how many.
#[server(endpoint = "ignore-strays")]
pub async fn ignore_strays(prefix: String, reason: String) -> Result<u64, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    Ok(caller.state.ledger.ignore_strays(&prefix, &caller.because(&reason)?).await?)
}

/// What is due may be acted on, whatever its number.
#[server(endpoint = "lift-brake")]
pub async fn lift_brake(reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.lift_brake(&caller.because(&reason)?).await?;
    caller.state.engine.nudge_reconcile();
    Ok(())
}
