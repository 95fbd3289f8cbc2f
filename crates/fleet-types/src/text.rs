//! The rules for texts that people and programs write, the same for console, API and command line, and how such a text is shown.
//!
//! Control characters (C0, C1, so ANSI sequences too) and line separators are refused everywhere. What nobody sees is refused where
//! a text tells one thing from another (ids, e-mail addresses), and made visible where it is only read. What has the form of a credential is no
//! reason: reasons stand in the history, which many may read. (An id may look like one; it is what the platform says it is.)

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;

/// Characters of an id: OpenID Connect allows a `sub` of 255.
pub const ID_LENGTH: usize = 255;
/// Characters of an organisation's name.
pub const ORGANISATION_LENGTH: usize = 200;
/// Characters of an e-mail address.
pub const EMAIL_LENGTH: RangeInclusive<usize> = 3..=320;
/// Characters of a reason: it stays in the history.
pub const REASON_LENGTH: RangeInclusive<usize> = 3..=500;

/// Why a text is refused, and what to write instead. Never quotes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("{}", length_wanted(*least, *most))]
    Length { least: usize, most: usize },
    #[error("Control characters are not allowed. Write plain text.")]
    Control,
    #[error("Invisible characters are not allowed. Type it instead of pasting it.")]
    Invisible,
    #[error("Write an e-mail address.")]
    NoAddress,
    #[error(
        "It holds what looks like a password, a key or a connection string, and would be kept readable. Leave that out."
    )]
    Secret,
}

fn length_wanted(least: usize, most: usize) -> String {
    match least {
        0 => format!("Write at most {most} characters, one of them visible, or leave it empty."),
        _ => format!("Write {least} to {most} characters; spaces at the ends do not count, and one must be visible."),
    }
}

/// The text in Unicode's composed form (NFC). `é` can be written in two ways that look the same; what tells one thing from another is kept in this one.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// What names one thing: an owner, a project, a pool. Trimmed, composed.
///
/// # Errors
/// Blank, longer than [`ID_LENGTH`], or with characters that are not seen.
pub fn id(text: &str) -> Result<String, TextError> {
    seen(line(&composed(text), &(1..=ID_LENGTH))?)
}

/// What several owners have in common: an organisation. Trimmed, composed; may be empty.
///
/// # Errors
/// Longer than `most` characters, of nothing visible, or with control characters.
pub fn group(text: &str, most: usize) -> Result<String, TextError> {
    line(&composed(text), &(0..=most))
}

/// An e-mail address. Trimmed, composed; its case is kept.
///
/// # Errors
/// What is none, or has characters that are not seen.
pub fn email(text: &str) -> Result<String, TextError> {
    let text = seen(line(&composed(text), &EMAIL_LENGTH)?)?;
    let is_address = text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(char::is_whitespace);
    if is_address { Ok(text) } else { Err(TextError::NoAddress) }
}

/// What is read by people and searched for: a name, an organisation, a filter. Trimmed.
///
/// # Errors
/// Too short, too long, of nothing visible, or with control characters.
pub fn label(text: &str, length: RangeInclusive<usize>) -> Result<String, TextError> {
    line(text, &length)
}

/// Why something is done. Trimmed; may have several lines, which end in `\n` however they came.
///
/// # Errors
/// Fewer characters than `least`, more than fit, nothing visible, control characters, or what has the form of a credential.
pub fn reason(text: &str, least: usize) -> Result<String, TextError> {
    let text = text.replace("\r\n", "\n");
    let text = checked(&text, &(least..=*REASON_LENGTH.end()), |c| c != '\n' && is_control(c))?;
    if holds_credential(&text) { Err(TextError::Secret) } else { Ok(text) }
}

/// The text as it can be shown: what is not seen, or would turn round what stands beside it, as its code point. The lines of a reason stay lines.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_control(c) || is_invisible(c) {
            out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

fn line(text: &str, length: &RangeInclusive<usize>) -> Result<String, TextError> {
    checked(text, length, is_control)
}

fn checked(text: &str, length: &RangeInclusive<usize>, refused: fn(char) -> bool) -> Result<String, TextError> {
    let text = text.trim();
    if text.contains(refused) {
        return Err(TextError::Control);
    }
    let is_blank = !text.is_empty() && text.chars().all(|c| c.is_whitespace() || is_invisible(c));
    if is_blank || !length.contains(&text.chars().count()) {
        return Err(TextError::Length { least: *length.start(), most: *length.end() });
    }
    Ok(text.to_owned())
}

