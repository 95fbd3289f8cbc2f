//! Projects: one per database of the fleet.
//!
//! A project's `synthetic_size_bytes` is data and history of all branches, as billed. What the storage quota limits, and what
//! a user calls the size of the database, is the logical size of the branch: [`super::Branch::logical_size_bytes`].

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Call, no_list};
use super::endpoint::Endpoint;
use super::record::{self, Fields, Record, is_id};
use super::{NeonClient, NeonError, NeonQuota, Route, wire};

/// Neon's largest page of projects.
pub const MAX_PAGE: u32 = 400;
/// What a project's first database and role are called: Neon's own defaults, asked for by name so that they can be relied upon.
pub const DATABASE_NAME: &str = "neondb";
pub const ROLE_NAME: &str = "neondb_owner";
/// A look-up by name that has not ended after so many pages is wrong.
const MAX_LOOKUP_PAGES: usize = 50;

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

/// A project in a list: no counters but its size.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectItem {
    pub id: String,
    pub name: String,
    pub region_id: String,
    pub pg_version: i32,
    /// `None` when the list leaves the settings out, as the specification allows, or tells them unreadably: then nothing is known of it.
    pub quota: Option<NeonQuota>,
    /// Data and history of all branches; see the module.
    pub synthetic_size_bytes: Option<i64>,
    /// `None`: never active, as far as the list tells.
    pub last_active_at: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    /// Every field could be read: only then an absent one says anything.
    pub is_whole: bool,
}

impl Record for ProjectItem {
    const ID: &'static str = "id";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut item = Self {
            is_whole: false,
            id: fields.id("id")?,
            name: fields.text("name")?,
            region_id: fields.text("region_id").unwrap_or_default(),
            pg_version: fields.read("pg_version").unwrap_or_default(),
            quota: listed_quota(fields),
            synthetic_size_bytes: fields.count("synthetic_storage_size"),
            last_active_at: fields.past("compute_last_active_at"),
            created_at: fields.past("created_at"),
        };
        item.is_whole = fields.is_sound();
        Some(item)
    }
}

fn listed_quota(fields: &mut Fields<'_>) -> Option<NeonQuota> {
    let mut settings = fields.inner("settings")?;
    let quota = settings.read("quota").unwrap_or_default();
    if !settings.is_sound() {
        fields.note("settings");
        return None;
    }
    Some(quota)
}

/// One page of the list.
#[derive(Clone, Debug, Default)]
pub struct ProjectPage {
    pub items: Vec<ProjectItem>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// Projects that Neon could not read in time, and records without a readable id or name. If there are any, the page proves nothing about what is not
    /// on it.
    pub unavailable: usize,
}

