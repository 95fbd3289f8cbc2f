//! Chaos: each scenario breaks something on purpose and is a program that fails when Flotilla does not mend it. The oracle is the emulator's own truth and
//! the invariants of the ledger.
//!
//! `make test` runs them in a short form; `make chaos` in full size, and prints what each has measured.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]

mod background;
mod backup;
mod gateway;
mod ledger;
mod process;
mod scenario;
#[expect(dead_code, reason = "shared with the whole-server tests, which use more of it")]
#[path = "../whole/support.rs"]
mod support;

mod b1_restored;
mod b2_two_ledgers;
mod j1_damaged_records;
mod k1_crash_points;
mod k2_killed;
mod n1_faults;
mod n6_listings;
mod p1_postgres;
mod q1_hopeless;
mod r2_clocks;
mod s2_histories;
mod v1_verification;
