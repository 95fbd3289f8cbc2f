//! The compute: that it stops when told, and whether what shall keep it stopped does.

use serde_json::{Value, json};

use super::{
    check::Check,
    trial::{OwnProject, Trial},
    verdict::{Outcome, Untried, judged},
};
use neon_client::{Call, Route};

pub(super) const SUSPENSION: Check = Check {
    name: "suspension",
    tried: "POST …/suspend of a running compute until it is idle, and again when it is",
    documented: "200 both times; the second call has nothing to do",
    source: "OpenAPI: suspendProjectEndpoint",
    run: |trial| Box::pin(suspension(trial)),
};

pub(super) const SUSPEND_TIMEOUT: Check = Check {
    name: "suspend-timeout",
    tried: "PATCH …/endpoints/{id} with suspend_timeout_seconds = 60",
    documented: "the plan decides: 200, or 412 “suspend interval is too short for your plan”",
    source: "OpenAPI: updateProjectEndpoint; the 412 was seen",
    run: |trial| Box::pin(suspend_timeout(trial)),
};

pub(super) const DISABLED: Check = Check {
    name: "disabled-endpoint",
    tried: "PATCH …/endpoints/{id} with disabled = true, then POST …/start; afterwards enabled again",
    documented: "a disabled compute does not start, until Neon's own availability check enables it; the status of the refusal is not documented (422 is likely)",
    source: "OpenAPI: Endpoint.disabled",
    run: |trial| Box::pin(disabled(trial)),
};

async fn suspension(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    trial.done(Call::to(Route::START_ENDPOINT, &[&own.id, &own.endpoint])).await?;
    until_settled(trial, &own, "active").await?;
    let suspend = Call::to(Route::SUSPEND_ENDPOINT, &[&own.id, &own.endpoint]);
    let first = trial.change(suspend.clone()).await?;
    let idle = until_settled(trial, &own, "idle").await?;
    let second = trial.change(suspend).await?;
    let operations = second.body["operations"].as_array().map_or(0, Vec::len);
    let told = format!(
        "{}, {}; again {} with {operations} operations",
        first.in_words(),
        idle.as_deref().map_or_else(|| String::from("not idle within half a minute"), |when| format!("idle {when}")),
        second.in_words()
    );
    Ok(judged(first.status == 200 && idle.is_some() && second.status == 200 && operations == 0, told))
}

async fn suspend_timeout(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let answer = trial.change(update(&own, json!({"suspend_timeout_seconds": 60}))).await?;
    let is_as_the_plan_has_it = answer.status == 200 || answer.status == 412;
    Ok(judged(is_as_the_plan_has_it, answer.in_words()))
}

async fn disabled(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    trial.done(update(&own, json!({"disabled": true}))).await?;
    let start = trial.change(Call::to(Route::START_ENDPOINT, &[&own.id, &own.endpoint])).await;
    let is_still_disabled = endpoint(trial, &own).await.map(|endpoint| endpoint["disabled"] == true);
    trial.done(update(&own, json!({"disabled": false}))).await?;
    let (start, is_still_disabled) = (start?, is_still_disabled?);
    let word = if is_still_disabled { "still disabled" } else { "enabled by the start" };
    Ok(judged(start.status == 422 && is_still_disabled, format!("the start: {}; {word}", start.in_words())))
}

fn update(own: &OwnProject, endpoint: Value) -> Call<'_> {
    Call::to(Route::UPDATE_ENDPOINT, &[&own.id, &own.endpoint]).json(json!({ "endpoint": endpoint }))
}

async fn endpoint(trial: &mut Trial, own: &OwnProject) -> Result<Value, Untried> {
    let mut answer = trial.done(Call::to(Route::LIST_ENDPOINTS, &[&own.id])).await?;
    Ok(answer.body["endpoints"][0].take())
}

/// Waits until it is in this state and on its way to no other: when that was.
async fn until_settled(trial: &mut Trial, own: &OwnProject, state: &str) -> Result<Option<String>, Untried> {
    let found = trial
        .poll(async |trial| {
            let endpoint = endpoint(trial, own).await?;
            let is_there = endpoint["current_state"] == state && endpoint["pending_state"].is_null();
            Ok(is_there.then_some(()))
        })
        .await?;
    Ok(found.map(|found| found.in_words()))
}
