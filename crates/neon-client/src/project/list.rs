//! The list of projects: its pages, what one of them proves, and looking a name up.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::MAX_PAGE;
use crate::client::{Call, no_list};
use crate::record::{Fields, Record};
use crate::{NeonClient, NeonError, NeonQuota, Route};

/// A look-up by name that has not ended after so many pages is wrong.
const MAX_LOOKUP_PAGES: usize = 50;

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

impl NeonClient {
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
