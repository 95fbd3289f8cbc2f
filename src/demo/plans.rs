//! The plans of the demonstration, as a platform may have them.

use fleet_types::{PlanTerms, Quota};
use ledger::{By, Ledger, LedgerError};

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

/// The names of the plans, the smallest first.
pub const PLANS: [&str; 3] = ["free", "pro", "business"];

/// What a plan of the demonstration gives.
pub fn terms(plan: &str) -> PlanTerms {
    let (label, quota, relief_percent) = match plan {
        "free" => (
            "Free",
            Quota {
                logical_size_bytes: Some(512 * MIB),
                active_time_seconds: Some(360_000),
                compute_time_seconds: Some(180_000),
                written_data_bytes: Some(5 * GIB),
                data_transfer_bytes: Some(5 * GIB),
            },
            Some(150),
        ),
        "pro" => (
            "Pro",
            Quota {
                logical_size_bytes: Some(10 * GIB),
                compute_time_seconds: Some(1_080_000),
                written_data_bytes: Some(100 * GIB),
                data_transfer_bytes: Some(100 * GIB),
                ..Quota::default()
            },
            Some(200),
        ),
        _ => ("Business", Quota { logical_size_bytes: Some(100 * GIB), ..Quota::default() }, None),
    };
    PlanTerms { label: label.to_owned(), quota, relief_percent, ..PlanTerms::default() }
}

/// Makes those that are not there yet.
///
/// # Errors
/// PostgreSQL's.
pub async fn ensure(ledger: &Ledger) -> Result<(), LedgerError> {
    let by = By { reason: Some(String::from("A plan of the demonstration.")), ..By::cli() };
    for plan in PLANS {
        match ledger.create_plan(plan, &terms(plan), &by).await {
            Ok(_) | Err(LedgerError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
