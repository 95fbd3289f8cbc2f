//! One sentence that answers "is it all right?", and why. It tells apart what looks the same from outside: scaled to zero,
//! stopped by a quota, full, switched off, suspended on purpose.

use leptos::prelude::*;

use super::finding::{Decisive, Found, decisive};
use crate::components::{Glyph, Icon, Timestamp, Tone};
use crate::pages::user_text::UserText;
use fleet_types::{
    BlockReason, DatabaseDetail, DatabaseState, EndpointAction, EndpointState, Storage, bytes, duration,
};

#[derive(Clone, Debug, PartialEq)]
struct Verdict {
    tone: Tone,
    glyph: Glyph,
    sentence: &'static str,
    why: String,
}

fn verdict(tone: Tone, glyph: Glyph, sentence: &'static str, why: impl Into<String>) -> Verdict {
    Verdict { tone, glyph, sentence, why: why.into() }
}

fn judge(detail: &DatabaseDetail) -> Verdict {
    match detail.row.state {
        DatabaseState::Requested => {
            verdict(Tone::Accent, Glyph::Clock, "It is about to be created.", "The engine asks Neon for it next.")
        }
        DatabaseState::Creating => {
            verdict(Tone::Accent, Glyph::Refresh, "It is being created.", "Neon is making the project.")
        }
        DatabaseState::Verifying => verdict(
            Tone::Accent,
            Glyph::Eye,
            "It is being verified.",
            "It exists; the engine makes sure that it can be connected to before it is offered.",
        ),
        DatabaseState::Available => verdict(
            Tone::Good,
            Glyph::Check,
            "It is ready and waits to be claimed.",
            format!("It stands in pool {} and belongs to nobody yet.", detail.row.pool),
        ),
        DatabaseState::Releasing if detail.release_refused_at.is_some() => verdict(
            Tone::Bad,
            Glyph::Alert,
            "It is released, and not deleted.",
            "Its project stays on Neon, and costs, until the cause is removed. If a branch is protected, take the protection off on Neon's console; then try again below, or wait for the engine to do so. If something has been made in it, find out whose it is; if it may go, release it once more and choose to delete it anyway.",
        ),
        DatabaseState::Withheld => verdict(
            Tone::Warning,
            Glyph::Pause,
            "It is withheld: it is not handed out by itself.",
            detail.withheld_reason.clone().unwrap_or_default(),
        ),
        DatabaseState::Releasing => verdict(
            Tone::Warning,
            Glyph::Trash,
            "It is being deleted.",
            "It was released; the engine deletes it on Neon.",
        ),
        DatabaseState::Deleted => verdict(Tone::Neutral, Glyph::Trash, "It is deleted.", recoverable(detail)),
        DatabaseState::Failed => verdict(
            Tone::Bad,
            Glyph::Alert,
            "Its creation failed; it was never handed out.",
            format!("The pool has replaced it. After {} attempts Neon said: {}", detail.attempts, last_error(detail)),
        ),
        DatabaseState::Claimed => match detail.row.block {
            Some(reason) => blocked(detail, reason),
            None => in_use(detail),
        },
    }
}

fn blocked(detail: &DatabaseDetail, reason: BlockReason) -> Verdict {
    let (quota, usage) = (&detail.quota, &detail.usage);
    let sizes = |used: i64, limit: Option<i64>| {
        format!("{} of {}", bytes(used), limit.map_or_else(|| String::from("no limit"), bytes))
    };
    let times = |used: i64, limit: Option<i64>| {
        format!("{} of {}", duration(used), limit.map_or_else(|| String::from("no limit"), duration))
    };
    let stopped = |what: &str, used: String| {
        verdict(
            Tone::Bad,
            Glyph::Block,
            "It is stopped and cannot be started.",
            format!(
                "The {what} quota of this billing period is used up: {used}. Raise that quota, or it starts again when the period ends."
            ),
        )
    };
    match reason {
        BlockReason::Storage => verdict(
            Tone::Bad,
            Glyph::Block,
            "It can be read, but writes fail.",
            format!(
                "The storage quota is reached: {}. Raise it, or let the owner delete data.",
                sizes(usage.logical_size_bytes.unwrap_or_default(), quota.logical_size_bytes)
            ),
        ),
        BlockReason::ActiveTime => stopped("active time", times(usage.active_time_seconds, quota.active_time_seconds)),
        BlockReason::ComputeTime => {
            stopped("compute time", times(usage.compute_time_seconds, quota.compute_time_seconds))
        }
        BlockReason::WrittenData => stopped("written data", sizes(usage.written_data_bytes, quota.written_data_bytes)),
        BlockReason::DataTransfer => {
            stopped("data transfer", sizes(usage.data_transfer_bytes, quota.data_transfer_bytes))
        }
        BlockReason::EndpointDisabled => verdict(
            Tone::Bad,
            Glyph::Block,
            "It cannot be connected to.",
            "Its endpoint is switched off on Neon. Switch it on there; no quota is the cause.",
        ),
    }
}

