//! Who is asking, and may they? Operators come with a session cookie, programs with an API token.
//!
//! Every server function begins with `rpc::caller::permit`; every route of the API stands behind one [`Scope`]. What neither of
//! them knows is refused.

pub mod cookie;
pub mod link;
pub mod next;
pub mod password;
mod scope;
pub mod token;

use fleet_types::Operator;

pub use scope::Scope;

/// How every API token begins.
pub const API_TOKEN_PREFIX: &str = "flt_";

/// A session that holds, as the middleware found it; in the extensions of the request.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub operator: Operator,
    /// SHA-256 of the cookie.
    pub token_hash: [u8; 32],
    /// Of the request that came with it.
    pub request_id: String,
    /// Where that request came from, as far as that can be known.
    pub address: String,
}
