//! Connection strings as Neon writes them: taken apart, and turned between direct and pooled. Pure text work.
//!
//! The endpoint stands in the host (`ep-…` or `ep-…-pooler` as its first label) or, for clients without SNI, in the parameter
//! `options=endpoint%3Dep-…`.

use std::ops::Range;

use fleet_types::Connection;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const POOLER: &str = "-pooler";
const DEFAULT_PORT: u16 = 5432;

/// What is wrong with a connection string. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("the connection string is not a postgresql:// URI")]
    NotPostgres,
    #[error("the connection string lacks its {0}")]
    Lacks(&'static str),
    #[error("the connection string holds a %-sequence that is no text")]
    Encoding,
    #[error("the connection string does not name its endpoint")]
    OtherEndpoint,
}

/// The parts of a connection string, decoded.
#[derive(Clone, Debug)]
pub struct Parts {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub role: String,
    pub password: SecretString,
    /// The parameters after `?`, decoded, in order.
    pub parameters: Vec<(String, String)>,
}

/// Takes a URI apart.
///
/// # Errors
/// [`UriError`], saying what is missing.
pub fn parse(uri: &SecretString) -> Result<Parts, UriError> {
    let url = Url::parse(uri.expose_secret().trim()).map_err(|_| UriError::NotPostgres)?;
    if !matches!(url.scheme(), "postgresql" | "postgres") {
        return Err(UriError::NotPostgres);
    }
    let present = |text: String, what| if text.is_empty() { Err(UriError::Lacks(what)) } else { Ok(text) };
    let parameters = url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    });
    Ok(Parts {
        host: present(decode(url.host_str().unwrap_or_default())?, "host")?,
        port: url.port().unwrap_or(DEFAULT_PORT),
        database: present(decode(url.path().trim_start_matches('/'))?, "database")?,
        role: present(decode(url.username())?, "role")?,
        password: present(decode(url.password().unwrap_or_default())?, "password")?.into(),
        parameters: parameters.collect::<Result<_, _>>()?,
    })
}

/// Everything a client needs, from the direct URI.
///
/// # Errors
/// [`UriError`] if the URI cannot be read or belongs to another endpoint.
pub fn connection(uri: &SecretString, endpoint_id: &str) -> Result<Connection, UriError> {
    let direct = direct(uri, endpoint_id)?;
    let parts = parse(&direct)?;
    Ok(Connection {
        pooled_uri: pooled(&direct, endpoint_id)?.expose_secret().to_owned(),
        uri: direct.expose_secret().to_owned(),
        host: parts.host,
        port: parts.port,
        database: parts.database,
        role: parts.role,
        password: parts.password.expose_secret().to_owned(),
    })
}

/// The same connection with another password.
///
/// # Errors
/// As [`connection`].
pub fn with_password(old: &Connection, endpoint_id: &str, password: &SecretString) -> Result<Connection, UriError> {
    let (before, host, query) = split(&old.uri);
    let user_starts = before.find("://").map_or(0, |at| at + 3);
    let user_ends = before[user_starts..].find([':', '@']).map_or(before.len(), |at| user_starts + at);
    let uri = format!("{}:{}@{host}{query}", &before[..user_ends], encode(password.expose_secret()));
    connection(&SecretString::from(uri), endpoint_id)
}

/// The URI of the same database through the pooler. One that is pooled stays as it is.
///
/// # Errors
/// [`UriError::OtherEndpoint`] if the endpoint stands nowhere in it.
pub fn pooled(uri: &SecretString, endpoint_id: &str) -> Result<SecretString, UriError> {
    renamed(uri, endpoint_id, &format!("{endpoint_id}{POOLER}"))
}

/// The URI of the same database past the pooler. One that is direct stays as it is.
///
/// # Errors
/// [`UriError::OtherEndpoint`] if the endpoint stands nowhere in it.
pub fn direct(uri: &SecretString, endpoint_id: &str) -> Result<SecretString, UriError> {
    renamed(uri, endpoint_id, endpoint_id)
}

