//! The operator behind a server function, and what they may do. Refusals are counted.

use axum::http::request::Parts;
use leptos::prelude::use_context;

use crate::{auth::SignedIn, state::AppState};
use fleet_types::{AppError, Operator, Permission, text};
use ledger::{By, Denied, Via};

/// An operator who may do what was asked for.
pub struct Caller {
    pub operator: Operator,
    pub state: AppState,
    pub request_id: String,
    /// Where the request came from, as far as that can be known.
    pub address: String,
}

#[derive(Debug, thiserror::Error)]
#[error("a server function ran outside of a request")]
struct OutsideOfRequest;

/// Lets the operator of this request through if their role suffices. To be called before the first `.await`, where the context
/// of the request is certain.
///
/// # Errors
/// `NotSignedIn`; `Forbidden`, with what is missing.
pub fn permit(permission: Permission) -> Result<Caller, AppError> {
    let (Some(parts), Some(state)) = (use_context::<Parts>(), use_context::<AppState>()) else {
        return Err(AppError::Internal { reference: trace::logged(&OutsideOfRequest) });
    };
    let signed_in = parts.extensions.get::<SignedIn>().cloned().ok_or(AppError::NotSignedIn)?;
    let SignedIn { operator, request_id, address, .. } = signed_in;
    let caller = Caller { operator, state, request_id, address };
    match caller.operator.why_not(permission) {
        None => Ok(caller),
        Some(why_not) => {
            let missing = format!("role {}", permission.role().as_str());
            caller.state.ledger.count_denial(Denied { action: parts.uri.path().to_owned(), missing }, &caller.by());
            Err(AppError::Forbidden(why_not))
        }
    }
}

impl Caller {
    /// Who makes the change that follows, and why.
    ///
    /// # Errors
    /// `Invalid`, field `reason`, when there is none to speak of.
    pub fn because(&self, reason: &str) -> Result<By, AppError> {
        let reason = text::reason(reason, *text::REASON_LENGTH.start())
            .map_err(|error| AppError::invalid("reason", format!("The reason stays in the history. {error}")))?;
        Ok(By { reason: Some(reason), ..self.by() })
    }

    /// Who asks; for what needs no reason.
    pub fn by(&self) -> By {
        By {
            actor: self.operator.email.clone(),
            via: Via::Console,
            reason: None,
            request_id: Some(self.request_id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_types::Role;

    #[test]
    fn each_role_may_what_the_matrix_says() {
        use Permission::{Examine, ManageDatabases, ManagePools, Read, Refresh, Reveal};
        let matrix = [
            (Role::Viewer, vec![Read]),
            (Role::Support, vec![Read, Refresh, Reveal]),
            (Role::Operator, vec![Read, Refresh, Reveal, ManageDatabases, ManagePools, Examine]),
            (Role::Admin, vec![Read, Refresh, Reveal, ManageDatabases, ManagePools, Examine]),
        ];
        for (role, granted) in matrix {
            let operator = Operator { id: uuid::Uuid::nil(), email: String::new(), name: String::new(), role };
            for permission in [Read, Refresh, Reveal, ManageDatabases, ManagePools, Examine] {
                assert_eq!(operator.may(permission), granted.contains(&permission), "{role:?} {permission:?}");
                assert_eq!(
                    operator.why_not(permission).is_none(),
                    granted.contains(&permission),
                    "{role:?} {permission:?}"
                );
            }
        }
    }
}