fn in_use(detail: &DatabaseDetail) -> Verdict {
    let quotas = match (detail.row.usage_observed_at, detail.row.storage()) {
        (None, _) => "What it has used has not been read from Neon yet.",
        (Some(_), Storage::Unknown) => "How full its storage is has not been measured yet.",
        (Some(_), _) => "No quota is near its limit.",
    };
    match (detail.row.endpoint, storage_percent(detail)) {
        (_, Some(percent)) if percent >= 80 => verdict(
            Tone::Warning,
            Glyph::Alert,
            "It works, but its storage is nearly full.",
            format!("{percent} % of the storage quota is used. At 100 % writes fail."),
        ),
        (None, _) => verdict(
            Tone::Neutral,
            Glyph::Info,
            "Nothing is known to be wrong.",
            "Neon has not yet been asked how it is. Refresh it to know.",
        ),
        (Some(EndpointState::Active), _) => verdict(Tone::Good, Glyph::Check, "It is healthy and running.", quotas),
        (Some(EndpointState::Init), _) => {
            verdict(Tone::Accent, Glyph::Refresh, "It is starting.", "The next connection is answered within seconds.")
        }
        (Some(EndpointState::Idle), _) => verdict(
            Tone::Good,
            Glyph::Moon,
            "It is healthy and scaled to zero.",
            format!("Nobody is connected. The next connection wakes it by itself. {quotas}"),
        ),
    }
}

fn storage_percent(detail: &DatabaseDetail) -> Option<i64> {
    let limit = detail.quota.logical_size_bytes.filter(|limit| *limit > 0)?;
    Some((detail.row.logical_size_bytes? as f64 * 100.0 / limit as f64) as i64)
}

fn recoverable(detail: &DatabaseDetail) -> String {
    match detail.recoverable_until {
        Some(until) => format!(
            "Neon keeps it until {}. Recover its project there, and the next complete sweep sees it: then it can be given back to its owner here.",
            crate::components::utc_text(until)
        ),
        None => String::from("It can no longer be recovered."),
    }
}

fn last_error(detail: &DatabaseDetail) -> &str {
    detail.last_error.as_deref().unwrap_or("nothing more is known.")
}

#[component]
pub fn VerdictNotice(detail: DatabaseDetail) -> impl IntoView {
    let answer = match decisive(&detail) {
        Some(finding) => view! { <Decisive finding state=detail.row.state /> }.into_any(),
        None => view! { <Judged detail=detail.clone() /> }.into_any(),
    };
    view! {
        {answer}
        <Pending detail />
    }
}

#[component]
fn Judged(detail: DatabaseDetail) -> impl IntoView {
    let Verdict { tone, glyph, sentence, why } = judge(&detail);
    let period_end = detail.period_end.filter(|_| {
        detail.row.block.is_some_and(|reason| !matches!(reason, BlockReason::Storage | BlockReason::EndpointDisabled))
    });
    let blocked_since = detail.row.blocked_since.filter(|_| detail.row.state == DatabaseState::Claimed);
    view! {
        <div class=format!("{} items-start", tone.alert())>
            <Icon glyph class="mt-0.5 size-5 shrink-0" />
            <div class="min-w-0 text-base-content">
                <p class="font-semibold">{sentence}</p>
                <p class="text-sm break-words">
                    {blocked_since.map(|at| view! { "First seen " <Timestamp at /> ". " })} <UserText text=why />
                    {period_end.map(|at| view! { " The period ends " <Timestamp at /> "." })}
                </p>
            </div>
        </div>
        {detail.finding.map(|finding| view! { <Found finding /> })}
    }
}

