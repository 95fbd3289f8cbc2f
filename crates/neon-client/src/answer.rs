//! From an HTTP answer that is no success to the [`NeonError`] that it means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::error::NeonError;
use super::redact::presentable;

/// Neon's error body. Some answers come from the proxies before it, as HTML.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    request_id: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

/// What the status and the body of a failed call mean.
pub(super) fn error(status: u16, retry_after: Option<Duration>, body: &[u8]) -> NeonError {
    let ErrorBody { request_id, code, message } = read_body(body);
    let (code, message) = (presentable(&code.unwrap_or_default()), presentable(&message.unwrap_or_default()));
    let request_id = request_id.map(|id| presentable(&id));
    match status {
        429 => NeonError::RateLimited { retry_after },
        503 => NeonError::Unavailable { retry_after, message },
        401 | 403 => NeonError::Unauthorised { status, message },
        // Neon hides what a key may not touch behind 404. It must never pass for "deleted".
        404 if message.contains("not allowed") => NeonError::Unauthorised { status, message },
        // An address that Neon does not know, or an id that can be none. Nothing is absent because of it, either.
        404 if message.contains("route does not exist") => NeonError::Refused { status, code, message, request_id },
        404 => NeonError::NotFound { message },
        400..=499 if is_limit(&code) => NeonError::LimitReached { code, message },
        423 => NeonError::Locked { message },
        // A branch in the middle of its creation, answered as 422 although it passes.
        422 if message.contains("not ready yet") => NeonError::Locked { message },
        // 408 comes from proxies that gave up waiting: as unsure as 504.
        408 | 500.. => NeonError::Server { status, message, request_id },
        300..=399 => redirected(status),
        _ => NeonError::Refused { status, code, message, request_id },
    }
}

/// Codes such as `PROJECTS_LIMIT_EXCEEDED`, `COMPUTE_TIME_EXCEEDED` and `BRANCH_SIZE_LIMIT_EXCEEDED_THRESHOLD`.
fn is_limit(code: &str) -> bool {
    code.contains("LIMIT_EXCEEDED") || code.ends_with("_EXCEEDED")
}

/// Redirects are not followed: the key would go where nobody configured it to go.
fn redirected(status: u16) -> NeonError {
    let message = String::from(
        "it points to another address, which is not followed; check the address of the Neon API in the settings",
    );
    NeonError::Refused { status, code: String::new(), message, request_id: None }
}

fn read_body(body: &[u8]) -> ErrorBody {
    let told = |message: &str| ErrorBody { message: Some(message.to_owned()), ..ErrorBody::default() };
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) if body.message.is_some() || body.code.is_some() => body,
        _ if text.trim().is_empty() => told("no reason given"),
        _ if text.trim_start().starts_with('<') => told("a web page instead of an answer of the API"),
        _ => told(&text),
    }
}

/// Seconds or an HTTP date. What cannot be read counts as absent, what is past as zero.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    Some((until.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(status: u16, code: &str, message: &str) -> NeonError {
        let body = serde_json::json!({"request_id": "5b8c", "code": code, "message": message}).to_string();
        error(status, None, body.as_bytes())
    }

    #[test]
    fn documented_answers_find_their_kind() {
        let conflicting = "project already has running conflicting operations, scheduling of new ones is prohibited";
        assert_eq!(json(423, "", conflicting), NeonError::Locked { message: conflicting.into() });
        let limit = json(422, "PROJECTS_LIMIT_EXCEEDED", "user projects limit of 1 exceeded, got 1");
        assert!(matches!(limit, NeonError::LimitReached { code, .. } if code == "PROJECTS_LIMIT_EXCEEDED"));
        assert!(matches!(json(422, "", "branch not ready yet"), NeonError::Locked { .. }));
        let refused = json(400, "", "org_id is required, you can find it on your organization settings page");
        assert!(matches!(refused, NeonError::Refused { status: 400, request_id: Some(id), .. } if id == "5b8c"));
    }

    #[test]
    fn a_key_that_does_not_reach_is_not_an_absence() {
        let scoped = json(
            404,
            "",
            "not allowed to perform actions outside the project this key is scoped to; subject_project_id:x",
        );
        assert!(matches!(scoped, NeonError::Unauthorised { status: 404, .. }));
        assert!(matches!(json(404, "", "project not found"), NeonError::NotFound { .. }));
        let malformed = json(404, "", "this route does not exist");
        assert!(malformed.is_refusal() && !malformed.is_worth_retrying(), "{malformed}");
    }

    /// Statuses by their meaning at Neon, with texts and codes that were seen: who may try again, and who must not.
    #[test]
    fn what_is_worth_retrying_follows_from_what_the_status_means() {
        let permanent = [
            (400, "", "invalid region"),
            (401, "", "supplied credentials do not pass authentication"),
            (404, "", "not allowed for organization API keys"),
            (406, "", "the time range is not supported"),
            (409, "", "branch already exists"),
            (412, "", "suspend interval is too short for your plan"),
            (422, "PROJECTS_LIMIT_EXCEEDED", "user projects limit of 100 exceeded, got 100"),
            (422, "BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded"),
            (422, "ROOT_BRANCHES_LIMIT_EXCEEDED", "root branches limit exceeded"),
            (422, "", "cannot delete a project with protected branches"),
        ];
        for (status, code, message) in permanent {
            let error = json(status, code, message);
            assert!(!error.is_worth_retrying() && !error.may_have_been_carried_out(), "{error}");
            assert!(error.to_string().contains(message), "an operator reads Neon's reason: {error}");
        }
        for (status, message) in [(423, "project already has running conflicting operations"), (429, ""), (503, "")] {
            let error = json(status, "", message);
            assert!(error.is_worth_retrying() && !error.may_have_been_carried_out(), "{error}");
        }
        for (code, is_limit) in
            [("PROJECTS_LIMIT_EXCEEDED", true), ("BRANCHES_PROTECTED_LIMIT_EXCEEDED", true), ("", false)]
        {
            assert_eq!(matches!(json(422, code, "x"), NeonError::LimitReached { .. }), is_limit, "{code}");
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_told_in_words() {
        let lost = error(524, None, b"<!DOCTYPE html><html><title>A timeout occurred</title>");
        assert!(
            matches!(&lost, NeonError::Server { status: 524, message, .. } if message.contains("web page")),
            "{lost}"
        );
        assert!(lost.may_have_been_carried_out());
        assert!(matches!(error(503, None, b""), NeonError::Unavailable { .. }));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let read = |text: &str| {
            let now = "2026-09-01T10:00:00Z".parse().unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Tue, 01 Sep 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Tue, 01 Sep 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
