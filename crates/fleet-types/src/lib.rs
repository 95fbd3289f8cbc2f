//! Plain data that browser and server share: what the screens show and what they send. No SQL, no HTTP, no secrets
//! (the one exception, [`Connection`], is only ever the answer to an audited reveal).

mod budget;
mod database;
mod doctor;
mod error;
mod event;
mod filter;
mod finding;
mod fleet;
mod keys;
mod lookup;
mod misread;
mod operator;
mod paste;
mod plan;
mod policy;
mod pool;
mod problems;
mod query;
mod quota;
mod safety;
mod schedule;
mod sizing;
mod storage;
mod template;
pub mod text;
mod units;
mod unreadable;
mod usage;

pub use budget::*;
pub use database::*;
pub use doctor::*;
pub use error::AppError;
pub use event::*;
pub use filter::*;
pub use finding::*;
pub use fleet::*;
pub use keys::*;
pub use lookup::*;
pub use misread::{Misread, is_name};
pub use operator::*;
pub use paste::Paste;
pub use plan::*;
pub use policy::*;
pub use pool::*;
pub use problems::*;
pub use query::*;
pub use quota::*;
pub use safety::*;
pub use schedule::*;
pub use sizing::*;
pub use storage::*;
pub use template::*;
pub use units::*;
pub use unreadable::*;
pub use usage::*;

/// A moment in UTC.
pub type Time = chrono::DateTime<chrono::Utc>;
