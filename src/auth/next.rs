//! Where to go after signing in: a page of ours and nothing else, so that a link cannot send anybody elsewhere.

use std::{borrow::Cow, fmt::Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use fleet_types::{AppError, Paste};

/// All but the unreserved characters (RFC 3986, 2.3), and slashes, so that a person can read where a link leads.
const PATH_IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The home page, when nothing better was asked for.
pub const HOME: &str = "/";

/// `next` if it is a page of this console, else the home page.
pub fn page_or_home(next: &str) -> &str {
    if is_page(next) { next } else { HOME }
}

/// The sign-in page that leads back to this path and query.
pub fn sign_in_before(path_and_query: &str) -> String {
    if !is_page(path_and_query) || path_and_query == HOME {
        return String::from("/sign-in");
    }
    format!("/sign-in?next={}", encoded(path_and_query))
}

/// The sign-in page that says what went wrong: `wrong`, `busy`, `link` (used, too old or unknown) or `expired`
/// (the session).
pub fn sign_in_failed(code: &str, next: &str) -> String {
    match page_or_home(next) {
        HOME => format!("/sign-in?error={code}"),
        next => format!("/sign-in?error={code}&next={}", encoded(next)),
    }
}

/// The page that says what went wrong with a form that was sent from it: a code, never a text.
pub fn with_notice(page: &str, error: &AppError) -> String {
    let page = page_or_home(page);
    let separator = if page.contains('?') { '&' } else { '?' };
    let field = match error {
        AppError::Invalid { field, .. } => format!("&field={}", encoded(field)),
        _ => String::new(),
    };
    format!("{page}{separator}error={}{field}", error.code())
}

/// A path as it is meant; `None` for what is no text. What only looks percent-encoded stands for itself.
pub fn decoded(path: &str) -> Option<String> {
    percent_decode_str(path).decode_utf8().ok().map(Cow::into_owned)
}

/// Whether a part of the path may be a secret, such as a connection string that was pasted behind `/databases/`.
pub fn holds_secret(path: &str) -> bool {
    path.split('/').any(|part| !part.is_empty() && !decoded(part).is_some_and(|part| Paste::is_harmless(&part)))
}

/// Visible ASCII with single slashes: no other host (`//host`, `/\host`, `/.//host`), no header of its own, no
/// secret, none of the addresses that are no pages.
fn is_page(path: &str) -> bool {
    let is_route = path.split('?').next().is_some_and(|route| !route.contains("//") && !holds_secret(route));
    let is_local = path.starts_with('/') && is_route && path.len() <= 2_000;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#".contains(&byte));
    let is_other = ["/sign-in", "/sign-out", "/rpc", "/pkg"].iter().any(|other| path.starts_with(other));
    is_local && is_plain && !is_other
}

/// As a value in a query.
fn encoded(text: &str) -> impl Display {
    utf8_percent_encode(text, PATH_IN_QUERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_ours_are_kept() {
        for page in ["/", "/databases?state=claimed&text=a%20b", "/pools/main", "/api/docs"] {
            assert_eq!(page_or_home(page), page);
        }
    }

    #[test]
    fn everything_else_leads_home() {
        let long = format!("/{}", "a".repeat(2_000));
        for elsewhere in [
            "",
            "databases",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "/a\r\nSet-Cookie: x=y",
            "/\tevil",
            "/ü",
            "javascript:alert(1)",
            "/sign-in",
            "/sign-out",
            "/rpc/suspend",
            "/databases/postgres:%2F%2Fu:hunter2%40h%2Fdb",
            "/databases/npg_hunter2",
            "/databases#postgres://u:hunter2@h/db",
            &long,
        ] {
            assert_eq!(page_or_home(elsewhere), HOME, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (path, text) in [
            ("/a%20b", Some("/a b")),
            ("/%C3%BC", Some("/ü")),
            ("/a%2", Some("/a%2")),
            ("/%zz", Some("/%zz")),
            ("/%FF", None),
        ] {
            assert_eq!(decoded(path).as_deref(), text, "{path}");
        }
    }

    #[test]
    fn the_way_back_survives_the_sign_in_page() {
        assert_eq!(sign_in_before("/databases?text=a&sort=size"), "/sign-in?next=/databases%3Ftext%3Da%26sort%3Dsize");
        assert_eq!(sign_in_before("/"), "/sign-in");
        assert_eq!(sign_in_before("//evil.example"), "/sign-in");
        assert_eq!(sign_in_failed("wrong", "/pools"), "/sign-in?error=wrong&next=/pools");
        let invalid = AppError::invalid("storage", "never shown");
        assert_eq!(with_notice("/databases?text=a", &invalid), "/databases?text=a&error=invalid&field=storage");
        assert_eq!(with_notice("/pools", &AppError::Conflict(String::from("never shown"))), "/pools?error=conflict");
        assert_eq!(sign_in_failed("wrong", "https://evil.example"), "/sign-in?error=wrong");
    }
}
