//! Who is signed in, and what they may do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Also reveals connection strings and refreshes.
    Support,
    /// Also changes quotas, suspends, resumes, releases and runs the pools.
    Operator,
    /// Also manages operators and tokens.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Support, Self::Operator, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What can be permitted in the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// See the fleet.
    Read,
    /// Ask Neon for the state of one database now.
    Refresh,
    /// See a connection string, with a reason.
    Reveal,
    /// Change quotas and compute settings, suspend, resume, release.
    ManageDatabases,
    /// Set targets, pause and resume pools.
    ManagePools,
    /// Run the checks of the doctor now.
    Examine,
}

impl Permission {
    /// The least role that has it.
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Refresh | Self::Reveal => Role::Support,
            Self::ManageDatabases | Self::ManagePools | Self::Examine => Role::Operator,
        }
    }
}

/// The member of staff who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub role: Role,
}

impl Operator {
    pub fn may(&self, permission: Permission) -> bool {
        self.role >= permission.role()
    }

    /// Why a control is off, for its tooltip; `None` when the operator may use it.
    pub fn why_not(&self, permission: Permission) -> Option<String> {
        (!self.may(permission))
            .then(|| format!("Needs the role {}; yours is {}.", permission.role().as_str(), self.role.as_str()))
    }
}
