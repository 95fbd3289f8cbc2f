//! From the URL to what is asked of the server. What cannot be read is left out.

use crate::types::{DatabaseFilter, DatabaseSort, DatabaseState, PagePosition};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseQuery {
    pub filter: DatabaseFilter,
    pub position: PagePosition,
}

impl DatabaseQuery {
    /// Takes the fields from wherever they stand: the query of the URL or the form that will become one.
    pub fn read(field: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| field(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let position = match (text("after"), text("before")) {
            (Some(cursor), _) => PagePosition::After(cursor),
            (None, Some(cursor)) => PagePosition::Before(cursor),
            (None, None) => PagePosition::First,
        };
        let filter = DatabaseFilter {
            state: text("state").as_deref().and_then(DatabaseState::parse),
            pool: text("pool"),
            plan: text("plan"),
            region: text("region"),
            text: text("text"),
            blocked: text("blocked").is_some(),
            storage_percent: text("storage").and_then(|percent| percent.parse().ok()).filter(|percent| *percent >= 80),
            sort: text("sort").as_deref().and_then(DatabaseSort::parse).unwrap_or_default(),
        };
        Self { filter, position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> DatabaseQuery {
        DatabaseQuery::read(|name| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_form_sent_empty_filters_nothing() {
        assert_eq!(read(&[("state", ""), ("pool", ""), ("text", " "), ("sort", "created")]), DatabaseQuery::default());
    }

    #[test]
    fn the_whole_state_is_read() {
        let query =
            read(&[("state", "claimed"), ("blocked", "1"), ("storage", "80"), ("sort", "size"), ("after", "x")]);
        assert_eq!(query.filter.state, Some(DatabaseState::Claimed));
        assert!(query.filter.blocked);
        assert_eq!(query.filter.storage_percent, Some(80));
        assert_eq!(query.filter.sort, DatabaseSort::Size);
        assert_eq!(query.position, PagePosition::After(String::from("x")));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        assert_eq!(read(&[("state", "frozen"), ("storage", "7"), ("sort", "colour")]), DatabaseQuery::default());
    }
}
