//! How soon and by what a project is found: creation has no idempotency key, so all hangs on looking a name up.

use serde_json::{Value, json};

use super::{
    check::Check,
    trial::{QUOTAS, Trial, new_name, quota},
    verdict::{Outcome, Untried, judged, untried},
};
use neon_client::{Call, Route, project};

pub(super) const NAME_LOOKUP: Check = Check {
    name: "name-lookup",
    tried: "GET /projects?search={name} right after the creation",
    documented: "search finds a part of a name or id; how soon a new project is found is not documented. Flotilla looks again before it creates a second one",
    source: "OpenAPI: listProjects",
    run: |trial| Box::pin(name_lookup(trial)),
};

pub(super) const SEARCH_BY_PART: Check = Check {
    name: "search-by-part",
    tried: "GET /projects?search= with the end of the name, and with the id",
    documented: "search is by a partial match of name or id",
    source: "OpenAPI: listProjects",
    run: |trial| Box::pin(search_by_part(trial)),
};

pub(super) const LIST: Check = Check {
    name: "list",
    tried: "GET /projects?limit=400 right after the creation",
    documented: "neither the order nor how soon a new project is listed is documented; newest first is what Neon says of the consumption history. The quota is in each item's settings",
    source: "OpenAPI: listProjects",
    run: |trial| Box::pin(list(trial)),
};

pub(super) const LAST_PAGE: Check = Check {
    name: "last-page",
    tried: "GET /projects with a page that is not full, then with its cursor",
    documented: "a cursor, the id of the last project, also on a short last page; the page after it is empty",
    source: "OpenAPI: listProjects; captured answers",
    run: |trial| Box::pin(last_page(trial)),
};

pub(super) const RENAMING: Check = Check {
    name: "renaming",
    tried: "PATCH /projects/{id} with another name, then a search for it",
    documented: "200; how soon the new name is found is not documented. Flotilla's mark, by which an old ledger is noticed, is a name",
    source: "OpenAPI: updateProject",
    run: |trial| Box::pin(renaming(trial)),
};

async fn name_lookup(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let name = trial.name.clone();
    let found = trial.poll(async |trial| found_by(trial, &name, &own.id).await).await?;
    Ok(match found {
        Some(found) => judged(found.is_at_once(), format!("found {}", found.in_words())),
        None => judged(false, "not found within half a minute"),
    })
}

/// Whether the search finds the project, under this very name if the text is one.
async fn found_by(trial: &mut Trial, text: &str, id: &str) -> Result<Option<()>, Untried> {
    let found = trial.search(text).await?;
    Ok(found.iter().any(|item| item["id"] == id).then_some(()))
}

async fn search_by_part(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let end = trial.name[trial.name.len() - 10..].to_owned();
    let by_name = found_by(trial, &end, &own.id).await?.is_some();
    let by_id = found_by(trial, &own.id, &own.id).await?.is_some();
    let word = |is_found: bool| if is_found { "found" } else { "not found" };
    let told = format!("{} by the end of its name, {} by its id", word(by_name), word(by_id));
    Ok(judged(by_name && by_id, told))
}

async fn list(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let found = trial
        .poll(async |trial| {
            let call = trial.list().with("limit", project::MAX_PAGE);
            let mut answer = trial.done(call).await?;
            let Value::Array(items) = answer.body["projects"].take() else {
                return untried("Neon's answer has no list of projects");
            };
            let place = items.iter().position(|item| item["id"] == own.id.as_str());
            match place {
                // On the first page alone it can be missed for two reasons.
                None if items.len() >= project::MAX_PAGE as usize => {
                    untried("it is not on the first page: the list is longer, and its order another")
                }
                place => Ok(place.map(|place| (items, place))),
            }
        })
        .await?;
    let Some(found) = found else { return Ok(judged(false, "not listed within half a minute")) };
    let (items, place) = &found.value;
    let created = |item: &Value| item["created_at"].as_str().map(str::to_owned);
    let is_newest_first = items[..*place].iter().all(|before| created(before) >= created(&items[*place]));
    let has_quota = QUOTAS.iter().all(|name| items[*place]["settings"]["quota"][name] == quota()[name]);
    let told = format!(
        "listed {}, {}, {} its quota",
        found.in_words(),
        if is_newest_first { "newest first" } else { "behind older ones" },
        if has_quota { "with" } else { "without" },
    );
    Ok(judged(found.is_at_once() && is_newest_first && has_quota, told))
}

async fn last_page(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let page = |trial: &Trial| trial.list().with("limit", 10).with("search", &trial.name);
    let first = trial.done(page(trial)).await?;
    let Some(cursor) = first.body["pagination"]["cursor"].as_str() else {
        return Ok(judged(false, "a short page has no cursor"));
    };
    let next = trial.done(page(trial).with("cursor", cursor)).await?;
    let is_empty = next.body["projects"].as_array().is_some_and(Vec::is_empty);
    let told = format!(
        "a short page has {} as its cursor, the page after it is {}",
        if cursor == own.id { "the last id" } else { "another text" },
        if is_empty { "empty" } else { "not empty" },
    );
    Ok(judged(cursor == own.id && is_empty, told))
}

async fn renaming(trial: &mut Trial) -> Outcome {
    let (own, name) = (trial.project()?, new_name());
    trial.hide(name.clone(), "(its new name)");
    trial.done(Call::to(Route::UPDATE_PROJECT, &[&own.id]).json(json!({"project": {"name": name}}))).await?;
    trial.name.clone_from(&name);
    let found = trial.poll(async |trial| found_by(trial, &name, &own.id).await).await?;
    Ok(match found {
        Some(found) => judged(found.is_at_once(), format!("200, found by its new name {}", found.in_words())),
        None => judged(false, "200, but not found by its new name within half a minute"),
    })
}
