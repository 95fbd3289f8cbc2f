//! Signing in while somebody guesses: strangers are slowed down, and nobody is locked out.

use std::time::{Duration, Instant};

use flotilla::{
    server::{
        auth::password,
        cli::operator,
        ledger::{By, NewOperator},
    },
    types::Role,
};
use reqwest::{Method, Response, StatusCode, header};

use crate::support::{Server, World};

const EMAIL: &str = "ada@staff.example";
const PASSWORD: &str = "correct horse battery";

async fn with_operator(arguments: Vec<&'static str>) -> (World, Server) {
    let mut world = World::with_pool(0).await;
    world.arguments = arguments;
    let hash = password::hash(PASSWORD.into()).await.unwrap();
    let new = NewOperator { email: EMAIL, name: "Ada", role: Role::Viewer, password_hash: Some(&hash) };
    world.ledger.create_operator(&new, &By::cli()).await.unwrap();
    let server = world.serve_without_duties().await;
    (world, server)
}

async fn sign_in(server: &Server, email: &str, password: &str, headers: &[(&'static str, &str)]) -> Response {
    let mut request = server.anonymous(Method::POST, "/sign-in").form(&[("email", email), ("password", password)]);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn is_let_in(answer: &Response) -> bool {
    answer.status().is_redirection() && answer.headers().contains_key(header::SET_COOKIE)
}

/// Seconds to wait, if the attempt came too soon.
fn must_wait(answer: &Response) -> Option<u64> {
    (answer.status() == StatusCode::TOO_MANY_REQUESTS)
        .then(|| answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap())
}

fn device_cookie(answer: &Response) -> String {
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let device = cookies.into_iter().find(|cookie| cookie.starts_with("flotilla-device=")).expect("a device cookie");
    assert!(device.contains("HttpOnly") && device.contains("Max-Age"), "{device}");
    device.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_at_an_account_slows_strangers_but_not_its_own_browser_nor_a_link() {
    let (world, server) = with_operator(vec![]).await;
    let first = sign_in(&server, EMAIL, PASSWORD, &[]).await;
    assert!(is_let_in(&first));
    let device = device_cookie(&first);

    let mut waits = Vec::new();
    while waits.len() < 3 {
        let guess = sign_in(&server, EMAIL, "not the password", &[]).await;
        assert!(!is_let_in(&guess));
        if let Some(seconds) = must_wait(&guess) {
            waits.push(seconds);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }
    assert!(waits.is_sorted() && waits[0] < waits[2], "the delay grows: {waits:?}");
    sign_in(&server, EMAIL, "not the password", &[]).await;
    let asked = Instant::now();
    assert!(must_wait(&sign_in(&server, EMAIL, PASSWORD, &[]).await).is_some(), "a stranger may know it or not");
    assert!(asked.elapsed() < Duration::from_secs(4), "nobody is kept waiting for the answer");
    let unknown = sign_in(&server, EMAIL, PASSWORD, &[("cookie", "flotilla-device=fld_guessed")]).await;
    assert!(must_wait(&unknown).is_some());

    assert!(is_let_in(&sign_in(&server, EMAIL, PASSWORD, &[("cookie", &device)]).await));
    assert!(must_wait(&sign_in(&server, EMAIL, PASSWORD, &[]).await).is_some(), "for strangers nothing has changed");
    let link =
        operator::sign_in_link(&server.state.config, &world.ledger, EMAIL, Duration::from_secs(60)).await.unwrap();
    let path = link.strip_prefix(&server.url).unwrap();
    let by_link = async |method| {
        let request = server.anonymous(method, path).header("sec-fetch-site", "same-origin");
        request.send().await.unwrap()
    };
    assert!(is_let_in(&by_link(Method::POST).await));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_device_cookie_is_no_way_to_guess_without_end() {
    let (_world, server) = with_operator(vec![]).await;
    let device = device_cookie(&sign_in(&server, EMAIL, PASSWORD, &[]).await);
    let mut guesses = 0;
    while must_wait(&sign_in(&server, EMAIL, "not the password", &[("cookie", &device)]).await).is_none() {
        guesses += 1;
        assert!(guesses <= 12, "guessing goes on");
    }
    let other = sign_in(&server, "bob@staff.example", "not the password", &[("cookie", &device)]).await;
    assert!(must_wait(&other).is_none(), "the cookie counts for its operator only");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_passwords_delay_an_address_and_never_lock_it() {
    let (_world, server) = with_operator(vec![]).await;
    let mut is_delayed = false;
    for number in 0..60 {
        let guess = sign_in(&server, &format!("nobody-{number}@staff.example"), "not the password", &[]).await;
        is_delayed |= must_wait(&guess).is_some();
    }
    assert!(is_delayed, "one address may guess without end");
    let mut waited = 0;
    loop {
        let answer = sign_in(&server, EMAIL, PASSWORD, &[]).await;
        if is_let_in(&answer) {
            break;
        }
        let seconds = must_wait(&answer).expect("the password is right");
        waited += seconds;
        assert!(waited <= 10, "the address is locked");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_has_an_address_of_its_own() {
    let (_world, server) = with_operator(vec!["--trusted-proxies", "127.0.0.0/8"]).await;
    let mut delayed = 0;
    for number in 0..40 {
        let forwarded = [("x-forwarded-for", format!("203.0.113.5:{}", 1_000 + number))];
        let headers: Vec<(&'static str, &str)> =
            forwarded.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let guess = sign_in(&server, &format!("nobody-{number}@staff.example"), "not the password", &headers).await;
        delayed += u32::from(must_wait(&guess).is_some());
    }
    assert!(delayed > 0, "every port counted as a client of its own");
    assert!(is_let_in(&sign_in(&server, EMAIL, PASSWORD, &[("x-forwarded-for", "203.0.113.6:1234")]).await));
    server.stop().await;
}
