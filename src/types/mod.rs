//! Plain data that browser and server share: what the screens show and what they send. No SQL, no HTTP, no secrets
//! (the one exception, [`Connection`], is only ever the answer to an audited reveal).

mod database;
mod doctor;
mod error;
mod event;
mod filter;
mod fleet;
mod lookup;
mod operator;
mod pool;
mod quota;
mod units;

pub use database::*;
pub use doctor::*;
pub use error::AppError;
pub use event::*;
pub use filter::*;
pub use fleet::*;
pub use lookup::*;
pub use operator::*;
pub use pool::*;
pub use quota::*;
pub use units::*;

/// A moment in UTC.
pub type Time = chrono::DateTime<chrono::Utc>;
