//! Rules for what callers write, collected so that everything wrong is told at once.

use super::problem::{FieldError, Problem};

#[derive(Default)]
pub struct Validation {
    errors: Vec<FieldError>,
}

impl Validation {
    pub fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// A text of so many characters, none of which are control characters.
    pub fn text(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        if !length.contains(&text.chars().count()) {
            self.wrong(field, format!("Write {} to {} characters.", length.start(), length.end()));
        } else if text.chars().any(char::is_control) {
            self.wrong(field, "Control characters are not allowed.");
        }
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
