//! What each call passes on its way in and out: the network (which may be cut), the key, the limits, the faults, the
//! record. The work itself runs in a task of its own, because a service finishes what it began when its caller
//! hangs up.

use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::{ApiError, BASE_PATH, Context};
use crate::faults::{Fate, Route, spoil};
use crate::listener::Connection;
use crate::stats::NO_ANSWER;

const REQUEST_ID: &str = "x-request-id";

pub async fn pass(
    State(context): State<Arc<Context>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let route = route_of(&request);
    let request_id = request_id_of(&request);
    let answer = tokio::select! {
        () = context.faults.network_is_cut() => None,
        answer = answer(&context, &route, request, next, &request_id) => answer,
    };
    // The cut may have come while the answer was made.
    let Some(mut response) = answer.filter(|_| !context.faults.api_is_cut()) else {
        connection.kill();
        context.stats.record(&route, NO_ANSWER);
        return StatusCode::NO_CONTENT.into_response();
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let mut shaped = error.into_response_with(&request_id);
        for (name, value) in response.headers() {
            if name == RETRY_AFTER {
                shaped.headers_mut().insert(name, value.clone());
            }
        }
        response = shaped;
    }
    context.stats.record(&route, response.status().as_u16());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The answer to a call, or none if it is to be lost on the way.
async fn answer(context: &Arc<Context>, route: &Route, request: Request, next: Next, request_id: &str) -> Option<Response> {
    if let Err(refused) = admit(context, route, &request) {
        return Some(refused);
    }
    let fate = context.faults.decide(route);
    tokio::time::sleep(fate.delay()).await;
    if let Fate { instead: Some(fault), .. } = &fate {
        return Some(fault.instead_of_work(request_id));
    }
    let response = match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = %error, "a handler panicked");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "unknown internal server error").into_response()
        }
    };
    spoil(response, &fate, request_id).await
}

fn admit(context: &Context, route: &Route, request: &Request) -> Result<(), Response> {
    if !has_valid_key(request, &context.config.api_keys) {
        return Err(ApiError::unauthorized().into_response());
    }
    context.limits.admit(route).map_err(|()| {
        let mut response = ApiError::rate_limited().into_response();
        if let Some(seconds) = context.config.unknowns.rate_limit_retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    })
}

/// Cookies are not looked at: Neon's own clients put the key there as well.
fn has_valid_key(request: &Request, keys: &[String]) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, key)) = header.and_then(|value| value.split_once(' ')) else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer") && keys.iter().any(|valid| valid == key.trim())
}

fn request_id_of(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    given.filter(|id| !id.is_empty() && id.len() <= 128).map_or_else(|| Uuid::new_v4().to_string(), Into::into)
}

/// The method and the template of the path, as `/projects/{project_id}`.
fn route_of(request: &Request) -> Route {
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    Route {
        method: request.method().to_string(),
        template: template.map_or("unknown", |path| path.strip_prefix(BASE_PATH).unwrap_or(path)).into(),
    }
}
