//! Files for browsers: what cargo-leptos built and what lies in `public/`. Names under /pkg contain a hash of their content,
//! so they never change.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::services::{ServeDir, ServeFile};

use crate::server::{AppState, config::Config};

/// Files that stand at the root; whatever else lies in the folder is not served.
const AT_ROOT: [&str; 4] = ["favicon.svg", "favicon.ico", "robots.txt", "theme.js"];

pub fn router(config: &Config) -> Router<AppState> {
    let pkg = ServeDir::new(config.site_dir.join("pkg"))
        .precompressed_br()
        .precompressed_gzip()
        .append_index_html_on_directories(false);
    let root = AT_ROOT.iter().fold(Router::new(), |router, name| {
        router.route_service(&format!("/{name}"), ServeFile::new(config.site_dir.join(name)))
    });
    Router::new()
        .nest_service("/pkg", pkg)
        .layer(from_fn(|request, next| cached("public, max-age=31536000, immutable", request, next)))
        .merge(
            root.route("/plain.css", get(plain_css))
                .layer(from_fn(|request, next| cached("public, max-age=3600", request, next))),
        )
}

/// The stylesheet of pages outside of the console.
async fn plain_css() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("plain.css"))
}

/// Only what is there may be kept; that something is missing may change.
async fn cached(policy: &'static str, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() || response.status() == axum::http::StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
    }
    response
}
