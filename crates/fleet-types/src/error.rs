//! What can go wrong, in words a person may read. Inner errors are turned into this at the edge and never leak through it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AppError {
    #[error("You are not signed in. Sign in and try again.")]
    NotSignedIn,
    #[error("{0}")]
    Forbidden(String),
    #[error("{0} was not found.")]
    NotFound(String),
    #[error("{message}")]
    Invalid { field: String, message: String },
    #[error("{0}")]
    Conflict(String),
    /// Beyond a limit that holds for this caller alone.
    #[error("{message}")]
    TooMany { message: String, retry_after_seconds: u32 },
    #[error("{message}")]
    Busy { message: String, retry_after_seconds: u32 },
    /// The cause is in the server's log under this reference.
    #[error(
        "Something went wrong on our side. Try again; if it stays, quote reference {reference} to whoever runs this console."
    )]
    Internal { reference: String },
    /// The server could not be reached or its answer could not be read: seen in the browser only.
    #[error("The server did not answer. Check the connection and try again.")]
    Unreachable,
}

impl AppError {
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// Its kind in a word, for addresses: whoever opens one translates it, so nobody can put words into our mouth.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSignedIn => "signed-out",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not-found",
            Self::Invalid { .. } => "invalid",
            Self::Conflict(_) => "conflict",
            Self::TooMany { .. } => "too-many",
            Self::Busy { .. } => "busy",
            Self::Internal { .. } => "internal",
            Self::Unreachable => "unreachable",
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotSignedIn => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Invalid { .. } => 422,
            Self::Conflict(_) => 409,
            Self::TooMany { .. } => 429,
            Self::Busy { .. } => 503,
            Self::Internal { .. } => 500,
            Self::Unreachable => 502,
        }
    }
}

#[cfg(feature = "server-fn")]
impl server_fn::error::FromServerFnError for AppError {
    type Encoder = server_fn::codec::JsonEncoding;

    fn from_server_fn_error(error: server_fn::error::ServerFnErrorErr) -> Self {
        use server_fn::error::ServerFnErrorErr;
        match error {
            ServerFnErrorErr::Args(text) | ServerFnErrorErr::MissingArg(text) => unreadable_form(&text),
            // On the server only a request is read so far; in the browser it is the answer.
            ServerFnErrorErr::Deserialization(text) if cfg!(not(target_family = "wasm")) => unreadable_form(&text),
            _ => Self::Unreachable,
        }
    }
}

#[cfg(feature = "server-fn")]
fn unreadable_form(text: &str) -> AppError {
    let super::Misread { field, message } = super::Misread::of(text);
    match field {
        Some(field) => AppError::invalid(field.clone(), format!("“{field}” in the form: {message}")),
        None => AppError::invalid(
            "form",
            format!("What was sent cannot be read. {message} Load the page again and repeat what you did there."),
        ),
    }
}
