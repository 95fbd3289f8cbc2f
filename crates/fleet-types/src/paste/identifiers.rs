//! What has the form of an identifier: endpoints, projects, databases, e-mail addresses.

use std::ops::Range;

use uuid::Uuid;

use super::announcing::announces;

/// Identifiers that are looked up at most.
const MOST: usize = 8;
/// How often a text may have been percent-encoded.
const ENCODINGS: usize = 3;
/// Domains of endpoints. Nothing else has a name in them.
const DOMAINS: [&str; 2] = [".neon.tech", ".neon.build"];

/// All in a text that holds no secret, each once: endpoints first, then ids of projects and databases, then e-mail addresses.
pub fn of(text: &str) -> Vec<String> {
    let words = || {
        text.split(|c: char| !(c.is_alphanumeric() || "-_.@+'".contains(c))).map(|word| word.trim_matches(['.', '\'']))
    };
    firsts([endpoint, project, database, email].into_iter().flat_map(|form| words().filter_map(form)))
}

/// Of a text that may hold a secret those that no secret can be: hosts of endpoints, and ids behind the word for what they name.
pub fn in_their_places(text: &str) -> Vec<String> {
    let text = decoded(text);
    let is_sober = text.is_ascii() && !text.contains(['@', '%', '&']) && !announces(&text.to_ascii_lowercase());
    let hosts = words(&text).filter_map(|word| endpoint(&text[word.clone()]).filter(|_| is_host(&text, word)));
    let ids = words(&text).filter(|_| is_sober).filter_map(|word| {
        let (id, before) = (&text[word.clone()], &text[..word.start]);
        project(id)
            .filter(|_| follows(before, &["project"]))
            .or_else(|| database(id).filter(|_| follows(before, &["database"])))
    });
    firsts(hosts.chain(ids))
}

/// Whether the whole text is an identifier.
pub fn is_one(text: &str) -> bool {
    [endpoint, project, database, email].iter().any(|form| form(text).is_some())
}

fn firsts(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for identifier in all {
        if found.len() < MOST && !found.contains(&identifier) {
            found.push(identifier);
        }
    }
    found
}

/// Where the words stand that may be an id or a host.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let start = at + text[at..].find(is_part)?;
        at = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
        Some(start..start + text[start..at].trim_end_matches('.').len())
    })
}

/// Whether a word with the form of an endpoint stands where a host does: with its domain, behind `@` or `//`, or behind a word for it.
fn is_host(text: &str, word: Range<usize>) -> bool {
    let (before, host, behind) = (&text[..word.start], text[word.clone()].to_ascii_lowercase(), &text[word.end..]);
    let is_last = !behind.split(char::is_whitespace).next().unwrap_or_default().contains('@');
    !behind.starts_with('@')
        && (DOMAINS.iter().any(|domain| host.ends_with(domain))
            || is_last && (before.ends_with('@') || before.ends_with("//"))
            || is_last && follows(before, &["host", "pghost", "hostname", "server", "endpoint", "-h", "--host"]))
}

/// Whether the text before a word ends with one of these names, in the plural too or followed by `id`, and with what separates both.
/// What stands between two colons, or between slashes and a colon, is no such name but a user, and the word a password.
fn follows(before: &str, names: &[&str]) -> bool {
    let rest = before.trim_end_matches([' ', '\t', '=', ':', '/', '"', '\'', '`', '\\', '[', '(']);
    let name = &rest[rest.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c)).len()..];
    let (separator, ahead) = (&before[rest.len()..], &rest[..rest.len() - name.len()]);
    let is_user = separator.starts_with(':') && ahead.ends_with([':', '/']);
    let name = name.to_ascii_lowercase();
    let bare = name.strip_suffix("_id").or(name.strip_suffix("-id")).or(name.strip_suffix('s')).unwrap_or(&name);
    !separator.is_empty() && !is_user && names.contains(&bare)
}

/// `ep-round-unit-afbn7qv4-pooler.c-2.us-west-2.aws.neon.tech` → `ep-round-unit-afbn7qv4`.
fn endpoint(word: &str) -> Option<String> {
    let host = word.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let label = host.split('.').next().unwrap_or_default();
    let label = label.strip_suffix("-pooler").unwrap_or(label);
    (label.starts_with("ep-") && label.matches('-').count() >= 2 && is_slug(label)).then(|| label.to_owned())
}

/// Neon's id (`shiny-wind-028834`) or our own name of one (`flotilla-…`).
fn project(word: &str) -> Option<String> {
    let is_neons = match word.split('-').collect::<Vec<_>>().as_slice() {
        [adjective, noun, number] => {
            [adjective, noun].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
                && (6..=12).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    let is_ours = word.starts_with("flotilla-") && word.len() >= 36 && is_slug(word);
    (is_neons || is_ours).then(|| word.to_owned())
}

fn database(word: &str) -> Option<String> {
    (word.len() == 36).then(|| Uuid::try_parse(word).ok()).flatten().map(|id| id.to_string())
}

fn email(word: &str) -> Option<String> {
    let (name, host) = word.rsplit_once('@')?;
    let is_address = !name.is_empty() && !name.contains('@') && host.contains('.') && endpoint(word).is_none();
    is_address.then(|| word.to_owned())
}

fn is_slug(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn decoded(text: &str) -> String {
    (0..ENCODINGS).fold(text.to_owned(), |text, _| percent_decoded(&text))
}

/// `%40` → `@`; what is no such sequence stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let byte = (*first == b'%').then(|| hexadecimal(tail.get(..2)?)).flatten();
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}
