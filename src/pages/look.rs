//! What states look like: tone, icon and word, decided here and nowhere else.

use leptos::prelude::*;

use crate::components::{Badge, Glyph, Tone};
use fleet_types::{
    BlockReason, CheckVerdict, DatabaseRow, DatabaseState, EndpointState, Finding, FindingKind, FindingStatus,
    StatusLevel, Storage, bytes,
};

/// Tone, icon and word of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub tone: Tone,
    pub glyph: Glyph,
    pub word: &'static str,
}

const fn look(tone: Tone, glyph: Glyph, word: &'static str) -> Look {
    Look { tone, glyph, word }
}

pub fn of_state(state: DatabaseState) -> Look {
    match state {
        DatabaseState::Requested => look(Tone::Accent, Glyph::Clock, "requested"),
        DatabaseState::Creating => look(Tone::Accent, Glyph::Refresh, "creating"),
        DatabaseState::Verifying => look(Tone::Accent, Glyph::Eye, "verifying"),
        DatabaseState::Available => look(Tone::Good, Glyph::Check, "available"),
        DatabaseState::Withheld => look(Tone::Warning, Glyph::Pause, "withheld"),
        DatabaseState::Claimed => look(Tone::Neutral, Glyph::User, "claimed"),
        DatabaseState::Releasing => look(Tone::Warning, Glyph::Trash, "releasing"),
        DatabaseState::Deleted => look(Tone::Neutral, Glyph::Cross, "deleted"),
        DatabaseState::Failed => look(Tone::Bad, Glyph::Alert, "failed"),
    }
}

/// The colour of a state in the bar of all states.
pub fn bar_class(state: DatabaseState) -> &'static str {
    match state {
        DatabaseState::Requested => "text-chart-3",
        DatabaseState::Creating => "text-chart-3",
        DatabaseState::Verifying => "text-chart-4",
        DatabaseState::Available => "text-success",
        DatabaseState::Withheld => "text-warning",
        DatabaseState::Claimed => "text-primary",
        DatabaseState::Releasing => "text-warning",
        DatabaseState::Deleted => "text-base-content/30",
        DatabaseState::Failed => "text-error",
    }
}

pub fn of_endpoint(state: EndpointState) -> Look {
    match state {
        EndpointState::Init => look(Tone::Accent, Glyph::Refresh, "starting"),
        EndpointState::Active => look(Tone::Good, Glyph::Bolt, "active"),
        EndpointState::Idle => look(Tone::Neutral, Glyph::Moon, "idle"),
    }
}

pub fn of_level(level: StatusLevel) -> Look {
    match level {
        StatusLevel::Good => look(Tone::Good, Glyph::Check, "All good"),
        StatusLevel::Warning => look(Tone::Warning, Glyph::Alert, "Warning"),
        StatusLevel::Bad => look(Tone::Bad, Glyph::Block, "Problem"),
    }
}

pub fn of_finding(finding: &Finding) -> Look {
    let (tone, glyph) = match finding.status {
        // Nobody has to decide about it; somebody may.
        FindingStatus::NeedsOperator if finding.kind == FindingKind::Stray => {
            return look(Tone::Neutral, Glyph::Info, "not ours");
        }
        FindingStatus::Suspected => (Tone::Neutral, Glyph::Eye),
        FindingStatus::Quarantined => (Tone::Warning, Glyph::Clock),
        FindingStatus::Acting => (Tone::Accent, Glyph::Refresh),
        FindingStatus::NeedsOperator => (Tone::Bad, Glyph::User),
        FindingStatus::Ignored => (Tone::Neutral, Glyph::Pause),
        FindingStatus::Resolved => (Tone::Good, Glyph::Check),
    };
    look(tone, glyph, finding.status.label())
}

pub fn of_kind(kind: FindingKind) -> Look {
    let (tone, glyph) = match kind {
        FindingKind::Ghost => (Tone::Bad, Glyph::Alert),
        FindingKind::Drifted | FindingKind::HalfBorn => (Tone::Warning, Glyph::Alert),
        FindingKind::Zombie | FindingKind::Orphan | FindingKind::Twin => (Tone::Warning, Glyph::Box),
        FindingKind::Stray => (Tone::Neutral, Glyph::Info),
    };
    look(tone, glyph, kind.as_str())
}

