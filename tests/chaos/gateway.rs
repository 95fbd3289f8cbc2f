//! Something in front of Neon that refuses chosen calls and edits answers: what a proxy, or Neon itself, may do to single projects.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// The status with which a call is refused, by its method, path and body.
type Refuse = dyn FnMut(&Method, &str, &Value) -> Option<u16> + Send;
/// Changes the body of an answer, by the method and path of its call.
type Edit = dyn FnMut(&Method, &str, &mut Value) + Send;

pub struct Gateway {
    pub url: String,
    rules: Arc<Rules>,
    task: JoinHandle<()>,
}

struct Rules {
    upstream: String,
    client: Client,
    refuse: Mutex<Option<Box<Refuse>>>,
    edit: Mutex<Option<Box<Edit>>>,
}

impl Gateway {
    /// In front of this API, whose base URL ends in `/api/v2`.
    pub async fn before(upstream: &str) -> Self {
        engine::prepare_tls();
        let upstream = upstream.trim_end_matches("/api/v2").to_owned();
        let rules =
            Arc::new(Rules { upstream, client: Client::new(), refuse: Mutex::default(), edit: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(rules.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, rules, task }
    }

    pub fn refuse(&self, rule: impl FnMut(&Method, &str, &Value) -> Option<u16> + Send + 'static) {
        *self.rules.refuse.lock().unwrap() = Some(Box::new(rule));
    }

    pub fn edit(&self, rule: impl FnMut(&Method, &str, &mut Value) + Send + 'static) {
        *self.rules.edit.lock().unwrap() = Some(Box::new(rule));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    State(rules): State<Arc<Rules>>,
    method: Method,
    uri: Uri,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches("/api/v2").to_owned();
    let asked = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let refused = rules.refuse.lock().unwrap().as_mut().and_then(|refuse| refuse(&method, &path, &asked));
    if let Some(status) = refused {
        let body = r#"{"code":"","message":"this project cannot be dealt with"}"#;
        return (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body)
            .into_response();
    }
    let mut request = rules.client.request(method.clone(), format!("{}{uri}", rules.upstream)).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    let mut body = answer.bytes().await.unwrap_or_default().to_vec();
    if let Some(edit) = rules.edit.lock().unwrap().as_mut()
        && let Ok(mut value) = serde_json::from_slice(&body)
    {
        edit(&method, &path, &mut value);
        body = value.to_string().into_bytes();
    }
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}
