//! The README's calls, as they are written there: a reader who pastes them gets what it says.

use neon_emulator::{Config, Key, Organization};
use reqwest::Method;

use crate::support::{KEY, PERSONAL_KEY, TestEmulator, config, tls};

const README: &str = include_str!("../../README.md");

/// A `curl` of the README.
struct Call {
    method: Method,
    url: String,
    /// With the key of the person rather than that of the organisation.
    is_personal: bool,
    body: Option<String>,
}

/// Every `curl` in a block for the shell.
fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for block in README.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut words = words(block).into_iter().peekable();
        while let Some(word) = words.next() {
            if word != "curl" {
                continue;
            }
            let mut call = Call { method: Method::GET, url: String::new(), is_personal: false, body: None };
            // The next command, or what reads its answer, ends it.
            while let Some(word) = words.next_if(|word| !["curl", "psql", "|"].contains(&word.as_str())) {
                match word.as_str() {
                    "-X" => call.method = words.next().unwrap().parse().unwrap(),
                    "-H" => call.is_personal |= words.next().is_some_and(|header| header.ends_with("napi_me")),
                    "-d" => {
                        call.body = words.next();
                        if call.method == Method::GET {
                            call.method = Method::POST;
                        }
                    }
                    url if url.starts_with('$') => call.url = url.to_owned(),
                    _ => {}
                }
            }
            calls.push(call);
        }
    }
    calls
}

/// Words as a shell takes them: quotes hold together, comments go.
fn words(block: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = block.chars().peekable();
    while let Some(letter) = letters.next() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            Some(_) => word.push(letter),
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == '#' && word.is_empty() => while letters.next_if(|letter| *letter != '\n').is_some() {},
            None if letter.is_whitespace() => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
            }
            None => word.push(letter),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[tokio::test]
async fn every_call_of_the_readme_is_answered() {
    tls();
    let emulator = TestEmulator::with(Config {
        organizations: vec![Organization::new("org-free-1"), Organization::new("org-paid-2")],
        api_keys: vec![Key::of_organization(KEY, "org-free-1"), Key::personal(PERSONAL_KEY)],
        ..config()
    })
    .await;
    let api = emulator.emulator.api_url();
    let switches = api.replace("/api/v2", "/_emulator");
    let calls = calls();
    assert!(calls.len() > 10, "the README's calls are not found any more");
    let project = emulator.emulator.create_project("quiet-hill", None).await.unwrap();
    for call in calls {
        // While the network is cut, the calls that put it right are those under /_emulator.
        let url = call.url.replace("$NEON_API_HOST", &api).replace("$API", &api).replace("$E", &switches);
        // A smaller fleet shows as much.
        let body = call.body.as_deref().unwrap_or_default().replace("300000", "300");
        let body = body.replace("quiet-hill-12345678", &project);
        let request = reqwest::Client::new()
            .request(call.method.clone(), &url)
            .bearer_auth(if call.is_personal { PERSONAL_KEY } else { KEY })
            .header("content-type", "application/json")
            .body(body.clone());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{} {url} {body}: {status} {}", call.method, answer.text().await.unwrap());
    }
}
