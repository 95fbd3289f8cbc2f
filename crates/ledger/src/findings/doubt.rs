//! Why a project that no row knows may be somebody's. What a finding's doubt is, this installation's id and memory decide; never what is in the project.

use crate::{Ledger, LedgerError};
use fleet_types::{Doubt, FindingKind, Time};

/// What a name, and the time when a project was made, tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub is_named: bool,
    pub is_unsigned: bool,
    pub is_forgotten: bool,
}

impl Signs {
    /// The strongest.
    fn doubt(self) -> Option<Doubt> {
        let signs =
            [(self.is_named, Doubt::Named), (self.is_unsigned, Doubt::Unsigned), (self.is_forgotten, Doubt::Forgotten)];
        signs.into_iter().find(|(is_so, _)| *is_so).map(|(_, doubt)| doubt)
    }

    /// Other kinds are about projects that a row knows, or that are not ours.
    pub(super) fn doubt_about(self, kind: FindingKind) -> Option<Doubt> {
        self.doubt().filter(|_| matches!(kind, FindingKind::Orphan | FindingKind::Twin))
    }
}

impl Ledger {
    /// Why a project of this name, made at this time, may be somebody's though no row knows it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn doubt_about(&self, name: &str, made_at: Time) -> Result<Option<Doubt>, LedgerError> {
        let signs = sqlx::query_as!(
            Signs,
            r#"SELECT names_owner($1) AS "is_named!", name_belongs_to($1) <> 'ours' AS "is_unsigned!", may_have_forgotten($2) AS "is_forgotten!""#,
            name,
            made_at
        )
        .fetch_one(&self.db)
        .await?;
        Ok(signs.doubt())
    }
}
