//! A crowd at the door: slow bodies, half headers and silent connections stop nobody's claim, and none of them stays.

use std::{net::SocketAddr, time::Duration};

use fleet_types::Role;
use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{Server, World, until};

const SLOW_BODY: &str = "POST /sign-in HTTP/1.1\r\nhost: flotilla\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 60\r\n\r\nemail=";
const HALF_A_HEADER: &str = "GET /healthz HTTP/1.1\r\nhost: flo";
const SILENCE: &str = "";

/// Longer than the longest limit, on a busy machine.
const LONG_ENOUGH: Duration = Duration::from_secs(60);

async fn knock(server: &Server, from: &str, words: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(server.url.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    // Who has had to make way already does not hear this.
    let _ = stream.write_all(words.as_bytes()).await;
    stream
}

async fn crowd(server: &Server, from: &str, words: &str, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(knock(server, from, words).await);
    }
    crowd
}

/// By a connection of its own, from this address.
async fn claim_from(server: &Server, address: &str, owner: &str) -> StatusCode {
    let client = reqwest::Client::builder().local_address(address.parse().ok()).build().unwrap();
    let body = serde_json::json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") } });
    let request = client.post(format!("{}/api/v1/claims", server.url)).bearer_auth(&server.token).json(&body);
    request.send().await.unwrap().status()
}

async fn refusals(server: &Server, limit: &str) -> f64 {
    let metrics = server.api(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let series = format!("flotilla_http_refused_total{{limit=\"{limit}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

async fn assert_served(server: &Server, address: &str, owner: &str) {
    assert_eq!(claim_from(server, address, owner).await, StatusCode::CREATED, "{owner}");
    for path in ["/readyz", "/healthz"] {
        assert_eq!(server.anonymous(Method::GET, path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
}

/// Everything the server says until it closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut words = Vec::new();
    // A connection that has to make way is reset.
    let _ = timeout(LONG_ENOUGH, stream.read_to_end(&mut words)).await.expect("the connection is never closed");
    String::from_utf8_lossy(&words).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_from_one_address_stops_no_claim_not_even_from_there() {
    let world = World::with_pool(0).await;
    world.stock(6).await;
    let server = world.serve_without_duties().await;
    let slow = crowd(&server, "127.0.0.2", SLOW_BODY, 1_100).await;
    assert_served(&server, "127.0.0.1", "among-slow-bodies").await;
    assert_served(&server, "127.0.0.2", "from-the-same-address").await;
    until("the oldest of the crowd have made way for the next", || async {
        drop(knock(&server, "127.0.0.2", SILENCE).await);
        refusals(&server, "connections_of_address").await >= 900.0
    })
    .await;
    let half = crowd(&server, "127.0.0.3", HALF_A_HEADER, 90).await;
    let silent = crowd(&server, "127.0.0.4", SILENCE, 90).await;
    assert_served(&server, "127.0.0.3", "among-half-headers").await;
    assert_served(&server, "127.0.0.4", "among-the-silent").await;
    for stream in slow.into_iter().chain(half).chain(silent) {
        rest(stream).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_through_a_trusted_proxy_take_no_places_and_are_given_up() {
    let mut world = World::with_pool(0).await;
    world.arguments = vec!["--trusted-proxies", "127.0.0.2/32"];
    world.stock(6).await;
    let server = world.serve_without_duties().await;
    let slow = crowd(&server, "127.0.0.2", SLOW_BODY, 1_100).await;
    assert_served(&server, "127.0.0.1", "beside-the-proxy").await;
    assert_served(&server, "127.0.0.2", "through-the-proxy").await;
    let page = server.anonymous(Method::GET, "/sign-in").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK, "people get in as well");
    assert_eq!(refusals(&server, "connections_of_address").await, 0.0);
    for stream in slow {
        let words = rest(stream).await;
        assert!(words.starts_with("HTTP/1.1 408 "), "{words}");
    }
    assert!(refusals(&server, "body_time").await >= 1_100.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_have_shown_who_they_are_need_not_make_way() {
    let mut world = World::with_pool(0).await;
    world.arguments = vec!["--connections-per-address", "3"];
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    let mut known =
        knock(&server, "127.0.0.2", &format!("GET /pools HTTP/1.1\r\nhost: flotilla\r\ncookie: {cookie}\r\n\r\n"))
            .await;
    let mut byte = [0];
    known.read_exact(&mut byte).await.unwrap();
    let strangers = crowd(&server, "127.0.0.2", SILENCE, 10).await;
    until("the strangers have made way for one another", || async {
        drop(knock(&server, "127.0.0.2", SILENCE).await);
        refusals(&server, "connections_of_address").await >= 7.0
    })
    .await;
    known.write_all(b"GET /healthz HTTP/1.1\r\nhost: flotilla\r\nconnection: close\r\n\r\n").await.unwrap();
    let words = rest(known).await;
    assert!(words.ends_with("ok\n"), "{words}");
    drop(strangers);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_claims_at_once_from_one_address_are_all_served() {
    let world = World::with_pool(0).await;
    world.stock(300).await;
    let server = world.serve_without_duties().await;
    let mut claims = tokio::task::JoinSet::new();
    for number in 0..300 {
        let body = serde_json::json!({ "owner": { "id": format!("owner-{number}"), "email": "owner@mail.example" } });
        // None has a connection to reuse.
        let request = reqwest::Client::new().post(format!("{}/api/v1/claims", server.url)).bearer_auth(&server.token);
        claims.spawn(async move { request.json(&body).send().await.map(|answer| answer.status()) });
    }
    for answer in claims.join_all().await {
        assert_eq!(answer.expect("no connection is reset"), StatusCode::CREATED);
    }
    assert_eq!(refusals(&server, "connections_of_address").await, 0.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_for_an_empty_pool_keep_nobody_out() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..300 {
        let body = serde_json::json!({
            "owner": { "id": format!("owner-{number}"), "email": "owner@mail.example" }, "wait_seconds": 30
        });
        let request = server.api(Method::POST, "/api/v1/claims").json(&body);
        calls.spawn(async move { request.send().await.unwrap().status() });
    }
    // More than may wait: the rest is told at once to ask again.
    let mut told = 0;
    while told < 44 {
        let status = timeout(Duration::from_secs(25), calls.join_next()).await.expect("they do not all wait");
        assert_eq!(status.unwrap().unwrap(), StatusCode::ACCEPTED);
        told += 1;
    }
    assert_eq!(server.anonymous(Method::GET, "/sign-in").send().await.unwrap().status(), StatusCode::OK);
    calls.abort_all();
    server.stop().await;
}
