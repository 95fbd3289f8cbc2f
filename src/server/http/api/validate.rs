//! Rules for what callers write, collected so that everything wrong is told at once.

use super::problem::{FieldError, Problem};
use crate::types::text::{self, TextError};

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

    /// A text of so many characters, none of which are control characters.
    pub fn text(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        self.read(field, text::label(text, length));
    }

    pub fn optional_text(&mut self, field: &str, text: Option<&str>, length: std::ops::RangeInclusive<usize>) {
        if let Some(text) = text {
            self.text(field, text, length);
        }
    }

    /// # Errors
    /// A problem that names everything wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}
