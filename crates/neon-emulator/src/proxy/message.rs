//! Errors to clients, as messages of the Postgres protocol and in Neon's words.

use crate::model::{QuotaKind, Refusal};

/// An error with its SQLSTATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMessage {
    pub sqlstate: &'static str,
    pub text: String,
}

impl ErrorMessage {
    fn new(sqlstate: &'static str, text: impl Into<String>) -> Self {
        Self { sqlstate, text: text.into() }
    }

    pub fn no_endpoint() -> Self {
        Self::new(
            "XX000",
            "Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support or pass \
             the endpoint ID (first part of the domain name) as a parameter: '?options=endpoint%3D<endpoint-id>'. \
             See more at https://neon.tech/sni",
        )
    }

    pub fn unknown_endpoint() -> Self {
        let text = "The requested endpoint could not be found, or you don't have access to it. \
                    Please check the provided ID and try again.";
        Self::new("XX000", text)
    }

    pub fn disabled() -> Self {
        Self::new("XX000", "The endpoint has been disabled. Enable it using Neon API and retry.")
    }

    /// The text and SQLSTATE that users of Neon see.
    pub fn quota_exceeded(kind: QuotaKind) -> Self {
        Self::new("53000", kind.message())
    }

    pub fn wrong_password(user: &str) -> Self {
        Self::new("28P01", format!("password authentication failed for user '{user}'"))
    }

    pub fn unknown_database(database: &str) -> Self {
        Self::new("3D000", format!("database \"{database}\" does not exist"))
    }

    pub fn too_many_connections() -> Self {
        Self::new("53300", "too many connections to the proxy: close some, or start the emulator with a higher limit")
    }

    pub fn protocol(text: impl Into<String>) -> Self {
        Self::new("08P01", text)
    }

    pub fn shutting_down() -> Self {
        Self::new("57P01", "terminating connection due to administrator command")
    }

    pub fn internal() -> Self {
        Self::new("XX000", "Couldn't connect to compute node")
    }

    /// The bytes of an ErrorResponse.
    pub fn bytes(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (kind, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', self.sqlstate), (b'M', &self.text)] {
            fields.push(kind);
            fields.extend_from_slice(text.as_bytes());
            fields.push(0);
        }
        fields.push(0);
        framed(b'E', &fields)
    }
}

impl From<Refusal> for ErrorMessage {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(_) => Self::unknown_endpoint(),
            Refusal::Disabled => Self::disabled(),
            Refusal::QuotaExceeded(kind) => Self::quota_exceeded(kind),
            refusal => {
                tracing::error!(error = %refusal, "an endpoint could not be woken");
                Self::internal()
            }
        }
    }
}

/// A message with its type and length.
pub fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind], &length.to_be_bytes()[..], body].concat()
}
