//! A server that answers by script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: serde_json::Value,
}

#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
}

/// The server. It answers in the order of the script; the last answer stays.
pub struct Stub {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

pub fn json(status: u16, body: impl ToString) -> Answer {
    Answer {
        status,
        headers: vec![("content-type", String::from("application/json"))],
        body: body.to_string().into_bytes(),
    }
}

pub fn html(status: u16) -> Answer {
    Answer {
        status,
        headers: vec![("content-type", String::from("text/html"))],
        body: String::from("<!DOCTYPE html><html><head><title>A timeout occurred</title></head></html>").into_bytes(),
    }
}

/// An error in Neon's shape.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    json(status, serde_json::json!({"request_id": "0ebcdfe2", "code": code, "message": message}))
}

impl Answer {
    /// With other bytes in permit of these.
    pub fn with_bytes(mut self, these: &[u8], others: &[u8]) -> Self {
        let at = self.body.windows(these.len()).position(|bytes| bytes == these).unwrap();
        self.body.splice(at..at + these.len(), others.iter().copied());
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Stub {
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Arc::new(Mutex::new(Script { answers: answers.into_iter().collect(), seen: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    pub fn count(&self) -> usize {
        self.seen().len()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut script = script.lock().unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    script.seen.push(Seen { method, uri, headers, body });
    let answer =
        if script.answers.len() > 1 { script.answers.pop_front() } else { script.answers.front().cloned() }.unwrap();
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

/// A server that reads each request to its end, writes `raw` and drops the connection. Returns its address and the count of requests.
pub async fn breaking_off(raw: &'static [u8]) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(0));
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            read_request(&stream).await;
            *counted.lock().unwrap() += 1;
            let _ = stream.try_write(raw);
        }
    });
    (url, requests)
}

/// A server that reads each request and never answers.
pub async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    url
}

/// An address where nobody listens.
pub const NOBODY: &str = "http://127.0.0.1:1/api/v2";

/// Head and body, as the head announces it.
async fn read_request(stream: &TcpStream) {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return;
            }
        }
        stream.readable().await.unwrap();
        let mut chunk = [0; 4096];
        match stream.try_read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => request.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
