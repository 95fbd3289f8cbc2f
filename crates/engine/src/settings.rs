//! How long things take until they count. Fixed for production; tests shorten them.

use std::time::Duration;

use ledger::FindingRules;

/// The engine's times and caps.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Between the end of a sweep over Neon's list and the next, at least.
    pub sweep_rest: Duration,
    pub findings: FindingRules,
    /// A project that was just made, or looked into, is active by itself for so long: its compute starts, and is suspended after five minutes.
    pub own_activity_lasts: Duration,
    /// How often the mark on Neon is renewed: two calls.
    pub mark_every: Duration,
    /// A creation that failed stays for so long as it is, for whoever wants to look at its project; then the project is deleted.
    pub failed_kept_for: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            sweep_rest: Duration::from_secs(60),
            findings: FindingRules {
                sweeps_to_confirm: 2,
                quarantine: 3_600.0,
                grace: 120.0,
                drift_settles: 600.0,
                stuck_after: 3_600.0,
                drift_tries: 3,
                drift_memory: 7.0 * 86_400.0,
                reapplies: true,
                sweep_is_fresh: 3_600.0,
                cap_least: 10,
                cap_share: 0.001,
                cap_day: 50,
                own_activity: 120.0,
            },
            own_activity_lasts: Duration::from_secs(600),
            mark_every: Duration::from_secs(30),
            failed_kept_for: Duration::from_secs(900),
        }
    }
}
