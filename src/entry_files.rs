//! The files that every page loads.

/// Addresses of what every page loads; the server knows under which names a build has left them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFiles {
    pub style: String,
    pub script: String,
    pub wasm: String,
}
