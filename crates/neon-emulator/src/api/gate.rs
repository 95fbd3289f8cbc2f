//! What each call passes on its way in and out: the network (which may be cut), the key, the limits, the faults, the
//! record. All this runs in a task of its own, because a service finishes what it began when its caller hangs up.

use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::spoil::{instead_of_work, spoil};
use super::{ApiError, Context, access};
use crate::faults::{Call, id_in_path};
use crate::keys::Caller;
use crate::listener::Connection;
use crate::route::{BASE_PATH, Route};
use crate::stats::NO_ANSWER;
use crate::transfers;

const REQUEST_ID: &str = "x-request-id";

pub async fn pass(
    State(context): State<Arc<Context>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let work = tokio::spawn(handle(context.clone(), request, next));
    let answer = tokio::select! {
        () = context.faults.network_is_cut() => None,
        answer = work => answer.unwrap_or_else(|error| {
            tracing::error!(error = %error, "a handler panicked");
            Some(ApiError::internal().into_response_with(""))
        }),
    };
    answer.unwrap_or_else(|| {
        connection.kill();
        // Nobody reads it.
        StatusCode::NO_CONTENT.into_response()
    })
}

/// The call from its arrival to its answer; none if that is lost on the way.
async fn handle(context: Arc<Context>, request: Request, next: Next) -> Option<Response> {
    let route = route_of(&request);
    let request_id = request_id_of(&request);
    let answer = answer(&context, &route, request, next, &request_id).await;
    // The network may have been cut while the answer was made.
    let answer =
        answer.filter(|_| !context.faults.api_is_cut()).map(|response| finished(&context, response, &request_id));
    context.stats.answered(&route, answer.as_ref().map_or(NO_ANSWER, |response| response.status().as_u16()));
    answer
}

fn finished(context: &Context, mut response: Response, request_id: &str) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let error = error.with_code_of(&context.config.unknowns);
        response = shaped(error, response.headers().get(RETRY_AFTER), request_id);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn shaped(error: ApiError, retry_after: Option<&HeaderValue>, request_id: &str) -> Response {
    let mut response = error.into_response_with(request_id);
    if let Some(value) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, value.clone());
    }
    response
}

async fn answer(context: &Context, route: &Route, request: Request, next: Next, request_id: &str) -> Option<Response> {
    // A key of one project may end with what arrives now.
    let arrived = transfers::settle(context).await;
    let caller = key_of(&request).and_then(|key| context.keys.caller(key, context.clock.now()));
    context.stats.arrived(caller.as_ref().map(Caller::account), route);
    let admitted = match arrived {
        Ok(()) => match admitted(context, route, &request, caller) {
            Ok(caller) => reaching(context, route, id_in_path(&request), caller).await,
            refused => refused,
        },
        Err(refusal) => Err(refusal.into()),
    };
    let caller = match admitted {
        Ok(caller) => caller,
        Err(error) => return Some(refused(context, error)),
    };
    let (call, mut request) = Call::read(route, request).await;
    let fate = context.faults.decide(&call);
    tokio::select! {
        () = tokio::time::sleep(fate.delay()) => {}
        () = context.stop.cancelled() => return None,
    }
    if let Some(fault) = &fate.instead {
        return Some(instead_of_work(fault, request_id));
    }
    request.extensions_mut().insert(fate.lies.clone());
    request.extensions_mut().insert(caller);
    spoil(next.run(request).await, &fate, request_id).await
}

/// Who calls, or the refusal of a call that has no valid key, comes too often or reaches beyond its key.
fn admitted(context: &Context, route: &Route, request: &Request, caller: Option<Caller>) -> Result<Caller, ApiError> {
    let caller = caller.ok_or_else(ApiError::unauthorized)?;
    if !context.limits.admits(caller.account(), route) {
        return Err(ApiError::rate_limited());
    }
    let is_about_project = route.template.starts_with("/projects/{project_id}");
    if is_about_project && !id_in_path(request).is_some_and(|id| is_id(&id)) {
        return Err(ApiError::unknown_route());
    }
    if let Some(project_id) = &caller.project_id
        && !access::is_within_project(route, request, project_id)
    {
        let text = format!(
            "not allowed to perform actions outside the project this key is scoped to; subject_project_id:{project_id}"
        );
        return Err(ApiError::new(StatusCode::NOT_FOUND, text));
    }
    Ok(caller)
}

/// The same caller, unless the project in the path is out of reach or on its way.
async fn reaching(
    context: &Context,
    route: &Route,
    project_id: Option<String>,
    caller: Caller,
) -> Result<Caller, ApiError> {
    if let Some(project_id) = project_id.filter(|_| route.template.starts_with("/projects/{project_id}")) {
        access::to_project(context, &caller, &project_id, route.method == "GET").await?;
    }
    Ok(caller)
}

fn refused(context: &Context, error: ApiError) -> Response {
    let comes_too_often = error.status == StatusCode::TOO_MANY_REQUESTS;
    let mut response = error.into_response();
    if let Some(seconds) = context.config.unknowns.rate_limit_retry_after.filter(|_| comes_too_often) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Whether a text could be the id of a project.
fn is_id(text: &str) -> bool {
    let is_of_an_id = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    (1..=60).contains(&text.len()) && text.bytes().all(is_of_an_id)
}

/// Cookies are not looked at: Neon's own clients put the key there as well.
fn key_of(request: &Request) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, key) = header?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
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
