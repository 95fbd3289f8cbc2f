//! What people paste to find a database: a connection string, a command, settings, an error message, or just a name.
//!
//! The one reading of such texts. It does not look for passwords, which have no form. It asks whether a text is a name or a sentence
//! that can hold none ([`innocence`]); of every other text only what stands where an identifier belongs is taken ([`identifiers`]). So no
//! password gets from here into an address, a log or an answer.

mod announcing;
mod identifiers;
mod innocence;
#[cfg(test)]
mod tests;

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
    /// Whether it must not get into an address as it stands.
    pub may_hold_secret: bool,
}

impl Paste {
    pub fn read(pasted: &str) -> Self {
        let read = beginning(pasted).trim();
        let is_innocent = innocence::is_innocent(read);
        let identifiers = if is_innocent { identifiers::of(read) } else { identifiers::in_their_places(read) };
        let text = text::label(pasted, 1..=LONGEST_TEXT).ok().filter(|text| is_innocent && innocence::is_plain(text));
        let may_hold_secret = text.is_none() && !read.is_empty();
        Self { identifiers, text, may_hold_secret }
    }

    /// Whether a text has what secrets of Neon and of ours begin with.
    pub fn is_marked(text: &str) -> bool {
        innocence::is_marked(&text.to_lowercase())
    }

    /// Whether a text can stand in an address: a name, a number, a day or a cursor; or plain words that announce no secret.
    pub fn is_harmless(text: &str) -> bool {
        let is_one = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        is_one && !Self::is_marked(text) || !Self::read(text).may_hold_secret
    }

    /// What stands for it in an address: its first identifier, else the text; nothing where it names nothing.
    pub fn searched(&self) -> Option<&str> {
        self.identifiers.first().or(self.text.as_ref()).map(String::as_str)
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(READ)]
}
