//! Which call: the API's routes by method and template, as limits, statistics and rules about faults know them.

/// Where the API lies on its host.
pub const BASE_PATH: &str = "/api/v2";

/// A method and a template of a path, as `/projects/{project_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    pub template: String,
    pub method: String,
}
