//! One check: what is tried, what Neon documents about it and where, and the try with its judgement.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::Instant;

use super::{
    trial::Trial,
    verdict::{Outcome, Untried, Verdict},
};

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

pub(super) struct Check {
    pub name: &'static str,
    pub tried: &'static str,
    /// What Flotilla goes by, and what speaks for it.
    pub documented: &'static str,
    /// Where: a call of Neon's OpenAPI document, a page below neon.com/docs, or nowhere.
    pub source: &'static str,
    pub run: for<'a> fn(&'a mut Trial) -> Running<'a>,
}

/// A line of the report.
#[derive(Clone, Debug)]
pub struct CheckRow {
    pub name: &'static str,
    pub tried: &'static str,
    pub documented: &'static str,
    pub source: &'static str,
    /// What Neon answered, or why that is not known. Holds no secret.
    pub answered: String,
    pub verdict: Verdict,
    pub took: Duration,
    /// The switch of neon-emulator that makes it answer so too, where it differs.
    pub emulator_switch: Option<String>,
}

impl Check {
    pub async fn row(&self, trial: &mut Trial) -> CheckRow {
        let start = Instant::now();
        let (verdict, answered, emulator_switch) = match (self.run)(trial).await {
            Ok(judged) if judged.is_expected => (Verdict::AsExpected, judged.answered, None),
            Ok(judged) => (Verdict::Differs, judged.answered, judged.switch),
            Err(Untried(why)) => (Verdict::NotTried, why, None),
        };
        let answered = trial.shown(&answered);
        let Self { name, tried, documented, source, .. } = *self;
        CheckRow { name, tried, documented, source, answered, verdict, took: start.elapsed(), emulator_switch }
    }
}
