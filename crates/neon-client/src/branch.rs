//! Branches. A database of the fleet lives on the default branch of its project.

use serde::Deserialize;

use super::client::Call;
use super::{NeonClient, NeonError, Route, wire};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Branch {
    pub id: String,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub name: String,
    /// `init`, `resetting`, `ready`, `archived`, or a word that Neon adds later.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub current_state: String,
    /// What the storage quota limits. `None` until Neon has measured it.
    #[serde(rename = "logical_size", default, deserialize_with = "wire::optional_count")]
    pub logical_size_bytes: Option<i64>,
    #[serde(rename = "default", default, deserialize_with = "wire::or_default")]
    pub is_default: bool,
    /// Neither it nor its project can be deleted.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub protected: bool,
}

impl NeonClient {
    /// The first branches of a project; one of ours has a single one.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn branches(&self, project: &str) -> Result<Vec<Branch>, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            branches: Vec<Branch>,
        }
        self.call(Call::to(Route::LIST_BRANCHES, &[project])).await.map(|Answer { branches }| branches)
    }

    /// The names of the databases of a branch.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn databases(&self, project: &str, branch: &str) -> Result<Vec<String>, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            databases: Vec<Database>,
        }
        #[derive(Deserialize)]
        struct Database {
            name: String,
        }
        let answer: Answer = self.call(Call::to(Route::LIST_DATABASES, &[project, branch])).await?;
        Ok(answer.databases.into_iter().map(|database| database.name).collect())
    }

    /// One branch, with its logical size.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn get_branch(&self, project: &str, branch: &str) -> Result<Branch, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            branch: Branch,
        }
        self.call(Call::to(Route::GET_BRANCH, &[project, branch])).await.map(|Answer { branch }| branch)
    }
}
