//! One line per answered request, under its id. Of the address only the route is logged: paths and queries can hold secrets.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
pub async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str).to_owned();
    let start = Instant::now();
    let response = next.run(request).await;
    let (status, took_ms) = (response.status().as_u16(), start.elapsed().as_secs_f64() * 1_000.0);
    let is_routine = route.starts_with("/healthz") || route.starts_with("/readyz") || route.starts_with("/pkg");
    match status {
        500.. => tracing::warn!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}"),
        _ if is_routine => {
            tracing::trace!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}")
        }
        _ => tracing::debug!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}"),
    }
    response
}
