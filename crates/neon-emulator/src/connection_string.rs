//! Connection strings, as clients of the proxy need them.

use crate::model::{Objects, Project, Role};

/// Who enters which database of an endpoint.
pub struct Login<'a> {
    pub role: &'a Role,
    pub database: &'a str,
}

/// A connection string that works as it is: it leads to the proxy and names the endpoint in its options, the way
/// Neon documents for clients without SNI. The proxy offers no TLS.
pub fn uri(project: &Project, login: &Login<'_>, proxy_address: &str, pooled: bool) -> String {
    let pooler = if pooled { "-pooler" } else { "" };
    format!(
        "postgresql://{}:{}@{proxy_address}/{}?sslmode=disable&options=endpoint%3D{}{pooler}",
        encoded(&login.role.name),
        encoded(&login.role.password),
        encoded(login.database),
        project.endpoint_id,
    )
}

/// The connection string of what a project was born with.
pub fn connection_uri(project: &Project, proxy_address: &str, pooled: bool) -> String {
    let born = Objects::born_with(project);
    born.roles
        .iter()
        .map(|role| uri(project, &Login { role, database: &project.database_name }, proxy_address, pooled))
        .collect()
}

/// Percent-encoding of everything but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_encoded_for_uris() {
        assert_eq!(super::encoded("neondb_owner"), "neondb_owner");
        assert_eq!(super::encoded("a b/c@é"), "a%20b%2Fc%40%C3%A9");
    }
}
