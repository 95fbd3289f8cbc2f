//! Making a project, which cannot be repeated: there is no idempotency key.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{DATABASE_NAME, ROLE_NAME};
use crate::client::Call;
use crate::endpoint::Endpoint;
use crate::record::{self, is_id};
use crate::{NeonClient, NeonError, NeonQuota, Route};

/// What is asked for. The name is ours and unique, so that the project can be found if the answer is lost.
#[derive(Clone, Debug, PartialEq)]
pub struct NewProject {
    pub name: String,
    pub region_id: String,
    pub pg_version: i32,
    pub quota: NeonQuota,
    pub min_cu: f64,
    pub max_cu: f64,
    /// Seconds without a connection until the compute stops; 0 is Neon's default (300), -1 never.
    pub suspend_timeout_seconds: i32,
}

/// What was made. Operations still run: the endpoint answers after about five seconds.
#[derive(Debug)]
pub struct Created {
    pub project_id: String,
    pub branch_id: String,
    pub endpoint_id: String,
    pub endpoint_host: String,
    /// Not pooled; holds the password.
    pub connection_uri: SecretString,
    pub database: String,
    pub role: String,
}

impl NeonClient {
    /// Makes a project with one branch, endpoint, role and database. Never repeated here: there is no idempotency key, so after an
    /// error that [`NeonError::may_have_been_carried_out`] the name has to be looked up, and again a while later if it is absent.
    ///
    /// # Errors
    /// Any [`NeonError`]; [`NeonError::Unreadable`] too if the answer lacks the connection string.
    pub async fn create_project(&self, new: &NewProject) -> Result<Created, NeonError> {
        let answer: CreatedAnswer =
            self.call(Call::to(Route::CREATE_PROJECT, &[]).json(creation(new, self.org_id()))).await?;
        Created::try_from(answer)
            .inspect_err(|error| self.note_unreadable(Route::CREATE_PROJECT, Some(&new.name), &error.to_string()))
    }
}

/// The body of `POST /projects`. Passwords are stored, because a project whose answer was lost is only usable if its can be read again.
fn creation(new: &NewProject, org_id: Option<&str>) -> serde_json::Value {
    let mut endpoint = json!({"autoscaling_limit_min_cu": new.min_cu, "autoscaling_limit_max_cu": new.max_cu});
    // Small plans refuse the field as such, so Neon's default is asked for by silence.
    if new.suspend_timeout_seconds != 0 {
        endpoint["suspend_timeout_seconds"] = json!(new.suspend_timeout_seconds);
    }
    let mut project = json!({
        "name": new.name,
        "region_id": new.region_id,
        "pg_version": new.pg_version,
        "store_passwords": true,
        "branch": {"database_name": DATABASE_NAME, "role_name": ROLE_NAME},
        "default_endpoint_settings": endpoint,
        "settings": {"quota": new.quota},
    });
    if let Some(org_id) = org_id {
        project["org_id"] = json!(org_id);
    }
    json!({"project": project})
}

#[derive(Deserialize)]
struct CreatedAnswer {
    project: CreatedProject,
    branch: CreatedBranch,
    endpoints: Vec<Box<RawValue>>,
    connection_uris: Vec<CreatedConnection>,
}

#[derive(Deserialize)]
struct CreatedProject {
    id: String,
}

#[derive(Deserialize)]
struct CreatedBranch {
    id: String,
}

#[derive(Deserialize)]
struct CreatedConnection {
    connection_uri: String,
    connection_parameters: ConnectionParameters,
}

#[derive(Deserialize)]
struct ConnectionParameters {
    database: String,
    role: String,
}

impl TryFrom<CreatedAnswer> for Created {
    type Error = NeonError;

    fn try_from(answer: CreatedAnswer) -> Result<Self, NeonError> {
        let lacks = |what: &str| NeonError::Unreadable { detail: format!("the new project has no {what}") };
        if !is_id(&answer.project.id) || !is_id(&answer.branch.id) {
            return Err(lacks("id that can be one"));
        }
        let mut endpoints = answer.endpoints.iter().filter_map(|endpoint| record::read::<Endpoint>(endpoint).value);
        let endpoint = endpoints.find(Endpoint::is_writable).ok_or_else(|| lacks("endpoint"))?;
        let connection = answer.connection_uris.into_iter().next().ok_or_else(|| lacks("connection string"))?;
        Ok(Self {
            project_id: answer.project.id,
            branch_id: answer.branch.id,
            endpoint_id: endpoint.id,
            endpoint_host: endpoint.host,
            connection_uri: connection.connection_uri.into(),
            database: connection.connection_parameters.database,
            role: connection.connection_parameters.role,
        })
    }
}
