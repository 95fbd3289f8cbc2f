//! Sessions of operators: found for every request that could need one, demanded for pages.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use tokio_util::sync::CancellationToken;

use super::{address, connections, limits, request_id::RequestId};
use crate::{
    auth::{SignedIn, cookie, next},
    config::Config,
    state::AppState,
};
use fleet_types::{AppError, Operator};
use ledger::{LedgerError, SessionLimits};

const SWEEP_EVERY: Duration = Duration::from_secs(600);

impl From<&Config> for SessionLimits {
    fn from(config: &Config) -> Self {
        Self { idle: config.session_idle(), total: config.session_limit() }
    }
}

/// Marks a request whose session has ended.
#[derive(Clone, Copy)]
struct Ended;

/// Puts the operator of the session, if it holds, into the extensions of the request. Whether that suffices is decided behind it.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(token_hash) = cookie::session_hash(request.headers(), &state.config) else {
        return next.run(request).await;
    };
    let is_known = connections::recognise(request.extensions(), token_hash);
    match find(&state, token_hash).await {
        Ok(Some(operator)) => {
            if !is_known {
                connections::make_known(request.extensions(), token_hash);
            }
            let (parts, body) = request.into_parts();
            let request_id = parts.extensions.get::<RequestId>().map(RequestId::to_string).unwrap_or_default();
            let address = address::of(&parts, &state.config);
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(SignedIn { operator, token_hash, request_id, address });
        }
        Ok(None) => {
            request.extensions_mut().insert(Ended);
        }
        Err(error) => return unavailable(error),
    };
    next.run(request).await
}

/// Leads browsers without a session to the sign-in page. Server functions have been asked for theirs in [`super::rpc`].
pub async fn require(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_signed_in = request.extensions().get::<SignedIn>().is_some();
    match path {
        "/sign-in" if is_signed_in => Redirect::to(next::HOME).into_response(),
        "/sign-in" => next.run(request).await,
        _ if is_signed_in || path.starts_with("/rpc/") => next.run(request).await,
        _ => {
            let wanted = request.uri().path_and_query().map_or(next::HOME, |wanted| wanted.as_str());
            let had_session = request.extensions().get::<Ended>().is_some();
            let page = if had_session { next::sign_in_failed("expired", wanted) } else { next::sign_in_before(wanted) };
            Redirect::to(&page).into_response()
        }
    }
}

/// Removes what has ended, until shutdown.
pub async fn sweep_until(state: AppState, shutdown: CancellationToken) {
    let limits = SessionLimits::from(&*state.config);
    while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
        if let Err(error) = state.ledger.sweep_sessions(limits).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "ended sessions could not be removed; the next sweep tries again"
            );
        }
    }
}

async fn find(state: &AppState, token_hash: [u8; 32]) -> Result<Option<Operator>, LedgerError> {
    let Some(session) = state.ledger.session(&token_hash, SessionLimits::from(&*state.config)).await? else {
        return Ok(None);
    };
    if session.is_stale {
        state.ledger.touch_session(&token_hash).await?;
    }
    Ok(Some(session.operator))
}

/// Logged here; whoever asked is told in their own way by [`super::error_answers`].
pub fn unavailable(error: LedgerError) -> Response {
    match AppError::from(error) {
        AppError::Busy { .. } => limits::come_back(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
