//! Where secrets stand in what people paste: in URIs, after names such as `password`, in lines of a password file, behind a user's
//! name, and by their own mark. In doubt too much is cut out: what is left only has to name a database.

use std::ops::Range;

/// Stands where a secret stood; no part of any identifier.
const MASK: char = '•';
/// How often a text may have been percent-encoded.
const ENCODINGS: usize = 3;
/// A shorter secret is a part of every other word.
const SHORTEST: usize = 4;
/// By which secrets of Neon and of ours are known on sight.
const MARKS: [&str; 5] = ["npg_", "napi_", "flt_", "fls_", "fll_"];
/// Of URIs, which are read as such.
const SCHEMES: [&str; 4] = ["postgres", "postgresql", "http", "https"];
/// Names of what may stand before `:` and an e-mail address.
const ADDRESSEES: [&str; 11] =
    ["mailto", "email", "mail", "owner", "user", "id", "from", "to", "cc", "contact", "login"];

/// A text without its secrets.
pub struct Cut {
    /// Percent-decoded, with [`MASK`] where secrets stood.
    pub rest: String,
    /// Those of some length in lower case, in every way in which they could be written.
    pub secrets: Vec<String>,
}

impl Cut {
    pub fn of(text: &str) -> Self {
        let mut secrets = Vec::new();
        let mut rest = masked(text, &mut secrets);
        for _ in 0..ENCODINGS {
            let decoded = percent_decoded(&rest);
            if decoded == rest {
                break;
            }
            rest = masked(&decoded, &mut secrets);
        }
        Self { rest, secrets }
    }

    /// Whether there was a secret; or what could be one, though none could be made out: a word for it, or a `:` in front of an `@`.
    pub fn held_secret(&self) -> bool {
        let words = ["password", "passwd", "passphrase", "pgpassword"];
        let is_address_of_web = self.rest.trim_start().starts_with("http");
        let is_like_login = self.rest.split_once(':').is_some_and(|(_, behind)| behind.contains('@'));
        self.rest.contains(MASK)
            || is_like_login && !is_address_of_web
            || names(&self.rest).any(|name| words.contains(&self.rest[name].to_ascii_lowercase().as_str()))
    }
}

fn masked(text: &str, found: &mut Vec<String>) -> String {
    let mut spans: Vec<Range<usize>> = Vec::new();
    spans.extend(in_uris(text));
    spans.extend(names(text).filter_map(|name| named(text, name)));
    spans.extend(in_password_files(text));
    spans.extend(behind_users(text));
    spans.sort_by_key(|span| span.start);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for span in spans {
        let secret = text[span.clone()].trim();
        if span.end <= done || secret.trim_matches(MASK).is_empty() {
            continue;
        }
        keep(secret, found);
        out.push_str(&text[done..span.start.max(done)]);
        out.push(MASK);
        done = span.end;
    }
    out + &text[done..]
}

/// As it stands, without what quotes it, and decoded.
fn keep(secret: &str, found: &mut Vec<String>) {
    let bare: String = secret.chars().filter(|c| !"\"'`\\".contains(*c)).collect();
    for form in [secret.to_owned(), percent_decoded(secret), bare.trim_matches([' ', '=', ':', '>']).to_owned(), bare] {
        if form.chars().count() >= SHORTEST {
            found.push(form.to_lowercase());
        }
    }
}

/// Of each `scheme://user:secret@host` what stands between the first `:` and the last `@`, wherever a raw `/` or `?` is.
fn in_uris(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let before = text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+.-:".contains(c));
        let uri = &text[start..start + uri_length(&text[start..], before.chars().next_back())];
        let authority = uri.find(['/', '?', '#']).unwrap_or(uri.len());
        let colon = uri.find(':')?;
        let port = uri.get(colon + 1..authority).unwrap_or_default();
        let is_port = port.split(',').next().is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let is_web = text[before.len()..at].starts_with("http") && !uri[..authority].contains('@');
        let password_ends = match uri.rfind('@').filter(|at| *at > colon) {
            Some(_) if is_web && (is_port || colon > authority) => return None,
            Some(at) => at,
            None if is_port || colon > authority || uri.starts_with('[') => return None,
            // With a space in it, or cut off.
            None => line(&text[start..]).rfind('@').filter(|at| *at > colon).unwrap_or(uri.len()),
        };
        Some(start + colon + 1..start + password_ends)
    })
}

/// To the quote that opened it, else to the next space. A quote in the middle of a word closes nothing.
fn uri_length(rest: &str, before: Option<char>) -> usize {
    let closes = |length: &usize| {
        let next = rest[length + 1..].trim_start_matches([':', '.']).chars().next();
        next.is_none_or(|next| next.is_whitespace() || ",;)}]".contains(next))
    };
    let quoted = before.filter(|c| "\"'`".contains(*c)).and_then(|quote| closing(rest, quote)).filter(closes);
    quoted.unwrap_or_else(|| rest.find(char::is_whitespace).unwrap_or(rest.len()))
}

/// Runs of the characters that names are made of.
fn names(text: &str) -> impl Iterator<Item = Range<usize>> {
    pieces(text, 0, |c| !(c.is_ascii_alphanumeric() || "_-.".contains(c)))
}

