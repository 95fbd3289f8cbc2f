//! Rules for what callers write, collected so that everything wrong is told at once.

use super::problem::{FieldError, Problem};
use fleet_types::text::TextError;

#[derive(Default)]
pub struct Validation {
    errors: Vec<FieldError>,
}

impl Validation {
    pub fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// The text as it counts; empty when it is refused.
    pub fn read(&mut self, field: &str, checked: Result<String, TextError>) -> String {
        checked.unwrap_or_else(|error| {
            self.wrong(field, error.to_string());
            String::new()
        })
    }

    /// # Errors
    /// A problem that names everything wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}
