//! Who is asking, and may they? Operators come with a session cookie, programs with an API token.
//!
//! Every server function begins with [`permit`]; every route of the API stands behind one [`Scope`]. What neither of
//! them knows is refused.

mod caller;
pub mod cookie;
pub mod next;
pub mod password;
mod scope;

pub use caller::{Caller, SignedIn, permit};
pub use scope::Scope;

/// How every API token begins.
pub const API_TOKEN_PREFIX: &str = "flt_";
