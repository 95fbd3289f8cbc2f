//! Operators: the members of staff who may sign in.

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{Operator, Role, Time, text};

/// An operator to be made. The e-mail address is kept in lower case.
pub struct NewOperator<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub role: Role,
    /// argon2id in PHC form; `None` for those who sign in by link only.
    pub password_hash: Option<&'a str>,
}

/// An operator as the command line lists them.
pub struct OperatorAccount {
    pub operator: Operator,
    pub has_password: bool,
    pub disabled_at: Option<Time>,
    pub last_signed_in_at: Option<Time>,
}

/// What a password is checked against.
pub struct SignInCandidate {
    pub operator: Operator,
    pub password_hash: String,
}

impl Ledger {
    /// # Errors
    /// `Conflict` when somebody has this address already, `Invalid` when it is none.
    pub async fn create_operator(&self, new: &NewOperator<'_>, by: &By) -> Result<Operator, LedgerError> {
        let operator = Operator {
            id: Uuid::now_v7(),
            email: canonical_email(new.email)?,
            name: text::label(new.name, 1..=200)
                .map_err(|error| LedgerError::Invalid { field: "name", message: error.to_string() })?,
            role: new.role,
        };
        let mut tx = self.db.begin().await?;
        let made = sqlx::query!(
            "INSERT INTO operators (id, email, name, role, password_hash) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING",
            operator.id,
            operator.email,
            operator.name,
            operator.role.as_str(),
            new.password_hash,
        )
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Err(LedgerError::Conflict(format!("There is an operator {} already.", operator.email)));
        }
        insert_event(&mut *tx, &about(&operator.email, "operator.created", None, Some(operator.role)), by).await?;
        tx.commit().await?;
        Ok(operator)
    }

    /// All operators by e-mail address, at most 1,000.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn operators(&self) -> Result<Vec<OperatorAccount>, LedgerError> {
        let records = sqlx::query_as!(
            OperatorRecord,
            "SELECT id, email, name, role, password_hash, disabled_at, last_signed_in_at FROM operators ORDER BY email LIMIT 1000"
        )
        .fetch_all(&self.db)
        .await?;
        Ok(records.into_iter().map(OperatorRecord::into_account).collect())
    }

    /// The operator of this address, unless disabled or without a password.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sign_in_candidate(&self, email: &str) -> Result<Option<SignInCandidate>, LedgerError> {
        let record = sqlx::query_as!(
            OperatorRecord,
            "SELECT id, email, name, role, password_hash, disabled_at, last_signed_in_at FROM operators
             WHERE email = lower($1) AND disabled_at IS NULL",
            email
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(record.and_then(|mut record| {
            let password_hash = record.password_hash.take()?;
            Some(SignInCandidate { password_hash, operator: record.into_account().operator })
        }))
    }

    /// Signs the operator out everywhere and lets nobody in under this name again.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn disable_operator(&self, email: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let is_disabled = sqlx::query_scalar!(
            r#"SELECT disabled_at IS NOT NULL AS "is_disabled!" FROM operators WHERE email = lower($1) FOR NO KEY UPDATE"#,
            email
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| no_such_operator(email))?;
        if is_disabled {
            return Ok(());
        }
        let id = sqlx::query_scalar!(
            "UPDATE operators SET disabled_at = coalesce(disabled_at, now()) WHERE email = lower($1) RETURNING id",
            email
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM sessions WHERE operator_id = $1", id).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM sign_in_links WHERE operator_id = $1", id).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM sign_in_devices WHERE operator_id = $1", id).execute(&mut *tx).await?;
        insert_event(&mut *tx, &about(email, "operator.disabled", None, None), by).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the operator another role. It acts from the next request on.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_role(&self, email: &str, role: Role, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let before = sqlx::query_scalar!("SELECT role FROM operators WHERE email = lower($1) FOR NO KEY UPDATE", email)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| no_such_operator(email))?;
        if before == role.as_str() {
            return Ok(());
        }
        sqlx::query!("UPDATE operators SET role = $2 WHERE email = lower($1)", email, role.as_str())
            .execute(&mut *tx)
            .await?;
        insert_event(&mut *tx, &about(email, "operator.role", Role::parse(&before), Some(role)), by).await?;
        Ok(tx.commit().await?)
    }
}

struct OperatorRecord {
    id: Uuid,
    email: String,
    name: String,
    role: String,
    password_hash: Option<String>,
    disabled_at: Option<Time>,
    last_signed_in_at: Option<Time>,
}

impl OperatorRecord {
    fn into_account(self) -> OperatorAccount {
        OperatorAccount {
            has_password: self.password_hash.is_some(),
            operator: operator(self.id, self.email, self.name, &self.role),
            disabled_at: self.disabled_at,
            last_signed_in_at: self.last_signed_in_at,
        }
    }
}

/// The table admits the four roles only; should it ever hold another, it counts as the least.
pub(super) fn operator(id: Uuid, email: String, name: String, role: &str) -> Operator {
    Operator { id, email, name, role: Role::parse(role).unwrap_or(Role::Viewer) }
}

pub(super) fn no_such_operator(email: &str) -> LedgerError {
    LedgerError::NotFound(format!("The operator {email}"))
}

fn canonical_email(email: &str) -> Result<String, LedgerError> {
    let email =
        text::email(email).map_err(|error| LedgerError::Invalid { field: "email", message: error.to_string() })?;
    Ok(email.to_lowercase())
}

fn about(email: &str, kind: &'static str, before: Option<Role>, after: Option<Role>) -> NewEvent<'static> {
    let side = |role: Option<Role>| role.map(|role| json!({ "operator": email.to_lowercase(), "role": role.as_str() }));
    let after = side(after).or_else(|| Some(json!({ "operator": email.to_lowercase() })));
    NewEvent { kind, database_id: None, pool_id: None, before: side(before), after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case_and_must_be_one() {
        assert_eq!(canonical_email(" Ops@Example.COM ").expect("an address"), "ops@example.com");
        for wrong in ["", "ops", "@example.com", "ops@", "a b@example.com", "a\n@example.com"] {
            assert!(canonical_email(wrong).is_err(), "{wrong:?}");
        }
    }
}