/// Of a run of a duty, as the engine reports it.
pub fn of_outcome(outcome: &str) -> Look {
    match outcome {
        "done" => look(Tone::Good, Glyph::Check, "done"),
        "idle" => look(Tone::Neutral, Glyph::Moon, "nothing to do"),
        "partial" => look(Tone::Warning, Glyph::Alert, "partly done"),
        "failed" => look(Tone::Bad, Glyph::Block, "failed"),
        _ => look(Tone::Neutral, Glyph::Info, "unknown"),
    }
}

pub fn of_check(verdict: CheckVerdict) -> Look {
    match verdict {
        CheckVerdict::Holds => look(Tone::Good, Glyph::Check, "holds"),
        CheckVerdict::Unknown => look(Tone::Warning, Glyph::Info, "unknown"),
        CheckVerdict::Violated => look(Tone::Bad, Glyph::Block, "violated"),
    }
}

#[component]
pub fn LookBadge(look: Look) -> impl IntoView {
    view! { <Badge tone=look.tone glyph=look.glyph text=look.word /> }
}

#[component]
pub fn StateBadge(state: DatabaseState) -> impl IntoView {
    view! { <LookBadge look=of_state(state) /> }
}

#[component]
pub fn BlockBadge(reason: BlockReason) -> impl IntoView {
    view! { <Badge tone=Tone::Bad glyph=Glyph::Block text=reason.label() /> }
}

/// All that is worth a badge: state, endpoint, block, a pending change, and that it is simulated.
#[component]
pub fn RowBadges(row: DatabaseRow) -> impl IntoView {
    let endpoint = row.endpoint.filter(|_| row.state == DatabaseState::Claimed);
    view! {
        <span class="inline-flex flex-wrap items-center gap-1">
            <StateBadge state=row.state />
            {endpoint.map(|endpoint| view! { <LookBadge look=of_endpoint(endpoint) /> })}
            {row.block.map(|reason| view! { <BlockBadge reason /> })}
            {row.pending.then(|| view! { <Badge tone=Tone::Accent glyph=Glyph::Clock text="change pending" /> })}
        </span>
    }
}

/// How full a quota is.
pub fn of_share(used: f64, limit: Option<f64>) -> Tone {
    match limit.filter(|limit| *limit > 0.0).map(|limit| used / limit) {
        None => Tone::Neutral,
        Some(share) if share >= 1.0 => Tone::Bad,
        Some(share) if share >= 0.8 => Tone::Warning,
        Some(_) => Tone::Accent,
    }
}

/// The storage used, and of what: `98.4 GiB`, `of 100 GiB`. What data and history take together is no size of the storage: where that is all that is
/// known, it bounds the share of the quota and stands as itself elsewhere.
pub fn storage_text(storage: Storage, quota: Option<i64>) -> (String, String) {
    let not_measured = || String::from("not measured");
    let Some(quota) = quota else {
        let used = if let Storage::Used(size) = storage { bytes(size) } else { not_measured() };
        return (used, String::from("(no limit)"));
    };
    match storage {
        Storage::Used(size) => (bytes(size), format!("of {}", bytes(quota))),
        Storage::AtMost(size) => {
            (format!("under {} %", size.max(0) * 100 / quota.max(1) + 1), format!("of {}", bytes(quota)))
        }
        Storage::Unknown => (not_measured(), format!("(quota {})", bytes(quota))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_warns_before_it_blocks() {
        assert_eq!(of_share(79.0, Some(100.0)), Tone::Accent);
        assert_eq!(of_share(80.0, Some(100.0)), Tone::Warning);
        assert_eq!(of_share(100.0, Some(100.0)), Tone::Bad);
        assert_eq!(of_share(1e12, None), Tone::Neutral);
    }

    #[test]
    fn a_size_with_history_is_never_told_as_the_storage_used() {
        let text = |storage, quota| {
            let (used, of) = storage_text(storage, quota);
            format!("{used} {of}")
        };
        assert_eq!(text(Storage::Used(512), Some(1_024)), "512 B of 1 KiB");
        assert_eq!(text(Storage::AtMost(512), Some(1_024)), "under 51 % of 1 KiB");
        assert_eq!(text(Storage::AtMost(0), Some(1_024)), "under 1 % of 1 KiB");
        assert_eq!(text(Storage::AtMost(512), None), "not measured (no limit)");
        assert_eq!(text(Storage::Unknown, Some(1_024)), "not measured (quota 1 KiB)");
    }
}
