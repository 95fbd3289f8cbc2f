//! What an address of the console may hold: no control characters, no secret, and no words of somebody else.
//!
//! Addresses stay in histories, bookmarks and logs of proxies, and anybody can write one and send it to an operator.

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse, Redirect, Response},
};
use reqwest::Url;

use super::session;
use crate::{
    auth::{
        SignedIn,
        next::{self, page_or_home},
    },
    pages::path,
    state::AppState,
};
use fleet_types::Paste;
use ledger::LedgerError;

/// Parameters that hold what somebody typed or pasted. All others are ours, with words and numbers as values.
const TYPED: [&str; 2] = ["q", "text"];
/// Parameters by which the framework would show an error in the words of whoever wrote the address.
const FOREIGN: [&str; 2] = ["__err", "__path"];

/// One-time links to sign in: the only secrets that belong into a path.
const LINKS: &str = "/sign-in/link/";

/// Stands for what must not stand in an address, so that a filter stays one that nothing fits instead of becoming none.
const REMOVED: &str = "removed";

/// Refuses control characters, and leads to the same page without what must not stand in its address.
pub async fn demand(State(state): State<AppState>, request: Request, rest: middleware::Next) -> Response {
    if is_unreadable(request.uri()) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    // No page of ours; as the target of a redirect it would be another host. What it holds is not repeated by whatever comes after this.
    let path = request.uri().path();
    if path.contains("//") || !path.starts_with(LINKS) && next::holds_secret(path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        let is_signed_in = request.extensions().get::<SignedIn>().is_some();
        match cleaned(&state, request.uri(), is_signed_in).await {
            Ok(None) => {}
            Ok(Some(address)) => return Redirect::to(&address).into_response(),
            Err(error) => return session::unavailable(error),
        }
    }
    rest.run(request).await
}

/// The address without secrets and foreign words; `None` when it has none.
async fn cleaned(state: &AppState, uri: &Uri, is_signed_in: bool) -> Result<Option<String>, LedgerError> {
    let mut kept = Vec::new();
    let mut is_clean = true;
    for (name, value) in pairs(uri) {
        let keeps = match name.as_str() {
            foreign if FOREIGN.contains(&foreign) => None,
            // A look-up says that it could not read the text; a filter without it would be none.
            pasted if TYPED.contains(&pasted) => match typed(state, &value, is_signed_in).await? {
                None if pasted != "q" => Some(String::from(REMOVED)),
                text => text,
            },
            "next" if uri.path() == path::SIGN_IN => page_after(state, &value).await?,
            ours if Paste::is_harmless(ours) => {
                Some(if Paste::is_harmless(&value) { value.clone() } else { String::from(REMOVED) })
            }
            _ => {
                is_clean = false;
                kept.push((String::from(REMOVED), String::from(REMOVED)));
                continue;
            }
        };
        is_clean &= keeps.as_ref() == Some(&value);
        kept.extend(keeps.map(|value| (name, value)));
    }
    Ok((!is_clean).then(|| {
        let was_asked = pairs(uri).iter().any(|(name, _)| name == "q");
        let is_asked = kept.iter().any(|(name, _)| name == "q");
        if uri.path() == path::LOOKUP && was_asked && !is_asked {
            path::lookup_unread()
        } else {
            path::page(uri.path(), &kept)
        }
    }))
}

/// What may stand for a typed text: itself, if there is no secret in it or it is the very name of something.
async fn typed(state: &AppState, value: &str, is_signed_in: bool) -> Result<Option<String>, LedgerError> {
    let paste = Paste::read(value);
    if !paste.may_hold_secret || is_signed_in && state.ledger.is_identifier(value).await? {
        return Ok(Some(value.to_owned()));
    }
    Ok(paste.searched().map(str::to_owned))
}

/// The page to go to after signing in, itself an address that must be clean; nothing for what is no page of ours.
pub async fn page_after(state: &AppState, page: &str) -> Result<Option<String>, LedgerError> {
    let Some(uri) = Some(page_or_home(page)).filter(|home| *home == page).and_then(|page| page.parse().ok()) else {
        return Ok(None);
    };
    Ok(Some(Box::pin(cleaned(state, &uri, false)).await?.unwrap_or_else(|| page.to_owned())))
}

fn pairs(uri: &Uri) -> Vec<(String, String)> {
    let Ok(mut url) = Url::parse("http://console") else { return Vec::new() };
    url.set_query(uri.query());
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Whether there is something in the address that no page has in its own: C0 and C1, written as they are or percent-encoded, or a path that is no text.
fn is_unreadable(uri: &Uri) -> bool {
    let has_controls = |text: &str| text.contains(char::is_control);
    next::decoded(uri.path()).is_none_or(|path| has_controls(&path))
        || pairs(uri).iter().any(|(name, value)| [name, value].iter().any(|text| has_controls(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_is_called_is_seen_however_it_is_written() {
        for address in [
            "/pools/a%00b",
            "/databases?text=a%00b",
            "/databases?%1b=x",
            "/pools/%C2%9B31m",
            "/x?y=a%0Ab",
            "/pools/%FF",
            "/a%C3",
        ] {
            assert!(is_unreadable(&address.parse().expect("an address")), "{address}");
        }
        for address in ["/", "/pools/%C3%BC", "/databases?text=50%25&x=%zz", "/a%2", "/a%"] {
            assert!(!is_unreadable(&address.parse().expect("an address")), "{address}");
        }
    }
}
