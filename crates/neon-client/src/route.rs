//! The operations of the API that we use. Neon limits calls per route, so a route is also the key of the budget.

use std::fmt;

use super::Bucket;

/// A method and a path template, as Neon's specification writes them (without `/api/v2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    pub method: &'static str,
    pub template: &'static str,
}

impl Route {
    pub const CREATE_PROJECT: Self = Self::new("POST", "/projects");
    pub const LIST_PROJECTS: Self = Self::new("GET", "/projects");
    pub const GET_PROJECT: Self = Self::new("GET", "/projects/{project_id}");
    pub const UPDATE_PROJECT: Self = Self::new("PATCH", "/projects/{project_id}");
    pub const DELETE_PROJECT: Self = Self::new("DELETE", "/projects/{project_id}");
    pub const RECOVER_PROJECT: Self = Self::new("POST", "/projects/{project_id}/recover");
    pub const GET_BRANCH: Self = Self::new("GET", "/projects/{project_id}/branches/{branch_id}");
    pub const LIST_BRANCHES: Self = Self::new("GET", "/projects/{project_id}/branches");
    pub const LIST_DATABASES: Self = Self::new("GET", "/projects/{project_id}/branches/{branch_id}/databases");
    pub const LIST_ROLES: Self = Self::new("GET", "/projects/{project_id}/branches/{branch_id}/roles");
    pub const LIST_ENDPOINTS: Self = Self::new("GET", "/projects/{project_id}/endpoints");
    pub const UPDATE_ENDPOINT: Self = Self::new("PATCH", "/projects/{project_id}/endpoints/{endpoint_id}");
    pub const START_ENDPOINT: Self = Self::new("POST", "/projects/{project_id}/endpoints/{endpoint_id}/start");
    pub const SUSPEND_ENDPOINT: Self = Self::new("POST", "/projects/{project_id}/endpoints/{endpoint_id}/suspend");
    pub const CONNECTION_URI: Self = Self::new("GET", "/projects/{project_id}/connection_uri");
    pub const REVEAL_PASSWORD: Self =
        Self::new("GET", "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password");
    pub const RESET_PASSWORD: Self =
        Self::new("POST", "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password");
    pub const LIST_OPERATIONS: Self = Self::new("GET", "/projects/{project_id}/operations");
    pub const CONSUMPTION: Self = Self::new("GET", "/consumption_history/projects");
    pub const CONSUMPTION_V2: Self = Self::new("GET", "/consumption_history/v2/projects");

    /// An operation that has no name here, as Neon's specification writes it.
    pub const fn new(method: &'static str, template: &'static str) -> Self {
        Self { method, template }
    }

    /// Whether a call changes nothing, so that repeating it is always safe.
    pub fn is_read(self) -> bool {
        self.method == "GET"
    }

    /// Whether Neon keeps this from some plans, so that a 403 says nothing about the key.
    pub fn depends_on_plan(self) -> bool {
        self.template.starts_with("/consumption_history")
    }

    /// Which of Neon's counts of calls it adds to.
    pub fn bucket(self) -> Bucket {
        if self.template.starts_with("/consumption_history/") { Bucket::Consumption } else { Bucket::Account }
    }

    /// The segments of the path, with `ids` in the places of the template, in order.
    pub(super) fn segments<'a>(self, ids: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        let mut ids = ids.iter().copied();
        self.template
            .split('/')
            .skip(1)
            .map(move |segment| if segment.starts_with('{') { ids.next().unwrap_or_default() } else { segment })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}
