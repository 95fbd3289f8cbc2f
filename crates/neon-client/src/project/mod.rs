//! Projects: one per database of the fleet.
//!
//! A project's `synthetic_size_bytes` is data and history of all branches, as billed. What the storage quota limits, and what
//! a user calls the size of the database, is the logical size of the branch: [`super::Branch::logical_size_bytes`].

mod create;
mod list;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

pub use create::{Created, NewProject};
pub use list::{ProjectItem, ProjectPage};

use super::client::Call;
use super::record::{Fields, Record};
use super::{NeonClient, NeonError, NeonQuota, Route, quota, wire};

/// Neon's largest page of projects.
pub const MAX_PAGE: u32 = 400;
/// What a project's first database and role are called: Neon's own defaults, asked for by name so that they can be relied upon.
pub const DATABASE_NAME: &str = "neondb";
pub const ROLE_NAME: &str = "neondb_owner";

/// One project with its counters. They lag by up to an hour and begin anew with each billing period.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Project {
    pub id: String,
    pub name: String,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub region_id: String,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub pg_version: i32,
    #[serde(rename = "settings", default, deserialize_with = "quota::of_settings")]
    pub quota: NeonQuota,
    /// Data and history of all branches; see the module.
    #[serde(rename = "synthetic_storage_size", default, deserialize_with = "wire::optional_count")]
    pub synthetic_size_bytes: Option<i64>,
    #[serde(default, deserialize_with = "wire::count")]
    pub active_time_seconds: i64,
    /// CU-seconds.
    #[serde(default, deserialize_with = "wire::count")]
    pub compute_time_seconds: i64,
    #[serde(default, deserialize_with = "wire::count")]
    pub written_data_bytes: i64,
    #[serde(default, deserialize_with = "wire::count")]
    pub data_transfer_bytes: i64,
    /// The billing period; known in answers to [`NeonClient::get_project`] only.
    #[serde(rename = "consumption_period_start", default, deserialize_with = "wire::moment")]
    pub period_start: Option<DateTime<Utc>>,
    #[serde(rename = "consumption_period_end", default, deserialize_with = "wire::moment")]
    pub period_end: Option<DateTime<Utc>>,
    /// `None`: never active.
    #[serde(rename = "compute_last_active_at", default, deserialize_with = "wire::moment")]
    pub last_active_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// How a deletion found the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Deleted; recoverable for seven days. Neon says the same of one that was deleted shortly before.
    Deleted,
    /// It was not there any more.
    AlreadyGone,
}

impl NeonClient {
    /// Gives the project another name. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn rename_project(&self, project: &str, name: &str) -> Result<(), NeonError> {
        let body = json!({"project": {"name": name}});
        self.done(Call::to(Route::UPDATE_PROJECT, &[project]).json(body)).await
    }

    /// One project with its counters.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn get_project(&self, project: &str) -> Result<Project, NeonError> {
        self.call(Call::to(Route::GET_PROJECT, &[project])).await.map(|ProjectAnswer { project }| project)
    }

    /// Sets all five limits if they are given, and the name if it is.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn update_project(
        &self,
        project: &str,
        quota: Option<&NeonQuota>,
        name: Option<&str>,
    ) -> Result<(), NeonError> {
        let mut body = json!({"project": {}});
        if let Some(quota) = quota {
            body["project"]["settings"] = json!({ "quota": quota });
        }
        if let Some(name) = name {
            body["project"]["name"] = json!(name);
        }
        self.done(Call::to(Route::UPDATE_PROJECT, &[project]).json(body)).await
    }

    /// Sets how far back the project can be restored, in seconds, 30 days at most; each plan of Neon's has its own limit. It is locked for a moment then.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn set_history_retention(&self, project: &str, seconds: i32) -> Result<(), NeonError> {
        let body = json!({"project": {"history_retention_seconds": seconds}});
        self.done(Call::to(Route::UPDATE_PROJECT, &[project]).json(body)).await
    }

    /// Deletes the project. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`] but [`NeonError::NotFound`].
    pub async fn delete_project(&self, project: &str) -> Result<Deletion, NeonError> {
        match self.call::<serde::de::IgnoredAny>(Call::to(Route::DELETE_PROJECT, &[project])).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(NeonError::NotFound { .. }) => Ok(Deletion::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    /// Brings a project back that was deleted less than seven days ago, with its data and connection strings.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn recover_project(&self, project: &str) -> Result<(), NeonError> {
        self.done(Call::to(Route::RECOVER_PROJECT, &[project])).await
    }

    /// Until when a deleted project can be recovered; `None` when Neon does not keep it any more.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn recoverable_until(&self, project: &str) -> Result<Option<DateTime<Utc>>, NeonError> {
        let call = Call::to(Route::LIST_PROJECTS, &[])
            .with("limit", MAX_PAGE)
            .with("recoverable", true)
            .with("search", project)
            .with_some("org_id", self.org_id());
        let deleted = self.list::<DeletedProject>(call, "projects").await?;
        Ok(deleted.into_iter().find(|deleted| deleted.id == project).and_then(|deleted| deleted.recoverable_until))
    }
}

#[derive(Deserialize)]
struct ProjectAnswer {
    project: Project,
}

/// One that can be recovered.
struct DeletedProject {
    id: String,
    recoverable_until: Option<DateTime<Utc>>,
}

impl Record for DeletedProject {
    const ID: &'static str = "id";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { id: fields.id("id")?, recoverable_until: fields.moment("recoverable_until") })
    }
}