/// One project with its counters. They lag by up to an hour and begin anew with each billing period.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Project {
    pub id: String,
    pub name: String,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub region_id: String,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub pg_version: i32,
    #[serde(rename = "settings", default, deserialize_with = "wire::quota_of_settings")]
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

    /// Finds the project with exactly this name. `None` only if Neon's whole list was read and does not have it.
    ///
    /// # Errors
    /// [`NeonError::Incomplete`] if it was not found and parts of the list could not be read; any other of the call.
    pub async fn find_project_by_name(&self, name: &str) -> Result<Option<ProjectItem>, NeonError> {
        let (mut cursor, mut unavailable) = (None, 0);
        for _ in 0..MAX_LOOKUP_PAGES {
            let page = self.page(cursor.as_deref(), MAX_PAGE, Some(name)).await?;
            if let Some(found) = page.items.into_iter().find(|project| project.name == name) {
                return Ok(Some(found));
            }
            unavailable += page.unavailable;
            cursor = page.next;
            if cursor.is_none() && unavailable == 0 {
                return Ok(None);
            }
            if cursor.is_none() {
                return Err(NeonError::Incomplete { unavailable });
            }
        }
        Err(NeonError::Garbled { detail: String::from("the list of projects does not end") })
    }

    /// The projects whose names begin so; empty only if Neon's whole list was read and has none.
    ///
    /// # Errors
    /// As [`Self::find_project_by_name`].
    pub async fn find_projects_by_prefix(&self, prefix: &str) -> Result<Vec<ProjectItem>, NeonError> {
        let (mut cursor, mut unavailable, mut found) = (None, 0, Vec::new());
        for _ in 0..MAX_LOOKUP_PAGES {
            let page = self.page(cursor.as_deref(), MAX_PAGE, Some(prefix)).await?;
            found.extend(page.items.into_iter().filter(|project| project.name.starts_with(prefix)));
            unavailable += page.unavailable;
            cursor = page.next;
            match (&cursor, unavailable) {
                (Some(_), _) => {}
                (None, 0) => return Ok(found),
                (None, unavailable) => return Err(NeonError::Incomplete { unavailable }),
            }
        }
        Err(NeonError::Garbled { detail: String::from("the list of projects does not end") })
    }

    /// Gives the project another name. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn rename_project(&self, project: &str, name: &str) -> Result<(), NeonError> {
        let body = json!({"project": {"name": name}});
        self.done(Call::to(Route::UPDATE_PROJECT, &[project]).json(body)).await
    }

    /// Remembers that a project of the list could not be written down.
    pub fn note_unreadable_project(&self, project: &str, problem: &str) {
        self.note_unreadable(Route::LIST_PROJECTS, Some(project), problem);
    }

    /// One page of the account's projects, deleted ones left out. `limit` is at most [`MAX_PAGE`]; the order is Neon's.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn list_projects(&self, cursor: Option<&str>, limit: u32) -> Result<ProjectPage, NeonError> {
        self.page(cursor, limit, None).await
    }

    /// One project with its counters.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn get_project(&self, project: &str) -> Result<Project, NeonError> {
        self.call(Call::to(Route::GET_PROJECT, &[project])).await.map(|ProjectAnswer { project }| project)
    }

    /// Sets all five limits, and the name if there is one.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn update_project(&self, project: &str, quota: &NeonQuota, name: Option<&str>) -> Result<(), NeonError> {
        let mut body = json!({"project": {"settings": {"quota": quota}}});
        if let Some(name) = name {
            body["project"]["name"] = json!(name);
        }
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

    async fn page(&self, cursor: Option<&str>, limit: u32, search: Option<&str>) -> Result<ProjectPage, NeonError> {
        let call = Call::to(Route::LIST_PROJECTS, &[])
            .with("limit", limit.clamp(1, MAX_PAGE))
            .with_some("cursor", cursor)
            .with_some("search", search)
            .with_some("org_id", self.org_id());
        let answer: Box<RawValue> = self.call(call).await?;
        self.read_page(&answer, cursor)
    }

    /// Neon sends a cursor with a short last page too. The end is: no cursor, or an empty page. One that leads back to where we came from is no end, and
    /// nothing can be asked for behind it.
    fn read_page(&self, answer: &RawValue, came_with: Option<&str>) -> Result<ProjectPage, NeonError> {
        let route = Route::LIST_PROJECTS;
        let mut fields = Fields::of(answer)?;
        let values = fields.values("projects").ok_or_else(|| no_list("projects"))?;
        let withheld = fields.values("unavailable_project_ids").unwrap_or_default().len();
        let mut pagination = fields.inner("pagination");
        let cursor =
            pagination.as_mut().and_then(|pagination| pagination.text("cursor")).filter(|text| !text.is_empty());
        let is_sound = fields.is_sound() && pagination.is_none_or(|pagination| pagination.is_sound());
        let is_empty = values.is_empty() && withheld == 0;
        let leads_back = !is_empty && cursor.is_some() && cursor.as_deref() == came_with;
        if !is_sound || leads_back {
            let problem = if leads_back {
                "its cursor leads back to the same page"
            } else {
                "its cursor or its list of unavailable projects cannot be read"
            };
            self.note_unreadable(route, Some("a page of the list"), problem);
        }
        let items: Vec<ProjectItem> =
            self.readings(route, &values).into_iter().filter_map(|reading| reading.value).collect();
        let lost = values.len() - items.len() + usize::from(!is_sound || leads_back);
        let next = cursor.filter(|_| !is_empty && !leads_back);
        Ok(ProjectPage { items, next, unavailable: withheld + lost })
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
