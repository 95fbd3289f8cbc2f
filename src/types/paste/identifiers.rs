//! What has the form of an identifier: endpoints, projects, databases, e-mail addresses.

use uuid::Uuid;

/// Identifiers that are looked up at most.
const MOST: usize = 8;

/// All in the text, each once: endpoints first, then ids of projects and databases, then e-mail addresses.
pub fn of(text: &str) -> Vec<String> {
    let words =
        || text.split(|c: char| !(c.is_alphanumeric() || "-_.@+".contains(c))).map(|word| word.trim_matches('.'));
    let mut found: Vec<String> = Vec::new();
    for form in [endpoint, project, database, email] {
        for identifier in words().filter_map(form) {
            if found.len() < MOST && !found.contains(&identifier) {
                found.push(identifier);
            }
        }
    }
    found
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
