//! A call that is to be made, and the request that it becomes.

use std::sync::atomic::Ordering;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH};

use super::Account;
use crate::Route;

/// A call that is to be made.
#[derive(Clone)]
pub struct Call<'a> {
    pub(super) route: Route,
    pub(super) ids: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<serde_json::Value>,
}

impl<'a> Call<'a> {
    /// The ids take the places in the route's template, in order.
    pub fn to(route: Route, ids: &[&'a str]) -> Self {
        Self { route, ids: ids.to_vec(), query: Vec::new(), body: None }
    }

    /// With a parameter in its query.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// The same, if there is a value.
    pub fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With this body.
    pub fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl Account {
    /// What the call is made for, and the number of the call in this process. Neon tells it in its errors.
    pub(super) fn next_request_id(&self) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}.{number}", (self.request_id)())
    }

    pub(super) fn request(&self, call: &Call<'_>, request_id: &str) -> reqwest::RequestBuilder {
        let method = match call.route.method {
            "POST" => Method::POST,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        };
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.route.segments(&call.ids));
        }
        let request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header("X-Request-ID", request_id)
            .header(ACCEPT, "application/json")
            .query(&call.query);
        match &call.body {
            Some(body) => request.json(body),
            None if call.route.is_read() => request,
            // Some proxies refuse a change that does not say how long its body is.
            None => request.header(CONTENT_LENGTH, 0),
        }
    }
}