/// The secret that this name announces, or is.
fn named(text: &str, name: Range<usize>) -> Option<Range<usize>> {
    let (word, rest) = (&text[name.clone()], &text[name.end..]);
    let lower = word.to_ascii_lowercase();
    if MARKS.iter().any(|mark| lower.starts_with(mark)) {
        return Some(name);
    }
    match lower.as_str() {
        "bearer" => {
            let start = name.end + rest.len() - rest.trim_start().len();
            return Some(start..start + value_length(&text[start..], false));
        }
        _ if !announces(&lower) => return None,
        _ => {}
    }
    let unquoted = rest.trim_start_matches(['\\', '"', '\'', '`', ']']);
    let separated = unquoted.trim_start_matches([' ', '\t']);
    let is_in_query = text[..name.start].ends_with(['?', '&']);
    let start = match separated.chars().next()? {
        '=' | ':' | '>' => text.len() - separated.len() + 1,
        // `--password secret`, `setenv PGPASSWORD secret`, `ALTER ROLE r PASSWORD 'secret'`.
        c if separated.len() < unquoted.len()
            && (word.starts_with("--") || word == "PGPASSWORD" || "'\"".contains(c)) =>
        {
            text.len() - separated.len()
        }
        _ => return None,
    };
    if lower == "authorization" {
        return Some(start..start + line(&text[start..]).len());
    }
    let value = text[start..].trim_start_matches(['=', '>', ':', ' ', '\t']);
    Some(start..text.len() - value.len() + value_length(value, is_in_query))
}

/// Whether what follows a name in lower case is a secret.
fn announces(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    ["password", "passwd", "passphrase", "secret", "apikey", "authorization"].iter().any(|word| name.contains(word))
        || ["pass", "pwd", "pw", "token"].iter().any(|word| name.ends_with(word))
}

/// A word as shells, libpq, JSON, Rust's `Some("…")` and settings of drivers write it.
fn value_length(value: &str, is_in_query: bool) -> usize {
    let mut at = wrapping(value);
    if value[at..].starts_with('[') {
        at += value[at..].find(']').map_or(0, |end| end + 1);
    }
    while let Some(c) = value[at..].chars().next() {
        let rest = &value[at + c.len_utf8()..];
        at += match c {
            _ if c.is_whitespace() => break,
            '"' | '\'' | '`' if is_in_query => break,
            '"' | '\'' | '`' => 1 + closing(rest, c).map_or(0, |length| length + 1),
            '\\' => 1 + escaped(rest),
            '&' | ';' | ',' if begins_with_pair(rest) => break,
            _ => c.len_utf8(),
        };
    }
    at
}

/// Bytes of `Some(SecretString(` and the like.
fn wrapping(value: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut at = 0;
    while let Some(length) = value[at..].find(|c| !is_part(c)).filter(|length| value[at + length..].starts_with('(')) {
        at += length + 1;
    }
    at
}

/// Behind a backslash: one character, or with a quote all to the next quote that is escaped as this one.
fn escaped(rest: &str) -> usize {
    let Some(c) = rest.chars().next() else { return 0 };
    let end = Some(c).filter(|c| "\"'`".contains(*c)).and_then(|quote| rest[1..].find(&format!("\\{quote}")));
    end.map_or(c.len_utf8(), |end| 1 + end + 2)
}

/// Where this quote ends what begins here, past every one that is escaped.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Whether another `name=value` or `"name": value` begins here.
fn begins_with_pair(text: &str) -> bool {
    let name = text.trim_start_matches(|c: char| c.is_whitespace() || "\\\"'`".contains(c));
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "_-. ".contains(c))).unwrap_or(name.len());
    end > 0 && name[end..].trim_start_matches(['\\', '"', '\'', '`', ' ']).starts_with(['=', ':'])
}

/// `host:port:database:user:secret`, as in `~/.pgpass`.
fn in_password_files(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line.trim_end()))
        })
        .filter_map(|(start, line)| {
            let mut colons = line.match_indices(':').map(|(at, _)| at).filter(|at| !line[..*at].ends_with('\\'));
            let [first, second, third, fourth] = [colons.next()?, colons.next()?, colons.next()?, colons.next()?];
            let is_host = line[..first].chars().all(|c| c.is_ascii_alphanumeric() || " ._-*/\\".contains(c));
            let port = &line[first + 1..second];
            let is_port = port == "*" || !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let has_fields = third > second && !line[..fourth].trim_start().contains(char::is_whitespace);
            (is_host && is_port && has_fields).then(|| start + fourth + 1..start + line.len())
        })
}

/// `user:secret@host` without a scheme: of a word, or of the parts of what begins with a bracket or a quote.
fn behind_users(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_mark = |c: char| "\"'`,;(){}[]<>".contains(c);
    let words = pieces(text, 0, char::is_whitespace).flat_map(move |word| {
        let is_whole = !text[word.clone()].starts_with(is_mark);
        pieces(&text[word.clone()], word.start, move |c| !is_whole && is_mark(c))
    });
    words.filter_map(move |word| {
        let text = &text[word.clone()];
        let (colon, at) = (text.find(':')?, text.rfind('@')?);
        let user: String = text[..colon].chars().filter(char::is_ascii_alphanumeric).collect();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.rsplit(':').next().unwrap_or_default());
        let is_known = scheme.is_some_and(|scheme| SCHEMES.contains(&scheme))
            || ADDRESSEES.contains(&user.to_ascii_lowercase().as_str());
        (colon < at && !is_known).then(|| word.start + colon + 1..word.start + at)
    })
}

/// What stands between characters that end it; `offset` is where the text begins.
fn pieces(text: &str, offset: usize, ends: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(|c| !ends(c))?;
        at = text[start..].find(&ends).map_or(text.len(), |length| start + length);
        Some(offset + start..offset + at)
    })
}

/// To the end of the line.
fn line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or_default()
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
