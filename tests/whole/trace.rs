//! One id leads from a request through its event and the engine to the calls to Neon, also when a duty finishes the work later.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use fleet_types::{Event, Role};
use flotilla::telemetry::{LogFormat, init_to};
use neon_emulator::{Fault, Rule};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Server, World, until};

const FROM_SIGNUP: &str = "signup-4710-claim";
const FROM_PROGRAM: &str = "billing-4711-quota";
const FROM_CONSOLE: &str = "console-4712-suspend";
const CHANGE: &str = "PATCH /projects/{project_id}";

/// The lines of the process's log that name one of our requests.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Value>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if [FROM_SIGNUP, FROM_PROGRAM, FROM_CONSOLE].iter().any(|id| text.contains(id)) {
            self.0.lock().unwrap().push(serde_json::from_str(&text)?);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What `grep` would find.
    fn about(&self, id: &str) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|line| line.to_string().contains(id)).cloned().collect()
    }
}

async fn events(server: &Server, id: &str, kind: &str) -> Vec<Event> {
    let detail = server.state.ledger.database(id.parse().unwrap()).await.unwrap();
    detail.events.into_iter().filter(|event| event.kind == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_found_in_the_log_the_events_and_at_neon() {
    let log = Log::default();
    let writer = log.clone();
    init_to(move || writer.clone(), false, LogFormat::Json, "info,flotilla=debug").unwrap();
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;

    // The quotas of the plan are desired state that comes with the claim, and the duty takes it to Neon.
    let claim = server
        .api(Method::POST, "/api/v1/claims")
        .header("x-request-id", FROM_SIGNUP)
        .json(&json!({ "owner": { "id": "ada", "email": "ada@mail.example", "plan": "pro" } }))
        .send()
        .await
        .unwrap();
    assert_eq!(claim.headers()["x-request-id"], FROM_SIGNUP);
    let claim: Value = claim.json().await.unwrap();
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    until("the duty has applied it", || async { !events(&server, &id, "database.applied").await.is_empty() }).await;
    for kind in ["database.claimed", "database.applied"] {
        assert_eq!(events(&server, &id, kind).await[0].request_id.as_deref(), Some(FROM_SIGNUP), "{kind}");
    }
    let lines = log.about(FROM_SIGNUP);
    let called = lines.iter().find(|line| line["neon.route"] == CHANGE).expect("a call to Neon under this id");
    assert!(called["neon.request_id"].as_str().unwrap().starts_with(&format!("{FROM_SIGNUP}.")));
    assert!(called["spans"].as_array().unwrap().iter().any(|span| span["duty"] == "apply"), "{called:#}");

    // Carried out at once, on the second try.
    world.emulator.faults().add(Rule::new(Fault::status(500)).on("PATCH", "/projects/{project_id}").times(1));
    let answer = server
        .api(Method::PATCH, &format!("/api/v1/databases/{id}/quota"))
        .header("x-request-id", FROM_PROGRAM)
        .json(&json!({ "logical_size_bytes": 1_073_741_824 }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for kind in ["database.quota", "database.applied"] {
        assert_eq!(events(&server, &id, kind).await[0].request_id.as_deref(), Some(FROM_PROGRAM), "{kind}");
    }
    let lines = log.about(FROM_PROGRAM);
    let has = |what: &dyn Fn(&Value) -> bool| lines.iter().any(what);
    assert!(has(&|line| line["event.kind"] == "database.quota"), "{lines:#?}");
    assert!(has(&|line| line["message"].as_str().unwrap().starts_with("PATCH /api/v1/databases/{id}/quota")));
    assert!(has(&|line| line["neon.route"] == CHANGE && line["neon.status"] == "200"), "{lines:#?}");
    // The emulator tells the id of a call that it refuses, as Neon does: this one arrived there.
    let refused = lines.iter().find(|line| line["neon.status"] == "500").expect("the refused call");
    let arrived = format!("request {}", refused["neon.request_id"].as_str().unwrap());
    assert!(refused["error"].as_str().unwrap().contains(&arrived), "{refused:#}");

    // From the console, carried out at once.
    let cookie = server.sign_in(Role::Operator).await;
    let answer = server
        .anonymous(Method::POST, "/rpc/suspend")
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header("x-request-id", FROM_CONSOLE)
        .form(&[("id", id.as_str()), ("reason", "a test of threads")])
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let event = events(&server, &id, "database.suspend").await.remove(0);
    assert_eq!(event.request_id.as_deref(), Some(FROM_CONSOLE));
    let lines = log.about(FROM_CONSOLE);
    let called = lines.iter().find(|line| line["neon.route"].as_str().is_some_and(|route| route.ends_with("/suspend")));
    let called = called.unwrap_or_else(|| panic!("no call to Neon under this id: {lines:#?}"));
    assert!(called["neon.request_id"].as_str().unwrap().starts_with(&format!("{FROM_CONSOLE}.")));
    assert_eq!(called["span"]["name"], "request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waited_is_served_under_the_id_of_its_request() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    let answer = server
        .api(Method::POST, "/api/v1/claims")
        .header("x-request-id", "signup-4713-waits")
        .json(&json!({ "owner": { "id": "ada", "email": "ada@mail.example" }, "wait_seconds": 30 }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let claim: Value = answer.json().await.unwrap();
    let id = claim["database"]["id"].as_str().unwrap();
    let claimed = events(&server, id, "database.claimed").await.remove(0);
    assert_eq!((claimed.via.as_str(), claimed.request_id.as_deref()), ("engine", Some("signup-4713-waits")));
    // What the engine did before, for nobody in particular, stands under the ids of its own runs.
    let made = events(&server, id, "database.state").await;
    assert!(made.iter().all(|event| event.request_id.as_deref().is_some_and(|id| id.len() == 36)), "{made:#?}");
    server.stop().await;
}
