//! One line per answered request, under its id, and one observation for the metrics. Of the address only the route is logged: paths and queries can hold secrets.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};

use crate::metrics::Metrics;
pub async fn log(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str).to_owned();
    let start = Instant::now();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), start.elapsed());
    metrics.request_answered(method.as_str(), &route, status, took);
    let took_ms = took.as_secs_f64() * 1_000.0;
    let is_routine = ["/healthz", "/readyz", "/metrics", "/pkg"].iter().any(|routine| route.starts_with(routine));
    match status {
        500.. => tracing::warn!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}"),
        _ if is_routine => {
            tracing::trace!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}")
        }
        _ => tracing::debug!(http.status = status, http.took_ms = took_ms, "{method} {route} answered {status}"),
    }
    response
}
