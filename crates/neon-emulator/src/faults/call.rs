//! A call as the rules see it: its route, the project that it concerns, its place in a sweep of the list.

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use serde::Deserialize;

use crate::route::{BASE_PATH, Route};

/// More than any creation of a project needs.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListPage {
    /// A sweep begins.
    First,
    Next,
    /// A search, or the list of deleted projects: no part of a sweep.
    Other,
}

#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub route: &'a Route,
    /// Id of the project; for one that is to be created, the name that it gets.
    pub project: Option<String>,
    /// Only of `GET /projects`.
    pub page: Option<ListPage>,
}

impl<'a> Call<'a> {
    /// Reads what there is to know, and gives the request back as it was.
    pub async fn read(route: &'a Route, request: Request) -> (Self, Request) {
        match (route.method.as_str(), route.template.as_str()) {
            ("POST", "/projects") => {
                let (name, request) = name_in_body(request).await;
                (Self { route, project: name, page: None }, request)
            }
            ("GET", "/projects") => (Self { route, project: None, page: Some(place_in_sweep(&request)) }, request),
            (_, template) => {
                let project = template.starts_with("/projects/{project_id}").then(|| id_in_path(&request)).flatten();
                (Self { route, project, page: None }, request)
            }
        }
    }
}

/// The id in `/projects/{project_id}` and whatever lies below. The gate sees the whole path or what is left of it below the base, depending on the router.
pub(crate) fn id_in_path(request: &Request) -> Option<String> {
    let path = request.uri().path();
    path.strip_prefix(BASE_PATH).unwrap_or(path).split('/').nth(2).map(Into::into)
}

#[derive(Debug, Default, Deserialize)]
struct ListParameters {
    cursor: Option<String>,
    search: Option<String>,
    recoverable: Option<String>,
}

fn place_in_sweep(request: &Request) -> ListPage {
    let Query(parameters) = Query::<ListParameters>::try_from_uri(request.uri()).unwrap_or_default();
    let is_given = |text: Option<String>| text.is_some_and(|text| !text.is_empty());
    if is_given(parameters.search) || parameters.recoverable.is_some_and(|word| word == "true") {
        ListPage::Other
    } else if is_given(parameters.cursor) {
        ListPage::Next
    } else {
        ListPage::First
    }
}

#[derive(Debug, Default, Deserialize)]
struct Creation {
    #[serde(default)]
    project: Named,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    name: Option<String>,
}

async fn name_in_body(request: Request) -> (Option<String>, Request) {
    let (parts, body) = request.into_parts();
    // What is longer, or breaks off, is refused by the handler as a body that is no JSON.
    let bytes = to_bytes(body, LARGEST_BODY).await.unwrap_or_else(|_| "unreadable".into());
    let creation: Creation = serde_json::from_slice(&bytes).unwrap_or_default();
    (creation.project.name, Request::from_parts(parts, Body::from(bytes)))
}