/// Writes `to` wherever the endpoint stands, pooled or not: as the first label of the host or in `options`, never elsewhere.
fn renamed(uri: &SecretString, endpoint_id: &str, to: &str) -> Result<SecretString, UriError> {
    let (before, host, query) = split(uri.expose_secret());
    let label_ends = host.find(['.', ':', '/']).unwrap_or(host.len());
    let (label, rest) = host.split_at(label_ends);
    let is_it = |name: &str| !endpoint_id.is_empty() && without_pooler(name) == endpoint_id;
    let host = if is_it(label) { format!("{to}{rest}") } else { host.to_owned() };
    let in_options = endpoint_options(query).into_iter().find(|at| is_it(&query[at.clone()]));
    if !is_it(label) && in_options.is_none() {
        return Err(UriError::OtherEndpoint);
    }
    let query = match in_options {
        Some(at) => format!("{}{to}{}", &query[..at.start], &query[at.end..]),
        None => query.to_owned(),
    };
    Ok(SecretString::from(format!("{before}{host}{query}")))
}

/// Scheme and credentials; host, port and path; the query with its `?`.
fn split(uri: &str) -> (&str, &str, &str) {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let authority_ends = uri[start..].find(['/', '?']).map_or(uri.len(), |at| start + at);
    let host = uri[start..authority_ends].rfind('@').map_or(start, |at| start + at + 1);
    let query = uri[host..].find('?').map_or(uri.len(), |at| host + at);
    (&uri[..host], &uri[host..query], &uri[query..])
}

