//! The rules by which a pool sizes itself: how fast it is claimed from, what a policy makes of that, how far a template may roll, and what another policy
//! would have done in the past.
//!
//! Rules only: no SQL, no call, no clock. The duties and the simulation use the same ones, so that what is simulated is what happens.

mod compare;
mod decide;
mod history;
mod rates;
mod refill;
mod roll;
mod simulate;

pub use compare::{Candidate, compare};
pub use decide::{Situation, Verdict, decide};
pub use history::{DemandHour, DemandMinute, History};
pub use rates::{WINDOW_HOURS, rates};
pub use refill::{Observed, refill_model};
pub use roll::{Batch, Supply, next_batch};

/// The moment of a text like `2026-11-27T08:00:00Z`.
#[cfg(test)]
fn moment(text: &str) -> fleet_types::Time {
    text.parse().expect("a moment")
}
