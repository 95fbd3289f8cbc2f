//! Files for browsers: what a build made of the console, and what lies in `public/`. Names under /pkg hold a hash of their content, so they never change.

use std::path::Path;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::services::fs::{Backend, ServeDir, TokioBackend};

use super::embedded_files::EmbeddedFiles;
use crate::{config::Config, site::Site};

/// Files that stand at the root; whatever else lies there is not served.
const AT_ROOT: [&str; 4] = ["favicon.svg", "favicon.ico", "robots.txt", "theme.js"];
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const FOR_AN_HOUR: &str = "public, max-age=3600";
const ASK_AGAIN: &str = "no-cache";

pub fn router<S: Clone + Send + Sync + 'static>(config: &Config) -> Router<S> {
    let site = config.site();
    let pkg_policy = if site.is_hashed() { FOR_EVER } else { ASK_AGAIN };
    match site {
        Site::Embedded(files) => routes(Path::new(""), EmbeddedFiles(files), pkg_policy),
        Site::Folder(folder) => routes(&folder, TokioBackend, pkg_policy),
    }
}

fn routes<S: Clone + Send + Sync + 'static>(
    folder: &Path,
    backend: impl Backend,
    pkg_policy: &'static str,
) -> Router<S> {
    let files = ServeDir::with_backend(folder, backend)
        .precompressed_br()
        .precompressed_gzip()
        .append_index_html_on_directories(false);
    let pkg = Router::new().route_service("/pkg/{*file}", files.clone());
    let root =
        AT_ROOT.iter().fold(Router::new(), |router, name| router.route_service(&format!("/{name}"), files.clone()));
    pkg.layer(from_fn(move |request, next| cached(pkg_policy, request, next))).merge(
        root.route("/plain.css", get(plain_css)).layer(from_fn(|request, next| cached(FOR_AN_HOUR, request, next))),
    )
}

/// The stylesheet of pages outside of the console.
async fn plain_css() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("plain.css"))
}

/// Only what is there may be kept; that something is missing may change.
async fn cached(policy: &'static str, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Method,
    };
    use clap::Parser;
    use include_dir::{Dir, DirEntry, File};
    use tower::ServiceExt;

    use super::*;

    static PKG: [DirEntry<'_>; 4] = [
        DirEntry::File(File::new("pkg/flotilla.a1.wasm", b"0123456789")),
        DirEntry::File(File::new("pkg/flotilla.a1.wasm.br", b"brotli")),
        DirEntry::File(File::new("pkg/flotilla.a1.wasm.gz", b"gzip")),
        DirEntry::File(File::new("pkg/flotilla.b2.css", b"body {}")),
    ];
    static ALL: [DirEntry<'_>; 3] = [
        DirEntry::Dir(Dir::new("pkg", &PKG)),
        DirEntry::File(File::new("theme.js", b"theme")),
        DirEntry::File(File::new("notes.txt", b"not for everybody")),
    ];
    static SITE: Dir<'_> = Dir::new("", &ALL);
    const WASM: &str = "/pkg/flotilla.a1.wasm";

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        config: Config,
    }

    struct Answer {
        status: u16,
        headers: axum::http::HeaderMap,
        body: String,
    }

    impl Answer {
        fn header(&self, name: &str) -> &str {
            self.headers.get(name).map_or("", |value| value.to_str().unwrap())
        }
    }

    async fn answer(method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut config = Only::try_parse_from(["flotilla"]).unwrap().config;
        config.embedded_site = Some(&SITE);
        let request = Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = router::<()>(&config).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 1_000).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(path: &str, headers: &[(&str, &str)]) -> Answer {
        answer(Method::GET, path, headers).await
    }

    #[tokio::test]
    async fn files_in_the_program_have_their_type_and_are_kept_for_ever() {
        let wasm = get(WASM, &[]).await;
        assert_eq!((wasm.status, wasm.body.as_str()), (200, "0123456789"));
        assert_eq!(wasm.header("content-type"), "application/wasm");
        assert_eq!(wasm.header("cache-control"), FOR_EVER);
        assert_eq!(get("/pkg/flotilla.b2.css", &[]).await.header("content-type"), "text/css");
        assert_eq!(get("/theme.js", &[]).await.header("cache-control"), FOR_AN_HOUR);
    }

    #[tokio::test]
    async fn what_was_compressed_by_the_build_is_sent_to_those_who_accept_it() {
        for (accepted, encoding, body) in [
            ("gzip, br", "br", "brotli"),
            ("gzip", "gzip", "gzip"),
            ("br;q=0, gzip;q=0", "", "0123456789"),
            ("zstd", "", "0123456789"),
        ] {
            let wasm = get(WASM, &[("accept-encoding", accepted)]).await;
            assert_eq!((wasm.header("content-encoding"), wasm.body.as_str()), (encoding, body), "{accepted}");
            assert_eq!(wasm.header("content-type"), "application/wasm");
            assert!(wasm.header("vary").eq_ignore_ascii_case("accept-encoding"), "{accepted}: {}", wasm.header("vary"));
        }
    }

    #[tokio::test]
    async fn a_browser_that_asks_again_is_told_that_nothing_has_changed() {
        let tag = get(WASM, &[]).await.header("etag").to_owned();
        assert!(!tag.is_empty());
        let again = get(WASM, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.body.as_str(), again.header("cache-control")), (304, "", FOR_EVER));
    }

    #[tokio::test]
    async fn heads_and_parts_are_answered_as_by_any_server_of_files() {
        let head = answer(Method::HEAD, WASM, &[]).await;
        assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, "10", ""));
        let part = get(WASM, &[("range", "bytes=2-4")]).await;
        assert_eq!((part.status, part.header("content-range"), part.body.as_str()), (206, "bytes 2-4/10", "234"));
        assert_eq!(get(WASM, &[("range", "bytes=20-")]).await.status, 416);
        assert_eq!(answer(Method::POST, WASM, &[]).await.status, 405);
    }

    #[tokio::test]
    async fn nothing_else_is_served_and_what_is_missing_is_not_kept() {
        for path in [
            "/pkg/other.wasm",
            "/pkg/../notes.txt",
            "/pkg/%2e%2e/notes.txt",
            "/notes.txt",
            "/pkg",
            "/pkg/",
            "/robots.txt",
        ] {
            let missing = get(path, &[]).await;
            assert_eq!((missing.status, missing.header("cache-control")), (404, ""), "{path}");
        }
    }
}
