//! Whole-server tests: the real server and engine over HTTP, a real PostgreSQL, and the emulated Neon. One program, so that it is linked once.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]

mod access;
mod addresses;
mod alerts;
mod architecture;
#[expect(dead_code, reason = "shared with the chaos scenarios, which use more of it")]
#[path = "../chaos/backup.rs"]
mod backup;
mod budget;
mod certain;
mod checks;
mod claims;
mod clients;
mod commands;
mod confirmations;
mod copies;
mod credentials;
mod crowd;
mod doctor;
mod engine;
mod expressions;
mod forgotten;
mod held;
mod html;
mod keys;
mod markup;
mod metrics;
mod modules;
mod neon_check;
mod neon_lists;
mod older_ledger;
mod outage;
mod overrides;
mod owner_plans;
mod pages;
mod pasted;
mod plans;
mod poolers;
mod queries;
mod quotas;
mod reconcile;
mod refusals;
mod repairs;
mod restores;
mod roll_outs;
mod runaway;
mod safety;
mod settings;
mod sign_in;
mod sizes;
mod sizing;
mod stopping;
mod support;
mod texts;
mod tiles;
mod trace;
mod uncertain;
mod under_way;
mod unheld;
mod usage;
