//! Server functions: what the pages ask of the server. Each is a public endpoint under `/rpc`, so each reads the same way:
//! who are you, may you, one line of work. Reads that go far belong in the ledger, changes in ledger and engine.

pub mod budget;
#[cfg(feature = "ssr")]
pub mod caller;
pub mod database;
pub mod databases;
pub mod engine;
pub mod fleet;
pub mod lookup;
pub mod plans;
pub mod pools;
pub mod problems;
pub mod sizing;
