//! Roles of a branch: which there are, and their passwords.

use secrecy::SecretString;
use serde::Deserialize;

use super::client::Call;
use super::{NeonClient, NeonError, Route};

/// Neon's answer where it stores no passwords (`store_passwords: false` of the project).
const NOT_STORED: u16 = 412;

#[derive(Deserialize)]
struct Password {
    password: String,
}

impl NeonClient {
    /// The names of the roles of a branch.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn roles(&self, project: &str, branch: &str) -> Result<Vec<String>, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            roles: Vec<Role>,
        }
        #[derive(Deserialize)]
        struct Role {
            name: String,
        }
        let answer: Answer = self.call(Call::to(Route::LIST_ROLES, &[project, branch])).await?;
        Ok(answer.roles.into_iter().map(|role| role.name).collect())
    }

    /// The password of this role, as Neon has it now. `None` where Neon stores none.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn reveal_password(
        &self,
        project: &str,
        branch: &str,
        role: &str,
    ) -> Result<Option<SecretString>, NeonError> {
        match self.call(Call::to(Route::REVEAL_PASSWORD, &[project, branch, role])).await {
            Ok(Password { password }) => Ok(Some(password.into())),
            Err(NeonError::Refused { status: NOT_STORED, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a new password. The old one works until the operations that this starts have ended; then connections are cut. Repeated it makes another one.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn reset_password(&self, project: &str, branch: &str, role: &str) -> Result<SecretString, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            role: Password,
        }
        let call = Call::to(Route::RESET_PASSWORD, &[project, branch, role]);
        self.call(call).await.map(|Answer { role }| role.password.into())
    }
}