/// A password or an API key as Neon makes them, or an address with a user and a password: what the ledger's check of its own texts looks for, too.
pub fn holds_credential(text: &str) -> bool {
    holds_after(text, "npg_", 12, |c| c.is_ascii_alphanumeric())
        || holds_after(text, "napi_", 40, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
        || text.match_indices("://").any(|(at, mark)| has_login(&text[at + mark.len()..]))
}

/// Whether so many characters of a kind follow the prefix anywhere.
fn holds_after(text: &str, prefix: &str, count: usize, is_part: fn(char) -> bool) -> bool {
    text.match_indices(prefix)
        .any(|(at, _)| text[at + prefix.len()..].chars().take_while(|c| is_part(*c)).count() >= count)
}

/// `user:password@…`, neither of them empty.
fn has_login(rest: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains([' ', '/', ':', '@']);
    let Some((login, _)) = rest.split_once('@') else { return false };
    login.split_once(':').is_some_and(|(user, password)| is_part(user) && is_part(password))
}

fn seen(text: String) -> Result<String, TextError> {
    if text.contains(is_invisible) { Err(TextError::Invisible) } else { Ok(text) }
}

/// C0, DEL, C1, and the separators that end a line as a newline does.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Zero width, changes of direction, fillers and tags: two texts that differ in them look the same.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{2800}' | '\u{FEFF}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{13430}'..='\u{1343F}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSEEN: [&str; 5] = ["a\u{202e}b", "a\u{200b}b", "\u{feff}ab", "a\u{ad}b", "a\u{e0041}b"];
    const CONTROLS: [&str; 6] = ["a\0b", "a\u{1b}[31mb", "a\u{9b}31mb", "a\u{85}b", "a\tb", "a\u{2028}b"];

    #[test]
    fn an_id_is_trimmed_and_is_what_one_sees() {
        assert_eq!(id(" https://social.example/@jo\n"), Ok(String::from("https://social.example/@jo")));
        assert!(id(&"ü".repeat(255)).is_ok(), "characters count, not bytes");
        for blank in ["", "   ", "\u{a0}\u{3000}"] {
            assert_eq!(id(blank), Err(TextError::Length { least: 1, most: 255 }));
        }
        assert!(id(&"x".repeat(256)).is_err());
        assert!(CONTROLS.iter().all(|text| id(text) == Err(TextError::Control)));
        assert!(UNSEEN.iter().all(|text| id(text) == Err(TextError::Invisible)));
    }

    #[test]
    fn two_spellings_that_look_the_same_are_one() {
        let (one, other) = ("zo\u{eb}@mail.example", "zoe\u{308}@mail.example");
        assert_ne!(one, other);
        assert_eq!((id(one), email(one), group(one, 99)), (id(other), email(other), group(other, 99)));
        assert_eq!(id(other).as_deref(), Ok(one));
    }

    #[test]
    fn an_address_has_two_sides_and_no_room() {
        assert_eq!(email(" Ada@Example.com "), Ok(String::from("Ada@Example.com")));
        assert!(email("ü@example.com").is_ok() && email("<b>@x").is_ok(), "odd names are names");
        for wrong in ["ada", "@example.com", "ada@", "a b@example.com"] {
            assert_eq!(email(wrong), Err(TextError::NoAddress), "{wrong}");
        }
        assert_eq!(email("a\u{200b}@b"), Err(TextError::Invisible));
    }

    #[test]
    fn a_label_may_be_written_from_right_to_left_and_holds_no_controls() {
        assert!(label("\u{200f}שלום", 1..=20).is_ok());
        assert!(CONTROLS.iter().all(|text| label(text, 0..=20) == Err(TextError::Control)));
        assert_eq!(label("  ", 1..=20), Err(TextError::Length { least: 1, most: 20 }));
        let optional = label(&"x".repeat(21), 0..=20).expect_err("too long").to_string();
        assert_eq!(optional, "Write at most 20 characters, one of them visible, or leave it empty.");
    }

    #[test]
    fn a_reason_has_lines_and_nothing_that_a_terminal_would_obey() {
        assert_eq!(reason("  ticket 4711\r\nasked by Ada \n", 3), Ok(String::from("ticket 4711\nasked by Ada")));
        assert!(reason(" a ", 3).is_err() && reason(" a ", 1).is_ok() && reason(&"x".repeat(501), 1).is_err());
        assert!(CONTROLS.iter().all(|text| reason(text, 1) == Err(TextError::Control)));
    }

    #[test]
    fn what_is_made_of_nothing_visible_is_blank() {
        for unseen in ['\u{2800}', '\u{3164}', '\u{115f}', '\u{1160}', '\u{ffa0}', '\u{200b}'] {
            let blank = format!("{unseen} {unseen}{unseen}");
            assert!(id(&blank).is_err() && email(&blank).is_err(), "{blank:?}");
            assert!(label(&blank, 0..=20).is_err() && reason(&blank, 1).is_err(), "{blank:?}");
            assert_eq!(id(&format!("a{unseen}")), Err(TextError::Invisible));
            assert_eq!(email(&format!("{unseen}@{unseen}")), Err(TextError::Invisible));
            assert!(label(&format!("a{unseen}"), 1..=20).is_ok());
        }
    }

    #[test]
    fn what_has_the_form_of_a_credential_is_no_reason() {
        let key = format!("napi_{}", "a1".repeat(20));
        for secret in ["see postgresql://owner:hunter2@h/neondb", "npg_ABCDEFGHIJ12", "x://a:b@c", &key] {
            assert_eq!(reason(&format!("because {secret}"), 3), Err(TextError::Secret), "{secret}");
        }
        for plain in
            ["https://social.example/@jo", "npg_short", "auth0|a:b@c", "postgres://h:5432/db", "see https://wiki/a:b@c"]
        {
            assert!(reason(plain, 3).is_ok(), "{plain}");
        }
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(visible("a\u{202e}b\u{200b}\u{1b}[1m"), "a⟨U+202E⟩b⟨U+200B⟩⟨U+001B⟩[1m");
        assert_eq!(visible("Zoë <b> שלום"), "Zoë <b> שלום");
    }
}