/// A change that Neon has not confirmed yet, and what stands in its way.
#[component]
fn Pending(detail: DatabaseDetail) -> impl IntoView {
    let is_kept_trying = detail.row.state != DatabaseState::Failed;
    let requested = match detail.wanted_endpoint {
        Some(EndpointAction::Suspend) => Some("It is being suspended."),
        Some(EndpointAction::Resume) => Some("It is being resumed."),
        None if detail.row.pending => Some("A change is on its way to Neon."),
        None => None,
    };
    let error = detail.last_error.filter(|_| is_kept_trying).map(|error| {
        let at = detail.last_error_at.map(|at| view! { <Timestamp at /> });
        let next = detail.next_attempt_at.map(|at| view! { " Tried again " <Timestamp at /> "." });
        view! {
            <p class="text-sm break-words">
                "The last attempt failed " {at} ": " <UserText text=error /> " " {format!("({} so far.)", detail.attempts)} {next}
            </p>
        }
    });
    let tone = if error.is_some() { Tone::Warning } else { Tone::Accent };
    (requested.is_some() || error.is_some()).then(|| {
        view! {
            <div class=format!("{} items-start", tone.alert()) role="status">
                <Icon glyph=Glyph::Clock class="mt-0.5 size-5 shrink-0" />
                <div class="min-w-0 text-base-content">
                    <p class="font-semibold">{requested.unwrap_or("The engine goes on trying.")}</p>
                    {error}
                </div>
            </div>
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_types::{DatabaseRow, Owner, Quota, Time, Usage};

    fn claimed() -> DatabaseDetail {
        let at: Time = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let owner = Owner {
            id: String::from("u-1"),
            email: String::from("a@example.com"),
            organisation: None,
            plan: String::from("free"),
        };
        DatabaseDetail {
            row: DatabaseRow {
                id: uuid::Uuid::nil(),
                state: DatabaseState::Claimed,
                simulated: false,
                pool: String::from("eu"),
                region: String::from("aws-eu-central-1"),
                neon_project_id: None,
                owner: Some(owner),
                endpoint: Some(EndpointState::Idle),
                block: None,
                blocked_since: None,
                logical_size_bytes: None,
                size_measured_at: None,
                synthetic_size_bytes: None,
                quota_logical_size_bytes: None,
                requested_at: at,
                claimed_at: Some(at),
                last_active_at: None,
                observed_at: None,
                usage_observed_at: None,
                pending: false,
            },
            state_since: at,
            pg_version: 17,
            neon_project_name: String::from("flotilla-1"),
            neon_branch_id: None,
            neon_endpoint_id: None,
            host: None,
            database_name: None,
            role_name: None,
            withheld_reason: None,
            credentials_verified_at: None,
            credentials_changed_at: None,
            quota_revision: 0,
            available_at: None,
            deleted_at: None,
            recoverable_until: None,
            release_refused_at: None,
            quota: Quota::default(),
            usage: Usage::default(),
            period_start: None,
            period_end: None,
            finding: None,
            min_cu: 0.25,
            max_cu: 0.25,
            suspend_timeout_seconds: 0,
            history_retention_seconds: None,
            overrides: Vec::new(),
            plans: Vec::new(),
            wanted_endpoint: None,
            last_error: None,
            last_error_at: None,
            next_attempt_at: None,
            attempts: 0,
            events: Vec::new(),
            as_of: at,
        }
    }

    #[test]
    fn scaled_to_zero_is_healthy() {
        let verdict = judge(&claimed());
        assert_eq!(verdict.tone, Tone::Good);
        assert!(verdict.why.contains("wakes it by itself"));
    }

    #[test]
    fn a_full_one_is_told_apart_from_a_stopped_one() {
        let mut full = claimed();
        full.row.block = Some(BlockReason::Storage);
        assert_eq!(judge(&full).sentence, "It can be read, but writes fail.");
        let mut stopped = claimed();
        stopped.row.block = Some(BlockReason::ComputeTime);
        stopped.quota.compute_time_seconds = Some(3_600);
        stopped.usage.compute_time_seconds = 3_600;
        assert_eq!(judge(&stopped).sentence, "It is stopped and cannot be started.");
        assert!(judge(&stopped).why.contains("1 h of 1 h"));
    }

    #[test]
    fn a_nearly_full_one_warns() {
        let mut detail = claimed();
        detail.quota.logical_size_bytes = Some(1_000);
        detail.row.logical_size_bytes = Some(799);
        assert_eq!(judge(&detail).tone, Tone::Good);
        detail.row.logical_size_bytes = Some(800);
        assert_eq!(judge(&detail).tone, Tone::Warning);
    }

    #[test]
    fn data_and_history_over_the_quota_are_neither_full_nor_fine() {
        let mut detail = claimed();
        detail.quota.logical_size_bytes = Some(1_000);
        detail.row.quota_logical_size_bytes = Some(1_000);
        detail.row.usage_observed_at = Some(detail.as_of);
        detail.row.synthetic_size_bytes = Some(4_000);
        let verdict = judge(&detail);
        assert_eq!(verdict.tone, Tone::Good);
        assert!(verdict.why.contains("has not been measured yet"), "{}", verdict.why);
        detail.row.synthetic_size_bytes = Some(700);
        assert!(judge(&detail).why.contains("No quota is near its limit"));
    }

    #[test]
    fn a_release_that_is_refused_says_what_to_do() {
        let mut detail = claimed();
        detail.row.state = DatabaseState::Releasing;
        assert_eq!(judge(&detail).sentence, "It is being deleted.");
        detail.release_refused_at = Some(detail.as_of);
        assert_eq!(judge(&detail).sentence, "It is released, and not deleted.");
        assert!(judge(&detail).why.contains("take the protection off"));
    }
}
