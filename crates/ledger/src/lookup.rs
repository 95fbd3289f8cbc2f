//! The look-up: whatever somebody pasted, find the database behind it.

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    databases::{ROW_COLUMNS, ROW_TABLES, RowRecord},
    listing::{CONTAINS, SHORTEST_TEXT, like_pattern},
};
use fleet_types::{DatabaseRow, LOOKUP_HITS, LookupAnswer, LookupHit, Paste, text};

/// The best are sought among so many hits: whoever wrote so little must write more anyway.
const CANDIDATES: i64 = 500;

impl Ledger {
    /// Finds databases by owner (e-mail, id, organisation), project, endpoint, own id, or by whatever of these stands in a pasted text. What is
    /// the very id of something is found as such, whatever else it looks like.
    ///
    /// # Errors
    /// `Invalid` when there is too little to search for.
    pub async fn look_up(&self, pasted: &str) -> Result<LookupAnswer, LedgerError> {
        if let Some((id, rows)) = self.named(pasted).await? {
            return Ok(answer(Some(id), rows));
        }
        let paste = Paste::read(&text::composed(pasted));
        for identifier in &paste.identifiers {
            let mut rows = self.exact_hits(identifier).await?;
            if rows.is_empty() {
                rows = self.partial_hits(identifier).await?;
            }
            if !rows.is_empty() {
                return Ok(answer(Some(identifier.clone()), rows));
            }
        }
        let searched = paste.searched().map(str::to_owned);
        let rows = match &paste.text {
            Some(text) if text.chars().count() < SHORTEST_TEXT => {
                return Err(LedgerError::Invalid {
                    field: "q",
                    message: format!("Write at least {SHORTEST_TEXT} characters to look up."),
                });
            }
            Some(text) => self.partial_hits(text).await?,
            None => Vec::new(),
        };
        Ok(answer(searched, rows))
    }

    /// Whether this text is the id of an owner, a project, an endpoint or a database.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn is_identifier(&self, text: &str) -> Result<bool, LedgerError> {
        Ok(self.named(text).await?.is_some())
    }

    /// What has this text as its very id, as it stands or in Unicode's composed form, in which ids are kept.
    async fn named(&self, text: &str) -> Result<Option<(String, Vec<RowRecord>)>, LedgerError> {
        let Ok(written) = text::label(text, 1..=text::ID_LENGTH) else { return Ok(None) };
        let composed = text::composed(&written);
        for id in [(composed != written).then(|| written.clone()), Some(composed)].into_iter().flatten() {
            let rows = self.exact_hits(&id).await?;
            if !rows.is_empty() {
                return Ok(Some((id, rows)));
            }
        }
        Ok(None)
    }

    async fn exact_hits(&self, text: &str) -> Result<Vec<RowRecord>, LedgerError> {
        let mut query = QueryBuilder::<Postgres>::new(format!("SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE d.id = "));
        query.push_bind(Uuid::try_parse(text).ok());
        for column in ["d.neon_project_id", "d.neon_endpoint_id", "d.neon_project_name", "d.owner_id"] {
            query.push(format!(" OR {column} = ")).push_bind(text.to_owned());
        }
        query.push(" LIMIT ").push_bind(LOOKUP_HITS as i64 + 1);
        Ok(query.build_query_as().fetch_all(&self.db).await?)
    }

    async fn partial_hits(&self, text: &str) -> Result<Vec<RowRecord>, LedgerError> {
        let mut query = QueryBuilder::new(format!("SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE {CONTAINS}"));
        query
            .push_bind(like_pattern(text))
            .push(" LIMIT ")
            .push_bind(CANDIDATES)
            .push(") ORDER BY (d.state = 'claimed') DESC, d.requested_at DESC LIMIT ")
            .push_bind(LOOKUP_HITS as i64 + 1);
        Ok(query.build_query_as().fetch_all(&self.db).await?)
    }
}

fn answer(searched: Option<String>, mut rows: Vec<RowRecord>) -> LookupAnswer {
    let more = rows.len() > LOOKUP_HITS;
    rows.truncate(LOOKUP_HITS);
    let wanted = searched.as_deref().unwrap_or_default().to_lowercase();
    LookupAnswer { hits: rows.into_iter().map(|record| hit(record, &wanted)).collect(), searched, more }
}

/// What was searched for, in lower case, is in one of these.
fn hit(record: RowRecord, wanted: &str) -> LookupHit {
    let candidates = [
        ("e-mail", record.email.clone()),
        ("owner id", record.owner_id.clone()),
        ("organisation", record.organisation.clone()),
        ("project id", record.neon_project_id.clone()),
        ("endpoint", record.neon_endpoint_id.clone()),
        ("database id", Some(record.id.to_string())),
    ];
    let found = candidates.into_iter().find_map(|(field, value)| {
        value.filter(|value| value.to_lowercase().contains(wanted)).map(|value| (field, value))
    });
    let (field, value) = found.unwrap_or(("database id", record.id.to_string()));
    LookupHit { field: field.to_owned(), value, database: DatabaseRow::from(record) }
}
