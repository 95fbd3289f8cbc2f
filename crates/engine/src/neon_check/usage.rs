//! What Neon counts, and how much it may be asked.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    check::Check,
    trial::Trial,
    verdict::{Outcome, Untried, judged, untried},
};
use neon_client::{Call, Route, project};

pub(super) const CONSUMPTION: Check = Check {
    name: "consumption",
    tried: "GET /consumption_history/v2/projects, the last day by the hour, with org_id and without",
    documented: "200 with the metrics that were asked for, or 403 where the plan has no history; org_id is required with an organisation's key too (400 without)",
    source: "OpenAPI: getConsumptionHistoryPerProjectV2",
    run: |trial| Box::pin(consumption(trial)),
};

pub(super) const COUNTERS: Check = Check {
    name: "counters",
    tried: "GET /projects/{id} of up to three projects of the account that were active in this billing period, more than an hour ago",
    documented: "active and compute seconds of the period, all plans; on newer paid plans zeros were seen, and quotas use the same numbers",
    source: "docs/guides/hard-usage-limits, contradicted by answers",
    run: |trial| Box::pin(counters(trial)),
};

pub(super) const RATE_LIMIT_HEADERS: Check = Check {
    name: "rate-limit-headers",
    tried: "the headers of all answers so far, for names with ratelimit, rate-limit or retry-after (no 429 is provoked: that would slow the whole account)",
    documented: "none is documented; Flotilla heeds Retry-After where it comes",
    source: "docs/reference/api-reference: API rate limiting",
    run: |trial| Box::pin(async move { Ok(rate_limit_headers(trial)) }),
};

const METRICS: [&str; 8] = [
    "compute_unit_seconds",
    "root_branch_bytes_month",
    "child_branch_bytes_month",
    "instant_restore_bytes_month",
    "snapshot_storage_bytes_month",
    "public_network_transfer_bytes",
    "private_network_transfer_bytes",
    "extra_branches_month",
];
/// Read for their counters.
const READ: usize = 3;

async fn consumption(trial: &mut Trial) -> Outcome {
    let Some(org_id) = trial.org_id() else {
        return untried("the organisation is not known: set NEON_ORG_ID");
    };
    let now = Utc::now();
    let call = Call::to(Route::CONSUMPTION_V2, &[])
        .with("from", (now - TimeDelta::hours(24)).to_rfc3339())
        .with("to", now.to_rfc3339())
        .with("granularity", "hourly")
        .with("metrics", METRICS.join(","))
        .with("limit", 100);
    let with = trial.call(call.clone().with("org_id", org_id)).await?;
    let without = trial.call(call).await?;
    let told = format!("{}; without org_id {}", history_in_words(&with.body, &with.in_words()), without.in_words());
    let is_known = with.status == 403 || (with.is_success() && unknown_metrics(&with.body).is_empty());
    Ok(judged(is_known && matches!(without.status, 400 | 403), told))
}

fn history_in_words(body: &Value, words: &str) -> String {
    let Some(projects) = body["projects"].as_array() else { return words.to_owned() };
    let frames = projects.iter().flat_map(frames).count();
    let unknown = unknown_metrics(body);
    let others = if unknown.is_empty() { String::new() } else { format!(", further metrics: {}", unknown.join(", ")) };
    format!("{words}, {} projects with {frames} frames{others}", projects.len())
}

fn frames(project: &Value) -> impl Iterator<Item = &Value> {
    let periods = project["periods"].as_array().into_iter().flatten();
    periods.flat_map(|period| period["consumption"].as_array().into_iter().flatten())
}

fn unknown_metrics(body: &Value) -> Vec<&str> {
    let projects = body["projects"].as_array().into_iter().flatten();
    let metrics = projects.flat_map(frames).flat_map(|frame| frame["metrics"].as_array().into_iter().flatten());
    let mut names: Vec<&str> = metrics.filter_map(|metric| metric["metric_name"].as_str()).collect();
    names.retain(|name| !METRICS.contains(name));
    names.sort_unstable();
    names.dedup();
    names.truncate(4);
    names
}

async fn counters(trial: &mut Trial) -> Outcome {
    let candidates = active_before(trial).await?;
    let (mut read, mut counting) = (0, 0);
    for id in candidates {
        let answer = trial.done(Call::to(Route::GET_PROJECT, &[&id])).await?;
        let project = &answer.body["project"];
        // What was active in an earlier period only has counted nothing in this one.
        let is_of_this_period =
            moment(&project["compute_last_active_at"]) > moment(&project["consumption_period_start"]);
        if !is_of_this_period {
            continue;
        }
        read += 1;
        let counted =
            ["active_time_seconds", "compute_time_seconds"].iter().any(|name| project[name].as_f64() > Some(0.0));
        counting += usize::from(counted);
    }
    Ok(match (read, counting) {
        (0, _) => return untried("no project of the account was active in this billing period, more than an hour ago"),
        (read, 0) => judged(false, format!("they are zero in all {read} that were read")).or_with("counters-stay-zero"),
        (read, counting) => judged(true, format!("they have moved in {counting} of {read} that were read")),
    })
}

/// Ids of projects that were active, long enough ago for Neon to have counted it.
async fn active_before(trial: &mut Trial) -> Result<Vec<String>, Untried> {
    let mut answer = trial.done(trial.list().with("limit", project::MAX_PAGE)).await?;
    let Value::Array(mut items) = answer.body["projects"].take() else {
        return untried("Neon's answer has no list of projects");
    };
    let long_ago = Utc::now() - TimeDelta::hours(1);
    items.retain(|item| moment(&item["compute_last_active_at"]).is_some_and(|at| at < long_ago));
    items.sort_by_key(|item| std::cmp::Reverse(moment(&item["compute_last_active_at"])));
    let ids = items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned));
    Ok(ids.take(READ).collect())
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

fn rate_limit_headers(trial: &Trial) -> super::verdict::Judged {
    let seen: Vec<&str> = trial.rate_limit_headers.iter().take(5).map(String::as_str).collect();
    match seen.as_slice() {
        [] => judged(true, format!("none in {} answers", trial.calls)),
        seen => judged(false, seen.join("; ")),
    }
}
