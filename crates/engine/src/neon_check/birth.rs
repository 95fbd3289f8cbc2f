//! How a project comes into being: the one answer that has everything, and what is true right after it.

use serde_json::Value;

use super::{
    check::Check,
    trial::Trial,
    verdict::{Outcome, judged, untried},
};
use neon_client::{Call, NeonError, Route};

pub(super) const CREATION: Check = Check {
    name: "creation",
    tried: "POST /projects with a name, a region, five quotas and the smallest compute",
    documented: "201 with project, branch, endpoint, a role's password, a connection string, and operations that still run",
    source: "OpenAPI: createProject",
    run: |trial| Box::pin(creation(trial)),
};

pub(super) const BUSY_PROJECT: Check = Check {
    name: "busy-project",
    tried: "POST …/endpoints/{id}/suspend while the operations of the creation run",
    documented: "423 and to be repeated; which code it has is not documented, Flotilla goes by the status",
    source: "OpenAPI: GeneralError",
    run: |trial| Box::pin(busy_project(trial)),
};

pub(super) const READ_AT_ONCE: Check = Check {
    name: "read-at-once",
    tried: "GET /projects/{id} of the new project",
    documented: "200 at once, with the moments at which the billing period begins and ends, which other answers leave at the year 1",
    source: "OpenAPI: getProject",
    run: |trial| Box::pin(read_at_once(trial)),
};

pub(super) const OPERATIONS: Check = Check {
    name: "operations",
    tried: "GET /projects/{id}/operations until none runs",
    documented: "the operations of the creation end as finished; finished, skipped and cancelled are final, failed may be tried again",
    source: "docs/manage/operations",
    run: |trial| Box::pin(operations(trial)),
};

async fn creation(trial: &mut Trial) -> Outcome {
    let answer = trial.create().await?;
    if !answer.is_success() {
        return untried(format!("Neon refused to create a project: {}", answer.in_words()));
    }
    let body = &answer.body;
    let parts = [
        ("project", &body["project"]["id"]),
        ("branch", &body["branch"]["id"]),
        ("endpoint", &body["endpoints"][0]["id"]),
        ("password", &body["roles"][0]["password"]),
        ("connection string", &body["connection_uris"][0]["connection_uri"]),
        ("operations", &body["operations"][0]["id"]),
    ];
    let missing: Vec<&str> = parts.iter().filter(|(_, value)| !value.is_string()).map(|(name, _)| *name).collect();
    let is_whole = answer.status == 201 && missing.is_empty();
    let lacks = if missing.is_empty() { String::new() } else { format!(" without {}", missing.join(", ")) };
    Ok(judged(is_whole, format!("{}{lacks}; operations: {}", answer.status, in_words(&body["operations"]))))
}

async fn busy_project(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let answer = trial.call(Call::to(Route::SUSPEND_ENDPOINT, &[&own.id, &own.endpoint])).await?;
    if answer.is_success() {
        return untried(format!("{}: no operation was running any more", answer.status));
    }
    let is_busy = matches!(answer.error, Some(NeonError::Locked { .. }));
    let code = answer.told("code");
    Ok(match (is_busy, code.is_empty()) {
        (true, false) => judged(false, answer.in_words()).or_with(&format!("locked-code={code}")),
        (is_busy, _) => judged(is_busy, answer.in_words()),
    })
}

async fn read_at_once(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let answer = trial.call(Call::to(Route::GET_PROJECT, &[&own.id])).await?;
    let [start, end] = ["consumption_period_start", "consumption_period_end"].map(|name| &answer.body["project"][name]);
    let is_told = [start, end].iter().all(|at| at.as_str().is_some_and(|text| !text.starts_with("0001-")));
    let period = if is_told { "with" } else { "without" };
    let told = if answer.is_success() { format!("200 {period} the billing period") } else { answer.in_words() };
    Ok(judged(answer.is_success() && is_told, told))
}

async fn operations(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let ended = trial
        .poll(async |trial| {
            let call = Call::to(Route::LIST_OPERATIONS, &[&own.id]).with("limit", 100);
            let mut answer = trial.done(call).await?;
            let operations = answer.body["operations"].take();
            Ok((!is_any_running(&operations)).then_some(operations))
        })
        .await?;
    let Some(ended) = ended else { return Ok(judged(false, "some still run after half a minute")) };
    let listed = ended.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_well = !listed.is_empty()
        && listed.iter().all(|one| matches!(one["status"].as_str(), Some("finished" | "skipped" | "cancelled")));
    Ok(judged(is_well, format!("{}; none runs {}", in_words(&ended.value), ended.in_words())))
}

fn is_any_running(operations: &Value) -> bool {
    let all = operations.as_array().into_iter().flatten();
    all.into_iter().any(|one| matches!(one["status"].as_str(), Some("scheduling" | "running" | "cancelling")))
}

/// What each did, and for how long.
fn in_words(operations: &Value) -> String {
    let one = |operation: &Value| {
        let text = |name: &str| operation[name].as_str().unwrap_or("?");
        let took = operation["total_duration_ms"].as_i64().filter(|ms| *ms > 0);
        let took = took.map(|ms| format!(" in {ms} ms")).unwrap_or_default();
        format!("{} {}{took}", text("action"), text("status"))
    };
    let told: Vec<String> = operations.as_array().into_iter().flatten().take(6).map(one).collect();
    if told.is_empty() { String::from("none") } else { told.join(", ") }
}
