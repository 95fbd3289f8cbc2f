//! The way to Neon. Whoever puts a program together makes one from settings and hands it on; only this crate can call with it.

use neon_client::{NeonClient, NeonConfig, NeonError};

/// A Neon account, reached under the id of whatever request or run asks.
#[derive(Clone)]
pub struct Neon(pub(crate) NeonClient);

impl Neon {
    /// # Errors
    /// [`NeonError::Misconfigured`], saying which setting.
    pub fn new(config: NeonConfig) -> Result<Self, NeonError> {
        NeonClient::new(NeonConfig { request_id: trace::current_or_fresh, ..config }).map(Self)
    }
}
