//! Addresses that somebody else wrote: they put no words into the console's mouth, lead nowhere else, and use nothing up.

use std::time::Duration;

use fleet_types::Role;
use flotilla::auth::link;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};

use crate::{
    html,
    support::{Server, World},
};

fn location(answer: &Response) -> &str {
    answer.headers().get(header::LOCATION).map_or("", |location| location.to_str().unwrap())
}

/// As a browser without scripts sends a form.
fn form(server: &Server, path: &str, cookie: &str, referer: &str) -> RequestBuilder {
    server
        .anonymous(Method::POST, path)
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "text/html,application/xhtml+xml")
        .header(header::REFERER, referer)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_shows_a_strangers_words_as_its_own() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    // {"Conflict":"Call +1 555 0100"}
    let foreign = "/?__path=%2Frpc%2Frefresh&__err=eyJDb25mbGljdCI6IkNhbGwgKzEgNTU1IDAxMDAifQ%3D%3D";
    let answer = server.anonymous(Method::GET, foreign).header(header::COOKIE, &cookie).send().await.unwrap();
    assert_eq!((answer.status(), location(&answer)), (StatusCode::SEE_OTHER, "/"));
    let page = async |address: &str| {
        server
            .anonymous(Method::GET, address)
            .header(header::COOKIE, &cookie)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let html = page("/?error=Call+%2B1+555+0100&field=Call+%2B1+555+0100").await;
    assert!(!html.contains("Nothing was changed"), "a word that is no code says nothing");
    let html = page("/pools?error=invalid&field=Call+%2B1+555+0100").await;
    assert!(html.contains("A field of the form could not be read") && !html.contains("555 0100</"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_leads_to_another_host_while_it_is_cleaned() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    for path in [
        "//evil.example/?__err=1",
        "//evil.example?text=password%3Dx",
        "///evil.example?q=password%3Dx",
        "/.//evil.example/?__err=1",
    ] {
        for cookie in ["", cookie.as_str()] {
            let answer = server.anonymous(Method::GET, path).header(header::COOKIE, cookie).send().await.unwrap();
            assert!(!location(&answer).contains("evil"), "{path}: {}", location(&answer));
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_leads_to_our_own_pages_with_a_code() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap();
    let (viewer, operator) = (server.sign_in(Role::Viewer).await, server.sign_in(Role::Operator).await);
    let page = format!("{}/databases/{id}?usage=week", server.url);
    let suspend = [("id", id), ("reason", "x")];
    let led = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        location(&answer).to_owned()
    };
    let here = format!("/databases/{id}?usage=week");
    assert_eq!(
        led(form(&server, "/rpc/suspend", &operator, &page).form(&suspend)).await,
        format!("{here}&error=invalid&field=reason")
    );
    assert_eq!(
        led(form(&server, "/rpc/suspend", &viewer, &page).form(&suspend)).await,
        format!("{here}&error=forbidden")
    );
    let after_error = format!("{page}&error=invalid&field=reason");
    let done = [("name", "standard"), ("reason", "a test of forms")];
    assert_eq!(led(form(&server, "/rpc/pause-pool", &operator, &after_error).form(&done)).await, here);
    for foreign in ["https://evil.example/pools", "//evil.example", "http://127.0.0.1:1/"] {
        assert_eq!(
            led(form(&server, "/rpc/suspend", &operator, foreign).form(&suspend)).await,
            "/?error=invalid&field=reason"
        );
    }
    assert!(
        led(form(&server, "/rpc/suspend", "", &page).form(&suspend))
            .await
            .starts_with("/sign-in?error=expired&next=/databases/")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_answered_and_never_led_elsewhere() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    for (cookie, status) in [(cookie.as_str(), StatusCode::NOT_FOUND), ("", StatusCode::UNAUTHORIZED)] {
        let answer = server
            .anonymous(Method::GET, "/rpc/finding?id=1")
            .header(header::COOKIE, cookie)
            .header(header::ACCEPT, "text/html")
            .header(header::REFERER, "https://evil.example/x?a=b")
            .send()
            .await
            .unwrap();
        assert_eq!((answer.status(), location(&answer)), (status, ""));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_a_sign_in_link_does_not_use_it_up() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    server.sign_in(Role::Viewer).await;
    let who = world.ledger.operators().await.unwrap()[0].operator.email.clone();
    let link = link::create(&server.state.config, &world.ledger, &who, Duration::from_secs(60)).await.unwrap();
    let path = link.strip_prefix(&server.url).unwrap();
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let opened = server.anonymous(method, path).send().await.unwrap();
        assert_eq!(opened.status(), StatusCode::OK);
        assert!(opened.headers().get(header::SET_COOKIE).is_none(), "nobody is signed in by opening a link");
        let forms = html::read(&opened.text().await.unwrap()).elements;
        assert!(
            forms.is_empty()
                || forms.iter().any(|element| element.name == "form" && element.attribute("method") == Some("post"))
        );
    }
    let foreign = server.anonymous(Method::POST, path).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "another site cannot press the button");
    let pressed = server.anonymous(Method::POST, path).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!((pressed.status(), location(&pressed)), (StatusCode::SEE_OTHER, "/"));
    assert!(pressed.headers().contains_key(header::SET_COOKIE));
    let again = server.anonymous(Method::POST, path).send().await.unwrap();
    assert_eq!(location(&again), "/sign-in?error=link", "it works once");
    server.stop().await;
}