/// Where in the query the names after `endpoint=` (or its older form `project=`) of the parameter `options` stand.
fn endpoint_options(query: &str) -> Vec<Range<usize>> {
    let (mut names, mut pair_starts) = (Vec::new(), 0);
    for pair in query.split('&') {
        let value = pair.trim_start_matches('?').strip_prefix("options=").unwrap_or_default();
        let value_starts = pair_starts + pair.len() - value.len();
        for mark in ["endpoint%3D", "endpoint%3d", "endpoint=", "project%3D", "project%3d", "project="] {
            let Some(at) = value.find(mark) else { continue };
            let start = value_starts + at + mark.len();
            let length =
                query[start..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(query.len() - start);
            names.push(start..start + length);
        }
        pair_starts += pair.len() + 1;
    }
    names
}

fn without_pooler(name: &str) -> &str {
    name.strip_suffix(POOLER).unwrap_or(name)
}

/// As userinfo of a URI: all but RFC 3986's unreserved characters as `%XX`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Resolves `%xx`; unlike in forms, `+` is itself.
fn decode(text: &str) -> Result<String, UriError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2).ok_or(UriError::Encoding)?;
        let digits = std::str::from_utf8(digits).map_err(|_| UriError::Encoding)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::Encoding)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| UriError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "ep-round-unit-afbn7qv4";
    const BY_HOST: &str = "postgresql://neondb_owner:npg_N67FDMtGvJke@ep-round-unit-afbn7qv4.c-2.us-west-2.aws.neon.tech/neondb?sslmode=require&channel_binding=require";
    const BY_OPTIONS: &str = "postgresql://neondb_owner:npg_N67FDMtGvJke@127.0.0.1:6432/neondb?sslmode=disable&options=endpoint%3Dep-round-unit-afbn7qv4";

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_captured_uri_is_taken_apart() {
        let parts = parse(&secret(BY_HOST)).unwrap();
        assert_eq!((parts.host.as_str(), parts.port), ("ep-round-unit-afbn7qv4.c-2.us-west-2.aws.neon.tech", 5432));
        assert_eq!(
            (parts.database.as_str(), parts.role.as_str(), parts.password.expose_secret()),
            ("neondb", "neondb_owner", "npg_N67FDMtGvJke")
        );
        let parts = parse(&secret(BY_OPTIONS)).unwrap();
        assert_eq!((parts.host.as_str(), parts.port), ("127.0.0.1", 6432));
        assert_eq!(parts.parameters[1], ("options".to_owned(), format!("endpoint={ID}")));
    }

    #[test]
    fn encoded_parts_are_decoded() {
        let parts = parse(&secret("postgres://us%40er:p%2Fw%3A+%25@h/d%20b?application_name=a+b")).unwrap();
        assert_eq!(
            (parts.role.as_str(), parts.password.expose_secret(), parts.database.as_str()),
            ("us@er", "p/w:+%", "d b")
        );
        assert_eq!(parts.parameters, [("application_name".to_owned(), "a+b".to_owned())]);
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_quoted() {
        assert_eq!(parse(&secret("https://u:p@h/d")).unwrap_err(), UriError::NotPostgres);
        assert_eq!(parse(&secret("host=h user=u")).unwrap_err(), UriError::NotPostgres);
        assert_eq!(parse(&secret("postgresql://u:p@h/")).unwrap_err(), UriError::Lacks("database"));
        assert_eq!(parse(&secret("postgresql://u@h/d")).unwrap_err(), UriError::Lacks("password"));
        assert_eq!(parse(&secret("postgresql://u:p%ff@h/d")).unwrap_err(), UriError::Encoding);
        assert!(!format!("{:?}", parse(&secret(BY_HOST))).contains("npg_"));
    }

    #[test]
    fn the_pooler_is_put_in_and_taken_out_wherever_the_endpoint_stands() {
        for uri in [BY_HOST, BY_OPTIONS] {
            let through = pooled(&secret(uri), ID).unwrap();
            assert_eq!(through.expose_secret(), &uri.replace(ID, "ep-round-unit-afbn7qv4-pooler"));
            assert_eq!(pooled(&through, ID).unwrap().expose_secret(), through.expose_secret());
            assert_eq!(direct(&through, ID).unwrap().expose_secret(), uri);
        }
    }

    #[test]
    fn nothing_but_host_and_options_is_touched() {
        let uri =
            "postgresql://ep-a:ep-a@ep-a.neon.tech/ep-a?application_name=ep-a&options=endpoint%3Dep-a%20-c%20x%3Dep-a";
        let expected = "postgresql://ep-a:ep-a@ep-a-pooler.neon.tech/ep-a?application_name=ep-a&options=endpoint%3Dep-a-pooler%20-c%20x%3Dep-a";
        assert_eq!(pooled(&secret(uri), "ep-a").unwrap().expose_secret(), expected);
        assert_eq!(pooled(&secret(uri), "ep-b").unwrap_err(), UriError::OtherEndpoint);
        assert_eq!(pooled(&secret("postgresql://u:p@ep-ab.neon.tech/d"), "ep-a").unwrap_err(), UriError::OtherEndpoint);
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_is_no_reason_to_fail(text in "(postgresql://)?[a-z%@:/é]{0,12}(ep-[a-z-]{0,9})?[.:/?&=]{0,3}(options=)?(endpoint(=|%3D))?.{0,12}") {
            let _ = (parse(&secret(&text)), pooled(&secret(&text), "ep-a"));
        }

        #[test]
        fn every_password_comes_back(password in "[ -~é]{1,20}") {
            let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let uri = secret(&format!("postgresql://u:{encoded}@{ID}.neon.tech/d"));
            let through = pooled(&uri, ID).unwrap();
            let (parts, back) = (parse(&through).unwrap(), direct(&through, ID).unwrap());
            prop_assert_eq!(parts.password.expose_secret(), password.as_str());
            prop_assert_eq!(back.expose_secret(), uri.expose_secret());
        }
    }

    proptest! {
        #[test]
        fn another_password_changes_nothing_else(one in "[ -~é]{1,20}", two in "[ -~é]{1,20}") {
            for uri in [BY_HOST, BY_OPTIONS] {
                let old = connection(&secret(&uri.replace("npg_N67FDMtGvJke", &encode(&one))), ID).unwrap();
                let new = with_password(&old, ID, &secret(&two)).unwrap();
                prop_assert_eq!(&new.password, &two);
                prop_assert_eq!(&new.uri, &uri.replace("npg_N67FDMtGvJke", &encode(&two)));
                prop_assert!(with_password(&new, ID, &secret(&one)).unwrap() == old);
            }
        }
    }

    #[test]
    fn a_connection_holds_both_ways() {
        let connection = connection(&pooled(&secret(BY_OPTIONS), ID).unwrap(), ID).unwrap();
        assert_eq!(connection.uri, BY_OPTIONS);
        assert!(connection.pooled_uri.ends_with("-pooler"));
        assert_eq!(
            (connection.host.as_str(), connection.port, connection.password.as_str()),
            ("127.0.0.1", 6432, "npg_N67FDMtGvJke")
        );
    }
}
