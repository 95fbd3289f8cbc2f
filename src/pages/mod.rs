//! One file or folder per screen, and what all screens share: the frame around them, the URLs, what states look like, what is
//! shown when something fails.
//!
//! A page asks for its data in one resource, awaits it in one suspense, and keeps it fresh through [`Live`](crate::components::Live). Signals and actions
//! belong to the page itself and never to what a suspense resolves to, because that is thrown away when the page reloads.

mod answers;
mod budget;
mod changes;
mod checks;
mod database;
mod databases;
mod engine;
mod failure;
mod figures;
mod fleet;
mod frame;
mod history;
mod keys;
mod look;
mod lookup;
pub mod path;
mod pools;
mod problems;
mod query;
mod session;
mod sign_in;
mod status;
mod tiers;
mod unreadable;
mod user_text;

pub use budget::BudgetPage;
#[cfg(feature = "split")]
pub use budget::BudgetPart;
pub use database::DatabasePage;
pub use databases::DatabasesPage;
pub use engine::EnginePage;
pub use failure::NotFoundPage;
pub use fleet::FleetPage;
pub use frame::{Frame, FrameOutlet};
pub use lookup::LookupPage;
pub use pools::{PoolPage, PoolPolicyPage, PoolsPage};
pub use problems::{FindingPage, ProblemsPage};
pub use session::provide_operator;
pub use sign_in::SignInPage;
