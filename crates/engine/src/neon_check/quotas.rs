//! Quotas: what Neon keeps of them, how it takes changes, and what a used-up one does.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    check::Check,
    trial::{OwnProject, QUOTAS, Trial, quota},
    verdict::{Outcome, Untried, judged, untried},
};
use neon_client::{Call, RawAnswer, Route};

pub(super) const STORED: Check = Check {
    name: "quota-stored",
    tried: "GET /projects/{id}: the five quotas of the creation",
    documented: "settings.quota is told as it was sent",
    source: "OpenAPI: getProject",
    run: |trial| Box::pin(stored(trial)),
};

pub(super) const PATCH: Check = Check {
    name: "quota-patch",
    tried: "PATCH /projects/{id} with one quota of five",
    documented: "whether it replaces the quota or is merged into it is not documented; Flotilla always sends all five",
    source: "not documented",
    run: |trial| Box::pin(patch(trial)),
};

pub(super) const ZERO: Check = Check {
    name: "quota-zero",
    tried: "PATCH /projects/{id} with all five quotas at 0",
    documented: "zero or empty is unlimited; afterwards each is 0 or absent",
    source: "OpenAPI: ProjectQuota",
    run: |trial| Box::pin(zero(trial)),
};

pub(super) const USED_UP: Check = Check {
    name: "quota-used-up",
    tried: "PATCH with a quota of one active second, then POST …/start; afterwards 0 again",
    documented: "computes cannot be started by calls until the quota is raised or set to 0; the status of such a start is not documented. Neon counts up to an hour late (--wait-minutes)",
    source: "docs/guides/hard-usage-limits",
    run: |trial| Box::pin(used_up(trial)),
};

/// Long enough for a compute to have used up its second.
const RUN: Duration = Duration::from_secs(2);
/// How often is asked while Neon counts.
const EVERY: Duration = Duration::from_secs(60);

async fn stored(trial: &mut Trial) -> Outcome {
    let project = trial.read().await?;
    let told = &project["settings"]["quota"];
    let others: Vec<&str> = QUOTAS.into_iter().filter(|name| told[name] != quota()[name]).collect();
    Ok(match others.as_slice() {
        [] => judged(true, "all five as sent"),
        others => judged(false, format!("not as sent: {}", others.join(", "))),
    })
}

async fn patch(trial: &mut Trial) -> Outcome {
    set(trial, quota()).await?;
    set(trial, json!({"data_transfer_bytes": 7_000_000_000_i64})).await?;
    let project = trial.read().await?;
    let told = &project["settings"]["quota"];
    if told["data_transfer_bytes"] != 7_000_000_000_i64 {
        return Ok(judged(false, "the one that was sent is not there"));
    }
    let kept = QUOTAS.iter().filter(|name| told[**name].as_i64().is_some_and(|limit| limit > 0)).count() - 1;
    Ok(match kept {
        0 => judged(true, "it replaces: the other four are gone"),
        4 => judged(false, "it is merged: the other four are still there").or_with("quota-patch-merges"),
        kept => judged(false, format!("{kept} of the other four are still there")),
    })
}

async fn zero(trial: &mut Trial) -> Outcome {
    set(trial, unlimited()).await?;
    let project = trial.read().await?;
    let told = &project["settings"]["quota"];
    let left: Vec<&str> =
        QUOTAS.into_iter().filter(|name| told[name].as_i64().is_some_and(|limit| limit != 0)).collect();
    let absent = QUOTAS.iter().filter(|name| told[**name].is_null()).count();
    Ok(match left.as_slice() {
        [] => judged(true, format!("{} are 0, {absent} are absent", QUOTAS.len() - absent)),
        left => judged(false, format!("still limited: {}", left.join(", "))),
    })
}

async fn used_up(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    trial.done(start(&own)).await?;
    trial.pause(RUN).await?;
    set(
        trial,
        json!({"active_time_seconds": 1, "compute_time_seconds": 0, "written_data_bytes": 0,
                      "data_transfer_bytes": 0, "logical_size_bytes": 0}),
    )
    .await?;
    let refused = until_refused(trial, &own).await?;
    set(trial, unlimited()).await?;
    let Some(refused) = refused else {
        return untried(format!(
            "it still starts after {} min: Neon has not counted yet, or does not enforce it",
            trial.wait.as_secs() / 60
        ));
    };
    let lifted = trial.change(start(&own)).await?;
    let told = format!("{}; with 0 again it starts: {}", refused.in_words(), lifted.in_words());
    let switch = format!("quota-refusal-status={}", refused.status);
    Ok(match refused.status {
        422 => judged(lifted.is_success(), told),
        _ => judged(false, told).or_with(&switch),
    })
}

/// The refusal, if one comes in the time that there is.
async fn until_refused(trial: &mut Trial, own: &OwnProject) -> Result<Option<RawAnswer>, Untried> {
    let until = Instant::now() + trial.wait;
    loop {
        let answer = trial.change(start(own)).await?;
        if !answer.is_success() {
            return Ok(Some(answer));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        trial.pause(EVERY).await?;
    }
}

fn start(own: &OwnProject) -> Call<'_> {
    Call::to(Route::START_ENDPOINT, &[&own.id, &own.endpoint])
}

fn unlimited() -> Value {
    QUOTAS.into_iter().map(|name| (name.to_owned(), json!(0))).collect::<serde_json::Map<_, _>>().into()
}

async fn set(trial: &mut Trial, quota: Value) -> Result<(), Untried> {
    let own = trial.project()?;
    let body = json!({"project": {"settings": {"quota": quota}}});
    trial.done(Call::to(Route::UPDATE_PROJECT, &[&own.id]).json(body)).await.map(drop)
}
