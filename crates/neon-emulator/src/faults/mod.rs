//! Faults that can be switched on while the emulator runs: by rules for routes, or by cutting the network.

mod call;
mod lies;
mod rule;
mod target;

pub(crate) use call::{Call, ListPage, id_in_path};
pub(crate) use lies::Lies;
pub use rule::{Fault, Rule};
pub use target::ProjectShare;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Clock;

/// What is cut off from the network: every connection is dropped without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cut {
    pub api: bool,
    pub proxy: bool,
}

/// What goes wrong, all of it: what is not named is well.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub rules: Vec<Rule>,
    pub cut: Cut,
}

/// The switches. Rules apply in their order: delays and lies add up, the first other fault decides.
#[derive(Debug, Default)]
pub struct Faults {
    clock: Clock,
    rules: Mutex<Vec<Rule>>,
    cut: watch::Sender<Cut>,
}

/// What befalls one call.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    delay_ms: u64,
    /// Answered so, with no work done.
    pub instead: Option<Fault>,
    /// Done to the answer, after the work.
    pub after: Option<Fault>,
    /// What the list of projects says wrongly.
    pub lies: Lies,
}

impl Fate {
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

impl Faults {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule) {
        let rule = rule.set_at(self.clock.now());
        self.lock().push(rule);
    }

    /// Puts these rules in place of all others.
    pub fn set(&self, rules: Vec<Rule>) {
        let now = self.clock.now();
        *self.lock() = rules.into_iter().map(|rule| rule.set_at(now)).collect();
    }

    /// Puts all of this in place of what was.
    pub fn switch(&self, switches: Switches) {
        self.set(switches.rules);
        self.cut(switches.cut);
    }

    /// No rules, and the network is there.
    pub fn clear(&self) {
        self.switch(Switches::default());
    }

    /// The rules with what is left of them.
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().clone()
    }

    /// Cuts the network, or lets it be. Connections that are open fall at once.
    pub fn cut(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    pub fn is_cut(&self) -> Cut {
        *self.cut.borrow()
    }

    pub(crate) fn api_is_cut(&self) -> bool {
        self.is_cut().api
    }

    /// Waits until the API is cut off.
    pub(crate) async fn network_is_cut(&self) {
        self.wait_for(|cut| cut.api).await;
    }

    /// Waits until the proxy is cut off.
    pub(crate) async fn proxy_is_cut(&self) {
        self.wait_for(|cut| cut.proxy).await;
    }

    async fn wait_for(&self, is: impl FnMut(&Cut) -> bool) {
        if self.cut.subscribe().wait_for(is).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn decide(&self, call: &Call<'_>) -> Fate {
        let now = self.clock.now();
        let mut fate = Fate::default();
        for rule in self.lock().iter_mut().filter(|rule| rule.concerns(call, now)) {
            let is_decided = fate.instead.is_some() || fate.after.is_some();
            let adds_up = rule.fault.is_lie() || matches!(rule.fault, Fault::Delay { .. });
            if (is_decided && !adds_up) || !rule.strikes(call) {
                continue;
            }
            match &rule.fault {
                Fault::Delay { delay_ms } => fate.delay_ms += delay_ms,
                fault if fault.is_lie() => fate.lies.0.push(rule.clone()),
                fault if fault.spares_the_work() => fate.after = Some(fault.clone()),
                fault => fate.instead = Some(fault.clone()),
            }
        }
        fate
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
