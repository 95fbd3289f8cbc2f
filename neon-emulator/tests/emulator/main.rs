//! The emulator as its clients see it, against a real PostgreSQL. Every answer of the API in every test is validated
//! against Neon's own OpenAPI document.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod account;
mod compute;
mod console;
mod contract;
mod faults;
mod lies;
mod limits;
mod listing;
mod operations;
mod projects;
mod proxy;
mod restart;
mod scale;
mod seeding;
mod support;
