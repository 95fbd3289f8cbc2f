//! Signing in with a password or a one-time link, and signing out. The page itself belongs to the console; what goes wrong
//! is told to it as a code in the query.
//!
//! Whoever is refused is answered [`HOLD`] after they asked, whether there is no such account, its password is another, or too many have guessed at it:
//! neither text nor time tell which. Whoever is let in is answered at once. So somebody who guesses is slowed down, and keeps nobody waiting who
//! shares their address.

use std::time::Duration;

use axum::{
    Extension, Form, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_extra::extract::cookie::CookieJar;
use secrecy::SecretString;
use serde::Deserialize;

use super::{clean_url, connections, limits::NotBefore, plain_page, request_id::RequestId, session};
use crate::{
    auth::{
        SignedIn, cookie,
        next::{self, page_or_home},
        password::{self, PasswordError},
    },
    metrics::Refused,
    state::AppState,
};
use fleet_types::{Operator, text};
use ledger::{By, LedgerError, LinkUse, NewSession, SignInAttempt, SignInCandidate, Turn, Via};

/// How long a refusal is held back: longer than a password takes to check.
const HOLD: Duration = Duration::from_secs(2);

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/sign-in", post(sign_in))
        .route("/sign-in/link/{token}", get(offer_link).post(use_link))
        .route("/sign-out", post(sign_out))
        .layer(DefaultBodyLimit::max(16 * 1024))
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: SecretPassword,
    #[serde(default)]
    next: String,
}

/// Never printed, wiped after use.
struct SecretPassword(SecretString);

impl<'de> Deserialize<'de> for SecretPassword {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|password| Self(SecretString::from(password)))
    }
}

/// Why somebody was not let in. The codes are the sign-in page's.
enum Refusal {
    /// No such account, not its password, or too many strangers have guessed at it: the same to whoever asks.
    Wrong,
    /// Too many have failed in a browser that is known; the next attempt is looked at after this time.
    TooSoon(Duration),
    Busy,
    Ledger(LedgerError),
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

async fn sign_in(
    State(state): State<AppState>,
    Extension(request_id): Extension<RequestId>,
    parts: Parts,
    Form(form): Form<Credentials>,
) -> Response {
    let Credentials { email, password: SecretPassword(password), next } = form;
    let held = NotBefore::after(HOLD);
    let next = match clean_url::page_after(&state, &next).await {
        Ok(next) => next.unwrap_or_default(),
        Err(error) => return session::unavailable(error),
    };
    match let_in(&state, &parts, &email, password, &request_id).await {
        Ok(jar) => (jar, Redirect::to(page_or_home(&next))).into_response(),
        Err(refusal) => refuse(refusal, &next, held),
    }
}

/// Opens a session for whoever has the right password. The attempt counts as failed until it has succeeded.
async fn let_in(
    state: &AppState,
    parts: &Parts,
    email: &str,
    password: SecretString,
    request_id: &RequestId,
) -> Result<CookieJar, Refusal> {
    let email = text::email(email).map_err(|_| Refusal::Wrong)?.to_lowercase();
    let SignInCandidate { operator, password_hash } =
        state.ledger.sign_in_candidate(&email).await?.ok_or(Refusal::Wrong)?;
    let attempt = SignInAttempt { email: &email, device_hash: cookie::device_hash(&parts.headers, &state.config) };
    take_turn(state, &attempt).await?;
    if !password::is_right(password, password_hash).await.map_err(unchecked)? {
        return Err(Refusal::Wrong);
    }
    let opening = Opening::new(state, parts);
    let session = opening.session(parts);
    state.ledger.open_session(&operator, &attempt, &session, &by(&operator, request_id)).await?;
    connections::make_known(&parts.extensions, session.token_hash);
    Ok(opening.cookies(state))
}

async fn take_turn(state: &AppState, attempt: &SignInAttempt<'_>) -> Result<(), Refusal> {
    let refusal = match state.ledger.begin_sign_in(attempt).await? {
        Turn::Now => return Ok(()),
        Turn::After(wait) => Refusal::TooSoon(wait),
        Turn::Untold => Refusal::Wrong,
    };
    state.metrics.refused(Refused::SignIn);
    Err(refusal)
}

fn unchecked(error: PasswordError) -> Refusal {
    if !matches!(error, PasswordError::Busy) {
        tracing::error!(error = &error as &dyn std::error::Error, "a password could not be checked");
    }
    Refusal::Busy
}

/// A fresh session in place of the one this browser may have had, and the cookie by which the browser is known next time.
struct Opening {
    token: String,
    device_token: String,
    replaces: Option<[u8; 32]>,
    replaces_device: Option<[u8; 32]>,
}

impl Opening {
    fn new(state: &AppState, parts: &Parts) -> Self {
        Self {
            token: secrets::random_token(cookie::PREFIX),
            device_token: secrets::random_token(cookie::DEVICE_PREFIX),
            replaces: cookie::session_hash(&parts.headers, &state.config),
            replaces_device: cookie::device_hash(&parts.headers, &state.config),
        }
    }

