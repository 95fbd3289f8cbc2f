//! What speaks against that a project is nobody's: an owner in its name, other branches, databases or roles than those it was born with, and anything made in
//! its one database.

use std::time::Duration;

use secrecy::SecretString;

use neon_client::{NeonClient, NeonError, project};
use probe::{ProbeError, holds_nothing};
use secrets::Secrets;

use super::owner_tag::held_by_name;

const PROBE_DEADLINE: Duration = Duration::from_secs(15);
/// How long a person waits for a look, a cold start included.
const LOOK_DEADLINE: Duration = Duration::from_secs(30);

/// Why nobody could look into a project.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("It has no writable endpoint, so nobody could connect to it.")]
    NoEndpoint,
}

/// Why it may not be nobody's.
pub(super) enum Sign {
    /// Its name tells an owner: who, and what to do.
    Held(String),
    /// What is in it.
    Filled(&'static str),
}

/// What a caller adds to a sign: how what it speaks against is done all the same.
pub(super) struct Otherwise {
    pub held: &'static str,
    pub filled: &'static str,
}

impl Sign {
    /// For whoever wanted it to go.
    pub(super) fn advice(&self, otherwise: &Otherwise) -> String {
        match self {
            Self::Held(why) => format!("{why} {}", otherwise.held),
            Self::Filled(what) => format!("{what} {}", otherwise.filled),
        }
    }
}

impl LookError {
    /// Trying again may help: nothing was refused.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Neon(error) => error.is_worth_retrying(),
            Self::Probe(error) => matches!(error, ProbeError::TimedOut(_) | ProbeError::Failed(_)),
            Self::NoEndpoint => false,
        }
    }
}

/// What a look shows to a person who wants it to go.
pub(super) enum Look {
    /// Nothing, or that the project is gone.
    Clear,
    Sign(Sign),
    /// As in `it could not be looked into. …`, with what to do.
    Unseen(String),
}

/// Looks for whoever wants it to go, and waits no longer than they do.
pub(super) async fn look(neon: &NeonClient, secrets: &Secrets, project_id: &str, otherwise: &Otherwise) -> Look {
    let why = match tokio::time::timeout(LOOK_DEADLINE, sign_of_use(neon, secrets, project_id)).await {
        // The deletion finds out that there is nothing to delete.
        Ok(Ok(None) | Err(LookError::Neon(NeonError::NotFound { .. }))) => return Look::Clear,
        Ok(Ok(Some(sign))) => return Look::Sign(sign),
        Ok(Err(error)) => format!("could not be looked into. {error}"),
        Err(_) => format!("could not be looked into within {} seconds.", LOOK_DEADLINE.as_secs()),
    };
    Look::Unseen(format!("{why} Try again in a moment. {}", otherwise.filled))
}

/// The first sign that it is not nobody's; `None` when there is none.
pub(super) async fn sign_of_use(
    neon: &NeonClient,
    secrets: &Secrets,
    project_id: &str,
) -> Result<Option<Sign>, LookError> {
    if let Some(why) = sign_in_the_name(neon, secrets, project_id).await? {
        return Ok(Some(Sign::Held(why)));
    }
    Ok(contents(neon, project_id).await?.map(Sign::Filled))
}

/// What somebody has made in it, in a sentence; `None` when there is nothing. Connects as its owner would, with the password that Neon has.
pub(super) async fn contents(neon: &NeonClient, project_id: &str) -> Result<Option<&'static str>, LookError> {
    if let Some(what) = around_the_database(neon, project_id).await? {
        return Ok(Some(what));
    }
    let endpoint = neon.endpoints(project_id).await?.into_iter().find(|endpoint| endpoint.is_writable());
    let endpoint = endpoint.ok_or(LookError::NoEndpoint)?;
    let (database, role) = (project::DATABASE_NAME, project::ROLE_NAME);
    let uri = neon.connection_uri(project_id, &endpoint.branch_id, &endpoint.id, database, role, false).await?;
    in_the_database(&uri).await
}

/// Who holds it by its name on Neon, as it is now; see [`held_by_name`].
pub(super) async fn sign_in_the_name(
    neon: &NeonClient,
    secrets: &Secrets,
    project_id: &str,
) -> Result<Option<String>, NeonError> {
    let project = neon.get_project(project_id).await?;
    Ok(held_by_name(secrets, &project.name, project_id))
}

/// What Neon's lists tell without a connection.
pub(super) async fn around_the_database(
    neon: &NeonClient,
    project_id: &str,
) -> Result<Option<&'static str>, LookError> {
    let branches = neon.branches(project_id).await?;
    let [branch] = branches.as_slice() else {
        return Ok(Some("It has other branches than the one that it was made with."));
    };
    if neon.databases(project_id, &branch.id).await? != [project::DATABASE_NAME] {
        return Ok(Some("Something has been made in it: its databases are not the one that it was made with."));
    }
    if neon.roles(project_id, &branch.id).await? != [project::ROLE_NAME] {
        return Ok(Some("Something has been made in it: its roles are not the one that it was made with."));
    }
    Ok(None)
}

/// What a connection with this string shows.
pub(super) async fn in_the_database(uri: &SecretString) -> Result<Option<&'static str>, LookError> {
    let is_empty = holds_nothing(uri, PROBE_DEADLINE).await?;
    Ok((!is_empty)
        .then_some("Something has been made in it: a table, an extension or another object is in its database."))
}
