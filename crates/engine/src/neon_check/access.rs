//! What leads into a database: the connection string that Neon gives again, and the password. None of them is shown.

use super::{
    check::Check,
    trial::Trial,
    verdict::{Outcome, judged},
};
use neon_client::{Call, Route, project};

pub(super) const CONNECTION_STRING: Check = Check {
    name: "connection-string",
    tried: "GET /projects/{id}/connection_uri without `pooled`",
    documented: "the direct one by the description, a pooled one was seen; Flotilla always says which",
    source: "OpenAPI: getConnectionURI; a captured answer contradicts it",
    run: |trial| Box::pin(connection_string(trial)),
};

pub(super) const PASSWORD: Check = Check {
    name: "password",
    tried: "GET …/reveal_password, POST …/reset_password, GET …/reveal_password",
    documented: "the password of the creation; 200 with another one; that one. The old one works until the operations have ended",
    source: "OpenAPI: getProjectBranchRolePassword, resetProjectBranchRolePassword",
    run: |trial| Box::pin(password(trial)),
};

async fn connection_string(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let call = Call::to(Route::CONNECTION_URI, &[&own.id])
        .with("database_name", project::DATABASE_NAME)
        .with("role_name", project::ROLE_NAME);
    let answer = trial.done(call).await?;
    Ok(match answer.body["uri"].as_str() {
        Some(uri) if uri.contains("-pooler") => judged(false, "the pooled one").or_with("pooled-by-default"),
        Some(_) => judged(true, "the direct one"),
        None => judged(false, "200 without a connection string"),
    })
}

async fn password(trial: &mut Trial) -> Outcome {
    let own = trial.project()?;
    let ids = [own.id.as_str(), own.branch.as_str(), project::ROLE_NAME];
    let born_with = trial.password.clone();
    let first = trial.done(Call::to(Route::REVEAL_PASSWORD, &ids)).await?;
    let reset = trial.done(Call::to(Route::RESET_PASSWORD, &ids)).await?;
    let new = reset.body["role"]["password"].clone();
    trial.hide(new.as_str().unwrap_or_default(), "[hidden]");
    trial.password = new.clone();
    let second = trial.done(Call::to(Route::REVEAL_PASSWORD, &ids)).await?;
    let is_told = born_with.is_string() && first.body["password"] == born_with;
    let is_other = new.is_string() && new != born_with;
    let is_stored = second.body["password"] == new;
    let yes = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    let told = format!(
        "revealed: {}; reset: {}, {} operations; revealed then: {}",
        yes(is_told, "that of the creation", "another"),
        yes(is_other, "another one", "not told, or the same"),
        reset.body["operations"].as_array().map_or(0, Vec::len),
        yes(is_stored, "the new one", "not the new one"),
    );
    Ok(judged(is_told && is_other && is_stored, told))
}