    fn session<'a>(&self, parts: &'a Parts) -> NewSession<'a> {
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        NewSession {
            token_hash: secrets::hash_token(&self.token),
            user_agent: user_agent.map(|text| &text[..text.len().min(300)]),
            replaces: self.replaces,
            device_hash: secrets::hash_token(&self.device_token),
            replaces_device: self.replaces_device,
        }
    }

    fn cookies(self, state: &AppState) -> CookieJar {
        let session = cookie::opening(self.token, &state.config);
        CookieJar::new().add(session).add(cookie::remembering(self.device_token, &state.config))
    }
}

/// Asks for a click, and does nothing else: mail scanners and previews open every link.
async fn offer_link(signed_in: Option<Extension<SignedIn>>) -> Response {
    if signed_in.is_some() {
        return Redirect::to(next::HOME).into_response();
    }
    plain_page::with_button("Sign in", "This link signs you in once.", "Sign in to Flotilla")
}

/// Uses the link up.
async fn use_link(
    State(state): State<AppState>,
    Extension(request_id): Extension<RequestId>,
    Path(token): Path<String>,
    parts: Parts,
) -> Response {
    if !secrets::is_well_formed(&token) {
        return failed("link", "");
    }
    let opening = Opening::new(&state, &parts);
    let used = state
        .ledger
        .use_sign_in_link(&secrets::hash_token(&token), &opening.session(&parts), &request_id.to_string())
        .await;
    match used {
        Ok(LinkUse::SignedIn(_)) => (opening.cookies(&state), Redirect::to(next::HOME)).into_response(),
        Ok(LinkUse::Expired | LinkUse::Invalid) => failed("link", ""),
        Err(error) => session::unavailable(error),
    }
}

async fn sign_out(
    State(state): State<AppState>,
    Extension(request_id): Extension<RequestId>,
    signed_in: Option<Extension<SignedIn>>,
) -> Response {
    if let Some(Extension(SignedIn { operator, token_hash, .. })) = signed_in
        && let Err(error) = state.ledger.end_session(&token_hash, &by(&operator, &request_id)).await
    {
        return session::unavailable(error);
    }
    (CookieJar::new().add(cookie::closing(&state.config)), Redirect::to("/sign-in")).into_response()
}

fn by(operator: &Operator, request_id: &RequestId) -> By {
    By { actor: operator.email.clone(), via: Via::Console, reason: None, request_id: Some(request_id.to_string()) }
}

fn refuse(refusal: Refusal, next: &str, held: NotBefore) -> Response {
    match refusal {
        Refusal::Wrong => (Extension(held), failed("wrong", next)).into_response(),
        Refusal::TooSoon(wait) => plain_page::too_soon(wait),
        Refusal::Busy => failed("busy", next),
        Refusal::Ledger(error) => session::unavailable(error),
    }
}

fn failed(code: &str, next: &str) -> Response {
    Redirect::to(&next::sign_in_failed(code, next)).into_response()
}
