//! Signing in while somebody guesses: guesses are few, nobody else waits for them, and nothing tells which accounts exist.

use std::time::{Duration, Instant};

use fleet_types::Role;
use flotilla::auth::{link, password};
use ledger::{By, NewOperator};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use crate::support::{Server, World};

const EMAIL: &str = "ada@staff.example";
const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "not the password";

async fn with_operator() -> (World, Server) {
    let world = World::with_pool(0).await;
    let hash = password::hash(PASSWORD.into()).await.unwrap();
    let new = NewOperator { email: EMAIL, name: "Ada", role: Role::Viewer, password_hash: Some(&hash) };
    world.ledger.create_operator(&new, &By::cli()).await.unwrap();
    let server = world.serve_without_duties().await;
    (world, server)
}

fn attempt(server: &Server, email: &str, password: &str) -> RequestBuilder {
    server.anonymous(Method::POST, "/sign-in").form(&[("email", email), ("password", password)])
}

async fn sign_in(server: &Server, email: &str, password: &str) -> Response {
    attempt(server, email, password).send().await.unwrap()
}

async fn sign_in_with(server: &Server, device: &str, email: &str, password: &str) -> Response {
    attempt(server, email, password).header(header::COOKIE, device).send().await.unwrap()
}

/// The answers to so many wrong passwords for this account at once.
async fn guess(server: &Server, email: &str, count: usize) -> Vec<Response> {
    let mut guesses = JoinSet::new();
    for _ in 0..count {
        guesses.spawn(attempt(server, email, WRONG).send());
    }
    guesses.join_all().await.into_iter().map(Result::unwrap).collect()
}

async fn execute(world: &World, statement: &'static str) {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::query(statement).execute(&mut ledger).await.unwrap();
    ledger.close().await.unwrap();
}

/// Guesses that were looked at.
async fn looked_at(world: &World) -> i64 {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let count = "SELECT coalesce(sum(failures), 0) FROM sign_in_attempts WHERE subject LIKE 'account %'";
    let count = sqlx::query_scalar(count).fetch_one(&mut ledger).await.unwrap();
    ledger.close().await.unwrap();
    count
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
async fn whoever_hammers_from_an_address_keeps_nobody_else_there_from_signing_in() {
    let (_world, server) = with_operator().await;
    let mut hammers = JoinSet::new();
    for hammer in 0..16 {
        let hasty = reqwest::Client::builder().timeout(Duration::from_millis(100)).build().unwrap();
        let url = format!("{}/sign-in", server.url);
        hammers.spawn(async move {
            for number in 0_u64.. {
                let email = format!("nobody-{hammer}-{number}@staff.example");
                // It does not wait for its answers.
                let _ = hasty.post(&url).form(&[("email", email.as_str()), ("password", WRONG)]).send().await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..6 {
        let asked = Instant::now();
        assert!(is_let_in(&sign_in(&server, EMAIL, PASSWORD).await), "the password is right");
        assert!(asked.elapsed() < Duration::from_secs(10), "waited {:?}", asked.elapsed());
    }
    hammers.shutdown().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_one_account_are_few_and_do_not_slow_its_own_browser_nor_a_link() {
    let (world, server) = with_operator().await;
    let first = sign_in(&server, EMAIL, PASSWORD).await;
    assert!(is_let_in(&first));
    let device = device_cookie(&first);

    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        assert!(!guess(&server, EMAIL, 20).await.iter().any(is_let_in));
    }
    // Five are free, and one at the end of each delay: of 0, 1, 2, 4, 8, … seconds.
    let delays = i64::from(began.elapsed().as_secs().max(1).ilog2()) + 2;
    let looked_at = looked_at(&world).await;
    assert!((6..=5 + delays).contains(&looked_at), "{looked_at} guesses within {:?}", began.elapsed());

    // As a few more guesses would have it.
    execute(&world, "UPDATE sign_in_attempts SET next_at = now() + interval '2 minutes'").await;
    assert!(!is_let_in(&sign_in(&server, EMAIL, PASSWORD).await), "a stranger may know it or not");
    assert!(!is_let_in(&sign_in_with(&server, "flotilla-device=fld_guessed", EMAIL, PASSWORD).await));

    assert!(is_let_in(&sign_in_with(&server, &device, EMAIL, PASSWORD).await));
    assert!(!is_let_in(&sign_in(&server, EMAIL, PASSWORD).await), "for strangers nothing has changed");
    let link = link::create(&server.state.config, &world.ledger, EMAIL, Duration::from_secs(60)).await.unwrap();
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
    let (_world, server) = with_operator().await;
    let device = device_cookie(&sign_in(&server, EMAIL, PASSWORD).await);
    let mut guesses = JoinSet::new();
    for _ in 0..30 {
        guesses.spawn(attempt(&server, EMAIL, WRONG).header(header::COOKIE, &device).send());
    }
    let looked_at =
        guesses.join_all().await.iter().filter(|answer| must_wait(answer.as_ref().unwrap()).is_none()).count();
    assert!((10..=13).contains(&looked_at), "of thirty guesses at once {looked_at} were looked at");
    let other = sign_in_with(&server, &device, "bob@staff.example", WRONG).await;
    assert!(must_wait(&other).is_none(), "the cookie counts for its operator only");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_text_nor_time_tell_whether_there_is_an_account() {
    let (_world, server) = with_operator().await;
    // The later ones of an account that exists are not looked at any more.
    for email in [EMAIL, "nobody@staff.example", "no address"] {
        let asked = Instant::now();
        let answers = guess(&server, email, 12).await;
        assert!(asked.elapsed() >= Duration::from_secs(2), "{email}: answered after {:?}", asked.elapsed());
        for answer in answers {
            assert_eq!(
                (answer.status(), answer.headers()[header::LOCATION].to_str().unwrap()),
                (StatusCode::SEE_OTHER, "/sign-in?error=wrong")
            );
            assert!(!answer.headers().contains_key(header::RETRY_AFTER) && !is_let_in(&answer), "{email}");
        }
    }
    server.stop().await;
}
