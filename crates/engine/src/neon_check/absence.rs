//! What is not there, and what was: a 404 decides whether an owner's database counts as lost.

use super::{
    check::Check,
    trial::{OwnProject, Trial},
    verdict::{Outcome, Untried, judged, untried},
};
use neon_client::{Call, NeonError, Route};

pub(super) const MISSING: Check = Check {
    name: "missing-project",
    tried: "GET /projects/{id} with an id that no project has",
    documented: "404 with the X-Request-ID that was sent; a 404 that says “not allowed” is about the key",
    source: "OpenAPI: GeneralError",
    run: |trial| Box::pin(missing(trial)),
};

pub(super) const DELETION: Check = Check {
    name: "deletion",
    tried: "DELETE /projects/{id}, then a search for its name",
    documented: "200 with the project; how soon it leaves the list is not documented",
    source: "OpenAPI: deleteProject",
    run: |trial| Box::pin(deletion(trial)),
};

pub(super) const DELETED: Check = Check {
    name: "deleted-project",
    tried: "GET and DELETE of the project that was just deleted",
    documented: "404 for GET is likely; DELETE was seen with 200 and a thinner project. Flotilla takes 200 and 404 for the same",
    source: "not documented",
    run: |trial| Box::pin(deleted(trial)),
};

pub(super) const RECOVERY: Check = Check {
    name: "recovery",
    tried: "GET /projects?recoverable=true, POST /projects/{id}/recover, GET of project and password; afterwards it is deleted again",
    documented: "listed with deleted_at and recoverable_until; 200 with project and branches; credentials are as they were",
    source: "OpenAPI: recoverProject",
    run: |trial| Box::pin(recovery(trial)),
};

async fn missing(trial: &mut Trial) -> Outcome {
    let id = format!("flotilla-check-none-{:08}", uuid::Uuid::now_v7().as_u128() % 100_000_000);
    let answer = trial.call(Call::to(Route::GET_PROJECT, &[&id])).await?;
    let is_absent = matches!(answer.error, Some(NeonError::NotFound { .. }));
    let is_echoed = answer.body["request_id"] == answer.request_id.as_str();
    let word = if is_echoed { "with" } else { "without" };
    let told = format!("{}; {word} the request's id", answer.in_words().replace(&id, "(the id)"));
    Ok(judged(is_absent && is_echoed, told))
}

async fn deletion(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let answer = trial.change(Call::to(Route::DELETE_PROJECT, &[&own.id])).await?;
    if !answer.is_success() {
        return Ok(judged(false, answer.in_words()));
    }
    let name = trial.name.clone();
    let gone = trial
        .poll(async |trial| {
            let found = trial.search(&name).await?;
            Ok((!found.iter().any(|item| item["id"] == own.id.as_str())).then_some(()))
        })
        .await?;
    let has_project = answer.body["project"]["id"] == own.id.as_str();
    let when = gone.as_ref().map_or_else(|| String::from("within half a minute not"), |gone| gone.in_words());
    let word = if has_project { "with" } else { "without" };
    let told = format!("{} {word} the project; gone from the list {when}", answer.status);
    Ok(judged(has_project && gone.is_some_and(|gone| gone.is_at_once()), told))
}

async fn deleted(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let read = trial.call(Call::to(Route::GET_PROJECT, &[&own.id])).await?;
    if read.is_success() && read.body["project"]["deleted_at"].is_null() {
        return untried("it is not deleted");
    }
    let again = trial.change(Call::to(Route::DELETE_PROJECT, &[&own.id])).await?;
    let told = format!("GET {}; DELETE {}", read.in_words(), again.in_words());
    let is_absent = matches!(read.error, Some(NeonError::NotFound { .. }));
    Ok(match again.status {
        200 => judged(is_absent, told),
        404 => judged(false, told).or_with("second-deletion-is-404"),
        _ => judged(false, told),
    })
}

async fn recovery(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let list = trial.list().with("limit", 10).with("search", &trial.name).with("recoverable", true);
    let listed = trial.done(list).await?;
    let item = listed.body["projects"].as_array().and_then(|all| all.iter().find(|item| item["id"] == own.id.as_str()));
    let is_listed = item.is_some_and(|item| item["deleted_at"].is_string() && item["recoverable_until"].is_string());
    let listed = if is_listed { "listed" } else { "not listed with its dates" };
    let answer = trial.change(Call::to(Route::RECOVER_PROJECT, &[&own.id])).await?;
    if !answer.is_success() {
        return Ok(judged(false, format!("{listed}; recover {}", answer.in_words())));
    }
    let read = trial.change(Call::to(Route::GET_PROJECT, &[&own.id])).await?;
    let branches = answer.body["branches"].as_array().map_or(0, Vec::len);
    let is_usable = has_its_password(trial, &own).await?;
    let told = format!(
        "{listed}; recover {} with {branches} branches; GET {}, {}",
        answer.status,
        read.in_words(),
        if is_usable { "its password is the one that it had" } else { "its password is another, or not told" }
    );
    Ok(judged(is_listed && branches > 0 && read.is_success() && is_usable, told))
}

async fn has_its_password(trial: &mut Trial, own: &OwnProject) -> Result<bool, Untried> {
    let ids = [own.id.as_str(), own.branch.as_str(), neon_client::project::ROLE_NAME];
    let answer = trial.change(Call::to(Route::REVEAL_PASSWORD, &ids)).await?;
    Ok(answer.body["password"].is_string() && answer.body["password"] == trial.password)
}
