//! Which texts can be kept as they are: names, and sentences without any word for a secret.
//!
//! Only known characters are allowed. A colon, an equals sign, a slash, an option of a command, an encoding or a look-alike of any of
//! these makes a paste one that may hold a secret, so nothing has to be decoded or folded to be judged.

use super::{announcing::announces, identifiers};

/// By which secrets of Neon and of ours are known on sight.
const MARKS: [&str; 6] = ["npg_", "napi_", "flt_", "fls_", "fll_", "fld_"];
/// What stands around words.
const PUNCTUATION: [char; 11] = ['(', ')', ',', '.', ';', '!', '?', '<', '>', '"', '\''];

/// Whether the text is one identifier, or made of plain words and whole e-mail addresses that announce no secret.
pub fn is_innocent(text: &str) -> bool {
    let lower = text.to_lowercase();
    if is_marked(&lower) {
        return false;
    }
    let name = text.strip_prefix("mailto:").unwrap_or(text);
    (is_word(name) || is_address(name)) && identifiers::is_one(name)
        || !announces(&lower) && text.split_whitespace().all(is_word_or_address)
}

/// Whether a text in lower case has what such secrets begin with.
pub fn is_marked(text: &str) -> bool {
    MARKS.iter().any(|mark| text.contains(mark))
}

/// Whether an innocent text can also be shown and searched for: no quotes and brackets, and an e-mail address, or a part of one, only alone.
pub fn is_plain(text: &str) -> bool {
    is_address(text) || text.split_whitespace().all(|word| word == "&" || is_word(word.trim_matches(['(', ')', ','])))
}

fn is_word_or_address(word: &str) -> bool {
    let bare = word.trim_matches(PUNCTUATION);
    word == "&" || !word.starts_with('-') && (bare.is_empty() || is_word(bare) || is_address(bare))
}

/// No option, and no character that separates a name from a value.
fn is_word(word: &str) -> bool {
    !word.starts_with(['-', '\'']) && !word.ends_with('\'') && is_of(word, "-_.+|#'")
}

/// An e-mail address or a part of one. What stands before an endpoint is none.
fn is_address(word: &str) -> bool {
    let is_host = |host: &str| !host.contains('@') && !host.to_ascii_lowercase().starts_with("ep-");
    !word.starts_with('-') && is_of(word, "-_.+'@") && word.split_once('@').is_some_and(|(_, host)| is_host(host))
}

/// Letters and digits of one script, and the marks. Letters of two scripts in one word imitate another word.
fn is_of(word: &str, marks: &str) -> bool {
    let mut letters = word.chars().filter(|c| !marks.contains(*c) && !c.is_ascii_digit()).peekable();
    let first = letters.peek().copied().and_then(is_latin);
    letters.all(|c| is_latin(c).is_some_and(|latin| Some(latin) == first))
}

/// Whether this letter is Latin; `None` for what is no letter, or the form of another one: full width, in circles, mathematical.
fn is_latin(c: char) -> Option<bool> {
    let is_latin = c <= '\u{24F}' || ('\u{1E00}'..='\u{1EFF}').contains(&c);
    let is_other = matches!(c, '\u{370}'..='\u{1CFF}' | '\u{3005}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}');
    let is_seen = c.is_alphabetic() && !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}');
    (is_seen && (is_latin || is_other)).then_some(is_latin)
}
