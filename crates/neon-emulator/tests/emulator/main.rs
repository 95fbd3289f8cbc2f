//! The emulator as its clients see it, against a real PostgreSQL. Every answer of the API in every test is validated
//! against Neon's own OpenAPI document.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod account;
mod branches;
mod compute;
mod console;
mod consumption;
mod contract;
mod control;
mod faults;
mod lies;
mod limits;
mod listing;
mod objects;
mod operations;
mod organizations;
mod plans;
mod program;
mod projects;
mod protection;
mod proxy;
mod quotas;
mod readme;
mod restart;
mod scale;
mod seeding;
mod sizes;
mod support;
mod transfers;
mod unknowns;
