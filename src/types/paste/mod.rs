//! What people paste to find a database: a connection string, a command, settings, an error message, or just a name.
//!
//! The one reading of such texts. Secrets are cut out first ([`secrets`]). Of a text that held one only what has the form of an
//! identifier is kept, so no password gets from here into an address, a log or an answer.

mod identifiers;
mod secrets;
#[cfg(test)]
mod tests;

use self::secrets::Cut;
use super::text;

/// Bytes that are read of a paste; an identifier stands at its beginning or nowhere.
const READ: usize = 8_192;
/// Characters of a text that is searched for as it stands.
const LONGEST_TEXT: usize = 200;

/// A paste as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paste {
    /// What names databases: the surest first, each once.
    pub identifiers: Vec<String>,
    /// The whole paste, where it is one line that may be shown and searched for.
    pub text: Option<String>,
    /// Whether there was anything in it that must not get into an address.
    pub holds_secret: bool,
}

impl Paste {
    pub fn read(pasted: &str) -> Self {
        let cut = Cut::of(beginning(pasted));
        let holds_secret = cut.held_secret();
        let mut identifiers = identifiers::of(&cut.rest);
        identifiers.retain(|identifier| !cut.secrets.iter().any(|secret| identifier.to_lowercase().contains(secret)));
        let text = text::label(pasted, 1..=LONGEST_TEXT).ok().filter(|_| !holds_secret);
        Self { identifiers, text, holds_secret }
    }

    /// What stands for it in an address: its first identifier, else the text; nothing where it names nothing.
    pub fn searched(&self) -> Option<&str> {
        self.identifiers.first().or(self.text.as_ref()).map(String::as_str)
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(READ)]
}
