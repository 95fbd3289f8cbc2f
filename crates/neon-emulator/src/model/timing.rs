//! How long things take: measured on Neon, multiplied by the scales of the configuration.

use chrono::TimeDelta;

use super::Action;

/// Neon's suspend timeout where a project says 0.
const DEFAULT_SUSPEND_SECONDS: i64 = 300;

#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub operation_scale: f64,
    pub suspend_scale: f64,
    /// How long after its quota was exceeded a project is suspended.
    pub quota_lag: TimeDelta,
}

impl Timing {
    /// How long an operation runs.
    pub fn duration(&self, action: Action) -> TimeDelta {
        let milliseconds = match action {
            Action::CreateTimeline => 3_100.0,
            Action::FirstStart => 1_700.0,
            Action::StartCompute => 900.0,
            Action::Wake => 500.0,
            Action::SuspendCompute | Action::DeleteTimeline => 300.0,
            Action::CreateBranch => 136.0,
            Action::CheckAvailability => 100.0,
            Action::ApplyConfig | Action::ApplyStorageConfig => 70.0,
        };
        scaled(milliseconds, self.operation_scale)
    }

    /// How long a compute may stand without connections; none means for ever.
    pub fn idle_timeout(&self, suspend_seconds: i64) -> Option<TimeDelta> {
        let seconds = match suspend_seconds {
            ..0 => return None,
            0 => DEFAULT_SUSPEND_SECONDS,
            given => given,
        };
        let milliseconds = (seconds * 1_000) as f64;
        Some(scaled(milliseconds, self.suspend_scale))
    }
}

fn scaled(milliseconds: f64, scale: f64) -> TimeDelta {
    let microseconds = (milliseconds * 1_000.0 * scale.max(0.0)) as i64;
    TimeDelta::microseconds(microseconds)
}
