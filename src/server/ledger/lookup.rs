//! The look-up: whatever somebody pasted, find the database behind it.

use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    databases::{ROW_COLUMNS, ROW_TABLES, RowRecord},
    listing::{CONTAINS, like_pattern},
};
use crate::types::{DatabaseRow, LOOKUP_HITS, LookupAnswer, LookupHit};

/// The best are sought among so many hits: whoever wrote so little must write more anyway.
const CANDIDATES: i64 = 500;

impl Ledger {
    /// Finds databases by owner (e-mail, id, organisation), project, endpoint, host, own id, or by an endpoint named anywhere in a pasted text.
    ///
    /// # Errors
    /// `Invalid` when there is too little to search for.
    pub async fn look_up(&self, query: &str) -> Result<LookupAnswer, LedgerError> {
        let searched = searchable(query);
        if searched.chars().count() < 3 {
            return Err(LedgerError::Invalid {
                field: "q",
                message: String::from("Write at least 3 characters to look up."),
            });
        }
        let mut rows = self.exact_hits(&searched).await?;
        if rows.is_empty() {
            rows = self.partial_hits(&searched).await?;
        }
        let more = rows.len() > LOOKUP_HITS;
        rows.truncate(LOOKUP_HITS);
        let hits = rows.into_iter().map(|record| hit(record, &searched)).collect();
        Ok(LookupAnswer { searched, hits, more })
    }

    async fn exact_hits(&self, text: &str) -> Result<Vec<RowRecord>, LedgerError> {
        let mut query = QueryBuilder::new(format!("SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE d.id = "));
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

fn hit(record: RowRecord, searched: &str) -> LookupHit {
    let wanted = searched.to_lowercase();
    let candidates = [
        ("e-mail", record.email.clone()),
        ("owner id", record.owner_id.clone()),
        ("organisation", record.organisation.clone()),
        ("project id", record.neon_project_id.clone()),
        ("endpoint", record.neon_endpoint_id.clone()),
        ("database id", Some(record.id.to_string())),
    ];
    let found = candidates.into_iter().find_map(|(field, value)| {
        value.filter(|value| value.to_lowercase().contains(&wanted)).map(|value| (field, value))
    });
    let (field, value) = found.unwrap_or(("database id", record.id.to_string()));
    LookupHit { field: field.to_owned(), value, database: DatabaseRow::from(record) }
}

/// The part of a pasted text that names a database, and never a password: an endpoint id anywhere in it (host, connection string, error
/// message), an e-mail address in it, else the text itself.
fn searchable(query: &str) -> String {
    let text = without_passwords(query.trim());
    let words =
        || text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.@+".contains(c))).filter(|word| !word.is_empty());
    if let Some(endpoint) = words().find_map(endpoint_id) {
        return endpoint;
    }
    if let Some(email) =
        words().find(|word| word.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.')))
    {
        return email.trim_matches('.').to_owned();
    }
    text.chars().take(200).collect()
}

/// `ep-round-unit-afbn7qv4-pooler.c-2.us-west-2.aws.neon.tech` → `ep-round-unit-afbn7qv4`.
fn endpoint_id(word: &str) -> Option<String> {
    let label = word.split('.').next()?;
    // What is left of `endpoint%3Dep-…` when it was cut at the per cent sign.
    let label = label.strip_prefix("3D").or_else(|| label.strip_prefix("3d")).unwrap_or(label);
    let label = label.strip_suffix("-pooler").unwrap_or(label);
    (label.starts_with("ep-") && label.matches('-').count() >= 2).then(|| label.to_owned())
}

/// `postgresql://user:secret@host` → `postgresql://user@host`, and whatever follows `password=`.
fn without_passwords(text: &str) -> String {
    let mut out = text.to_owned();
    if let Some(start) = out.find("://").map(|at| at + 3) {
        let rest = &out[start..];
        if let (Some(colon), Some(at)) = (rest.find(':'), rest.rfind('@'))
            && colon < at
        {
            out.replace_range(start + colon..start + at, "");
        }
        // A whole connection string has no user worth looking up: every database has the same role.
        if let Some(at) = out[start..].find('@') {
            out.replace_range(..start + at + 1, "");
        }
    }
    if let Some(at) = out.to_ascii_lowercase().find("password=") {
        let value = at + "password=".len();
        let end = out[value..].find([' ', '&', ';', '\n']).map_or(out.len(), |end| value + end);
        out.replace_range(value..end, "");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_connection_string_is_its_endpoint() {
        let pasted = "psql 'postgresql://neondb_owner:npg_s3cr3t@ep-round-unit-afbn7qv4-pooler.c-2.us-west-2.aws.neon.tech/neondb?sslmode=require'";
        assert_eq!(searchable(pasted), "ep-round-unit-afbn7qv4");
        let local = "postgresql://neondb_owner:npg_x@127.0.0.1:5433/neondb?sslmode=disable&options=endpoint%3Dep-cool-lake-12345678";
        assert_eq!(searchable(local), "ep-cool-lake-12345678");
    }

    #[test]
    fn an_error_message_is_the_endpoint_in_it() {
        assert_eq!(searchable("ERROR: endpoint ep-dry-sun-a1b2c3d4 is disabled. Enable it"), "ep-dry-sun-a1b2c3d4");
    }

    #[test]
    fn an_address_is_found_in_its_sentence() {
        assert_eq!(searchable("Jo Doe <jo.doe@example.com> says it is slow"), "jo.doe@example.com");
        assert_eq!(searchable("  owner-42 "), "owner-42");
    }

    #[test]
    fn passwords_are_taken_out() {
        for pasted in [
            "postgresql://u:hunter2@db.example/x",
            "host=db password=hunter2 user=u",
            "postgres://u:p@hunter2@db.example/x",
        ] {
            assert!(!searchable(pasted).contains("hunter2"), "{pasted} → {}", searchable(pasted));
        }
    }
}
