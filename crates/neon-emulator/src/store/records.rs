//! Rows on their way into the state.

use serde::Serialize;

/// Rows travel as JSON whose keys are the columns, so that no two lists of columns can fall out of step.
pub(super) fn records<T: Serialize>(rows: &[T]) -> sqlx::Result<String> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}
