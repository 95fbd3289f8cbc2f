//! Every URL of the console. Nothing else writes one, so that a link and its page cannot drift apart.

use std::fmt::{Display, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use fleet_types::{
    DatabaseFilter, DatabaseSort, DatabaseState, FindingFilter, FindingKind, FindingStatus, PagePosition, PolicyDraft,
    PoolRange, UsageRange,
};

/// What is percent-encoded in a value of a query: all but the unreserved characters (RFC 3986, 2.3).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub const FLEET: &str = "/";
pub const DATABASES: &str = "/databases";
pub const POOLS: &str = "/pools";
pub const PROBLEMS: &str = "/problems";
pub const ENGINE: &str = "/engine";
pub const BUDGET: &str = "/budget";
pub const LOOKUP: &str = "/lookup";
pub const SIGN_IN: &str = "/sign-in";
pub const SIGN_OUT: &str = "/sign-out";
/// Not a page of the console: links to it are `rel="external"`.
pub const API_DOCS: &str = "/api/docs";

pub fn database(id: Uuid) -> String {
    format!("/databases/{id}")
}

/// A database with the chart of its usage over this range.
pub fn database_usage(id: Uuid, range: UsageRange) -> String {
    let mut url = Url::to(&database(id));
    if range != UsageRange::default() {
        url.add("usage", range.as_str());
    }
    url.0
}

pub fn pool(name: &str, range: PoolRange) -> String {
    let mut url = Url::to(&format!("/pools/{}", escaped(name)));
    if range != PoolRange::default() {
        url.add("range", range.as_str());
    }
    url.0
}

/// Where the policy of a pool is set; the draft is tried on its history.
pub fn pool_policy(name: &str, draft: &PolicyDraft) -> String {
    let mut url = Url::to(&format!("/pools/{}/policy", escaped(name)));
    for (name, value) in draft.fields() {
        url.add_some(name, Some(value).filter(|value| !value.is_empty()));
    }
    url.0
}

pub fn budget(range: PoolRange) -> String {
    let mut url = Url::to(BUDGET);
    if range != PoolRange::default() {
        url.add("range", range.as_str());
    }
    url.0
}

pub fn lookup(text: &str) -> String {
    let mut url = Url::to(LOOKUP);
    url.add("q", text);
    url.0
}

/// Where a paste leads that names nothing.
pub fn lookup_unread() -> String {
    page(LOOKUP, &[(String::from("error"), String::from("unread"))])
}

/// A page with this query.
pub fn page(path: &str, query: &[(String, String)]) -> String {
    let mut url = Url::to(path);
    for (name, value) in query {
        url.add(escaped(name), value);
    }
    url.0
}

/// Where to sign in, coming back to `next` afterwards.
pub fn sign_in(next: &str) -> String {
    let mut url = Url::to(SIGN_IN);
    url.add("next", next);
    url.0
}

/// A page of the table of databases.
pub fn databases(filter: &DatabaseFilter, position: &PagePosition) -> String {
    let mut url = Url::to(DATABASES);
    url.add_some("state", filter.state.map(DatabaseState::as_str));
    url.add_some("pool", filter.pool.as_deref());
    url.add_some("plan", filter.plan.as_deref());
    url.add_some("region", filter.region.as_deref());
    url.add_some("text", filter.text.as_deref());
    if filter.blocked {
        url.add("blocked", "1");
    }
    if let Some(percent) = filter.storage_percent {
        url.add("storage", &percent.to_string());
    }
    if let Some(day) = filter.claimed_since {
        url.add("claimed_since", &day.to_string());
    }
    if filter.sort != DatabaseSort::default() {
        url.add("sort", filter.sort.as_str());
    }
    match position {
        PagePosition::First => {}
        PagePosition::After(cursor) => url.add("after", cursor),
        PagePosition::Before(cursor) => url.add("before", cursor),
    }
    url.0
}

pub fn finding(id: i64) -> String {
    format!("{PROBLEMS}/{id}")
}

/// The screen of everything that is wrong, with this page of these findings.
pub fn problems(filter: &FindingFilter) -> String {
    let mut url = Url::to(PROBLEMS);
    url.add_some("kind", filter.kind.map(FindingKind::as_str));
    url.add_some("status", filter.status.map(FindingStatus::as_str));
    if let Some(after) = filter.after {
        url.add("after", &after.to_string());
    }
    url.0
}

/// The first page of the databases in one state.
pub fn databases_in(state: DatabaseState) -> String {
    databases(&DatabaseFilter::in_state(state), &PagePosition::First)
}

/// The first page of the databases that are stopped by a quota or switched off.
pub fn blocked() -> String {
    databases(&DatabaseFilter::blocked(), &PagePosition::First)
}

/// The first page of the databases of a pool, all or in one state.
pub fn databases_of_pool(pool: &str, state: Option<DatabaseState>) -> String {
    databases(&DatabaseFilter { pool: Some(pool.to_owned()), state, ..DatabaseFilter::default() }, &PagePosition::First)
}

/// The databases that follow this plan.
pub fn databases_of_plan(plan: &str) -> String {
    let filter = DatabaseFilter { plan: Some(plan.to_owned()), ..DatabaseFilter::in_state(DatabaseState::Claimed) };
    databases(&filter, &PagePosition::First)
}

struct Url(String);

impl Url {
    fn to(path: &str) -> Self {
        Self(path.to_owned())
    }

    fn add(&mut self, name: impl Display, value: &str) {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        let _ = write!(self.0, "{separator}{name}={}", escaped(value));
    }

    fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

fn escaped(text: &str) -> impl Display {
    utf8_percent_encode(text, VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_state_of_the_table_is_in_its_url() {
        let filter = DatabaseFilter {
            state: Some(DatabaseState::Claimed),
            text: Some(String::from("a b&c=ü")),
            blocked: true,
            storage_percent: Some(80),
            claimed_since: "2026-11-29".parse().ok(),
            sort: DatabaseSort::Size,
            ..DatabaseFilter::default()
        };
        let url = databases(&filter, &PagePosition::After(String::from("x+y")));
        assert_eq!(
            url,
            "/databases?state=claimed&text=a%20b%26c%3D%C3%BC&blocked=1&storage=80&claimed_since=2026-11-29&sort=size&after=x%2By"
        );
    }

    #[test]
    fn defaults_are_left_out() {
        assert_eq!(databases(&DatabaseFilter::default(), &PagePosition::First), "/databases");
        assert_eq!(pool("eu-small", PoolRange::Hour), "/pools/eu-small");
        assert_eq!(pool("eu-small", PoolRange::Week), "/pools/eu-small?range=week");
        assert_eq!(pool_policy("eu-small", &PolicyDraft::default()), "/pools/eu-small/policy");
        let draft = PolicyDraft { cover: String::from("0.5"), rate: String::from("p95"), ..PolicyDraft::default() };
        assert_eq!(pool_policy("eu-small", &draft), "/pools/eu-small/policy?cover=0.5&rate=p95");
    }
}
