//! Neon: its management API, and its databases as their owners meet them.

pub use neon_client::*;
pub use probe::{ProbeError, answers, holds_nothing, uri};
