//! What came of one check.

/// How Neon's answer compares with what Flotilla, and its emulator unless told otherwise, go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    AsExpected,
    Differs,
    /// The row says why.
    NotTried,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::Differs => "differs",
            Self::NotTried => "could not be tried",
        }
    }
}

/// Neon's answer, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub is_expected: bool,
    pub answered: String,
    /// The emulator's switch by which it answers so too, as `quota-patch-merges`.
    pub switch: Option<String>,
}

/// Why nothing can be said.
#[derive(Debug)]
pub(super) struct Untried(pub String);

pub(super) type Outcome = Result<Judged, Untried>;

/// Judges an answer.
pub(super) fn judged(is_expected: bool, answered: impl Into<String>) -> Judged {
    Judged { is_expected, answered: answered.into(), switch: None }
}

pub(super) fn untried<T>(why: impl Into<String>) -> Result<T, Untried> {
    Err(Untried(why.into()))
}

impl Judged {
    /// Where it differs, the emulator can do the same.
    pub fn or_with(self, switch: &str) -> Self {
        let switch = (!self.is_expected).then(|| switch.to_owned());
        Self { switch, ..self }
    }
}

/// A time as a person reads it.
pub(super) fn in_words(time: std::time::Duration) -> String {
    match time.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
