//! What can come back from Neon instead of an answer, sorted by what a caller must do about it.
//!
//! The one question that matters for a call that changes something: may it have been carried out? Texts are for operators:
//! what happened, what it means, what to do. None contains a key, a password or a connection string.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeonError {
    /// The client cannot be made from these settings.
    #[error("The settings for Neon are wrong: {0}")]
    Misconfigured(String),
    /// No connection: the call was surely not carried out.
    #[error(
        "Neon could not be reached ({cause}), so nothing was changed. Check the network, the name resolution and the address of the Neon API in the settings."
    )]
    Unreachable { cause: String },
    /// Sent, but the answer did not come or broke off: it may have been carried out.
    #[error("Neon's answer was lost ({cause}). The call may have been carried out all the same.")]
    NoAnswer { cause: String },
    /// 423: another operation of this project is running. Not carried out.
    #[error(
        "The project is busy with another operation on Neon, so nothing was changed ({message}). Try again in a few seconds."
    )]
    Locked { message: String },
    /// 429. Not carried out; every call now pauses for a while.
    #[error("Neon asked us to make fewer calls{}. All calls to this account pause; if it happens often, lower the calls per minute in the settings or ask Neon for more.", after(.retry_after))]
    RateLimited { retry_after: Option<Duration> },
    /// 503. Not carried out, by Neon's own word.
    #[error("Neon is not available right now{} ({message}). Nothing was changed; try again soon.", after(.retry_after))]
    Unavailable { retry_after: Option<Duration>, message: String },
    #[error(
        "Neon does not know it (404: {message}). It was deleted there, or it belongs to another organisation than the API key."
    )]
    NotFound { message: String },
    /// 401, 403, or a 404 that says "not allowed", as Neon answers to a key that does not reach far enough.
    #[error(
        "Neon does not accept the API key for this ({status}: {message}). Check that the key is valid and belongs to the right organisation."
    )]
    Unauthorised { status: u16, message: String },
    /// 403 where the plan decides: the key is good, Neon does not offer this.
    #[error("The plan on Neon does not offer this ({message}).")]
    NotOffered { message: String },
    /// A limit of the plan, the organisation or the project.
    #[error("A limit on Neon is reached ({code}: {message}). Raise it at Neon, or free what is no longer needed.")]
    LimitReached { code: String, message: String },
    /// Any other 4xx: wrong as it stands, repeating it will not help.
    #[error("Neon refused the call ({status}{}: {message}){}. Repeating it will not help; change what was asked for, or what stands in its way on Neon.", tagged(.code), request(.request_id))]
    Refused { status: u16, code: String, message: String, request_id: Option<String> },
    /// 5xx but 503: it may have been carried out.
    #[error("Neon failed while working on the call ({status}: {message}){}. It may have been carried out all the same.", request(.request_id))]
    Server { status: u16, message: String, request_id: Option<String> },
    /// A success that cannot be read: it may have been carried out.
    #[error(
        "Neon's answer could not be understood ({detail}). The call may have been carried out. If it stays, check that the address in the settings is that of the Neon API."
    )]
    Garbled { detail: String },
    /// A success in which one record cannot be read: a field is missing, of another kind or out of range. It may have been carried out, and Neon as a whole works.
    #[error(
        "Neon's answer about this cannot be read ({detail}). The call may have been carried out. If it stays, ask Neon."
    )]
    Unreadable { detail: String },
    /// A list without the projects that Neon could not read in time: what is not in it may exist.
    #[error(
        "Neon's list of projects is incomplete: {unavailable} could not be read in time. Try again; until then nothing counts as absent."
    )]
    Incomplete { unavailable: usize },
    /// Our own limit: waiting for a free permit would take longer than the caller may wait. Nothing was sent.
    #[error("The calls that Neon allows per minute are used up; the next call may be made in about {}. Nothing was sent.", seconds(.wait))]
    BudgetExhausted { wait: Duration },
    /// Whoever keeps the account of calls for all replicas does not answer. Nothing was sent.
    #[error(
        "How many calls to Neon may be made now is kept by all replicas together, and that could not be asked ({cause}). Nothing was sent."
    )]
    RateLimiterUnavailable { cause: String },
    /// Our own breaker of this route is open. Nothing was sent.
    #[error("{route} is not called for {}: it failed {failures} times in a row. {cause} Nothing was sent this time; one call then finds out whether it works again.", seconds(.retry_in))]
    CircuitOpen { route: String, retry_in: Duration, failures: u32, cause: String },
}

impl NeonError {
    /// Whether Neon may have done what was asked, so that a call that is not idempotent must not just be repeated.
    pub fn may_have_been_carried_out(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Server { .. } | Self::Garbled { .. } | Self::Unreadable { .. })
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_worth_retrying(&self) -> bool {
        !matches!(
            self,
            Self::Misconfigured(_)
                | Self::NotFound { .. }
                | Self::Unauthorised { .. }
                | Self::NotOffered { .. }
                | Self::LimitReached { .. }
                | Self::Refused { .. }
        )
    }

    /// Neon has understood the call and will not carry it out: repeating it helps only after somebody has changed something there.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NotOffered { .. } | Self::LimitReached { .. } | Self::Refused { .. })
    }

    /// How long Neon, or our own budget, asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::BudgetExhausted { wait } => Some(*wait),
            Self::CircuitOpen { retry_in, .. } => Some(*retry_in),
            _ => None,
        }
    }

    /// By which Neon's support finds the call.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. } | Self::Server { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Not sent, by our own decision: it says nothing new about Neon, and is no fault of what was asked for.
    pub fn is_held_back(&self) -> bool {
        matches!(self, Self::BudgetExhausted { .. } | Self::RateLimiterUnavailable { .. } | Self::CircuitOpen { .. })
    }

    /// Part of normal work: the project is busy, or gone, or the plan is a smaller one. Callers deal with it; nobody has to be told.
    pub fn is_everyday(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::NotFound { .. } | Self::NotOffered { .. })
    }

    /// Whether it says something about Neon as a whole, not about this one call.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoAnswer { .. }
                | Self::Unavailable { .. }
                | Self::Server { .. }
                | Self::Garbled { .. }
                | Self::Unauthorised { .. }
        )
    }
}

fn after(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!(" for {}", seconds(&wait))).unwrap_or_default()
}

fn seconds(wait: &Duration) -> String {
    let seconds = wait.as_secs_f64().ceil().clamp(1.0, 86_400.0) as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn tagged(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

fn request(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default()
}
