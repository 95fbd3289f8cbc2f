//! Lists of findings: which, and one page of them.

use serde::{Deserialize, Serialize};

use super::{Finding, FindingKind, FindingStatus};
use crate::QueryReader;

/// Which findings. Everything empty means all that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingFilter {
    #[serde(default)]
    pub kind: Option<FindingKind>,
    #[serde(default)]
    pub status: Option<FindingStatus>,
    /// The `id` of the last one on the page before: newest first.
    #[serde(default)]
    pub after: Option<i64>,
}

impl FindingFilter {
    /// Takes the fields from the query of a URL.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        Self {
            kind: query.choice("kind", &FindingKind::ALL, FindingKind::as_str),
            status: query.choice("status", &FindingStatus::ALL, FindingStatus::as_str),
            after: query.number(&["after"], 1..=i64::MAX),
        }
    }
}

/// A page of findings, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingPage {
    pub rows: Vec<Finding>,
    pub next: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_in_the_url_is_named_and_never_means_all() {
        let of = |pairs: &[(&str, &str)]| {
            let field =
                |name: &str| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            let mut query = QueryReader::new(&field);
            let filter = FindingFilter::read(&mut query);
            query.finish(filter)
        };
        assert_eq!(
            of(&[("kind", "half-born"), ("status", "needs_operator"), ("after", "7")]),
            Ok(FindingFilter {
                kind: Some(FindingKind::HalfBorn),
                status: Some(FindingStatus::NeedsOperator),
                after: Some(7),
            })
        );
        assert_eq!(of(&[("kind", ""), ("status", " ")]), Ok(FindingFilter::default()));
        for (name, value) in [("kind", "unicorn"), ("status", "odd"), ("after", "x")] {
            assert_eq!(of(&[(name, value)]).expect_err("unreadable").field, name);
        }
    }
}
