//! Events in a row: who did what, why, and what it changed.

use leptos::prelude::*;

use super::changes::Changes;
use super::path;
use super::user_text::UserText;
use crate::components::{EmptyState, Glyph, Icon, Timestamp, Tone};
use fleet_types::{Event, PoolRange, grouped};

/// Newest first.
#[component]
pub fn History(
    events: Vec<Event>,
    /// Whether each line says which database or pool it is about.
    #[prop(default = false)]
    with_subject: bool,
) -> impl IntoView {
    if events.is_empty() {
        return view! { <EmptyState glyph=Glyph::Clock title="Nothing has happened yet" /> }.into_any();
    }
    let lines = events.into_iter().map(|event| view! { <EventLine event with_subject /> }).collect_view();
    view! { <ol class="divide-y divide-base-300">{lines}</ol> }.into_any()
}

#[component]
fn EventLine(event: Event, with_subject: bool) -> impl IntoView {
    let (tone, glyph) = mark(&event.kind);
    let changes = view! { <Changes event=event.clone() /> };
    let subject = with_subject.then(|| subject(&event));
    view! {
        <li class="flex gap-3 px-4 py-2.5">
            <span class=format!("mt-0.5 shrink-0 {}", tone.text())>
                <Icon glyph />
            </span>
            <div class="min-w-0 flex-1">
                <p class="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                    <span class="min-w-0 break-words">
                        <span class="font-medium">{words(&event.kind)}</span>
                        " "
                        {subject}
                    </span>
                    <span class="text-xs text-muted">
                        <Timestamp at=event.at />
                    </span>
                </p>
                <p class="text-xs break-words text-muted"><UserText text=who(&event) /></p>
                {(event.times > 1)
                    .then(|| view! { <p class="text-xs text-muted">{grouped(event.times)} " times since " <Timestamp at=event.first_at /></p> })}
                {event.reason.map(|reason| view! { <p class="mt-1 text-sm break-words">"“" <UserText text=reason /> "”"</p> })}
                {changes}
            </div>
        </li>
    }
}

fn subject(event: &Event) -> AnyView {
    match (event.database_id, &event.pool) {
        (Some(id), _) => view! { <a class="text-link" href=path::database(id)>{short(id)}</a> }.into_any(),
        (None, Some(pool)) => {
            view! { <a class="text-link" href=path::pool(pool, PoolRange::default())><UserText text=pool.clone() /></a> }.into_any()
        }
        (None, None) => ().into_any(),
    }
}

/// The end of an id: version 7 ids begin with the time, so that neighbours look alike at the front.
pub fn short(id: uuid::Uuid) -> String {
    format!("…{}", &id.simple().to_string()[20..])
}

/// `database.suspend_timeout` → `Suspend timeout`; a few kinds have words of their own.
fn words(kind: &str) -> String {
    match kind {
        "database.state" => return String::from("State changed"),
        "database.quota" => return String::from("Quota changed"),
        "database.release_refused" => return String::from("Deletion refused"),
        "database.looked_into" => return String::from("Looked into"),
        "database.deletion_cleared" => return String::from("May be deleted anyway"),
        "database.reveal" | "database.revealed" | "database.credentials_disclosed" => {
            return String::from("Credentials shown");
        }
        "database.credentials_changed" => return String::from("Password changed on Neon"),
        "database.given_back" | "database.taken_back" => return String::from("Given back to its owner"),
        "database.rotate_password" => return String::from("Password rotation asked for"),
        "database.claim" | "database.claimed" => return String::from("Claimed"),
        "owner.changed" => return String::from("Owner changed"),
        "claim.waiting" => return String::from("Claim waits"),
        "claim.cancelled" => return String::from("Claim cancelled"),
        "token.created" => return String::from("Token made"),
        "token.replaced" => return String::from("Token replaced"),
        "token.revoked" => return String::from("Token revoked"),
        "operator.link" => return String::from("Sign-in link made"),
        "pool.target" => return String::from("Target set"),
        "finding.delete" => return String::from("Unknown project deleted on Neon"),
        "finding.reapplied" | "database.quota_reapplied" => return String::from("Quota sent to Neon again"),
        "finding.accepted" => return String::from("Neon's quota accepted"),
        "finding.recovered" => return String::from("Project recovered on Neon"),
        "finding.ignored" => return String::from("Finding ignored"),
        "finding.looked_again" => return String::from("Finding no longer ignored"),
        "finding.replaced" => return String::from("Replaced"),
        "reconcile.brake" => return String::from("Brake on: too much looked wrong at once"),
        "pool.policy" => return String::from("Policy changed"),
        "pool.schedule" => return String::from("Schedule changed"),
        "pool.template" | "database.template" => return String::from("Template changed"),
        "pool.rolled_out" => return String::from("Template rolled out"),
        "plan.created" => return String::from("Plan made"),
        "plan.changed" => return String::from("Plan changed"),
        "plan.deleted" => return String::from("Plan deleted"),
        "plan.rolled_out" => return String::from("Plan rolled out"),
        "plan.roll_out_stopped" => return String::from("Roll-out of a plan stopped"),
        "plan.roll_out_resumed" => return String::from("Roll-out of a plan resumed"),
        "database.plan" => return String::from("Brought to its plan"),
        "database.override_ended" => return String::from("Override ended"),
        "database.override_expired" => return String::from("Override ended by itself"),
        _ => {}
    }
    let text = kind.rsplit('.').next().unwrap_or(kind).replace('_', " ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn mark(kind: &str) -> (Tone, Glyph) {
    let has = |part: &str| kind.contains(part);
    if has("fail") || has("denied") || has("breaker") || kind == "reconcile.brake" {
        (Tone::Bad, Glyph::Alert)
    } else if has("claim") {
        (Tone::Good, Glyph::User)
    } else if has("quota")
        || has("target")
        || has("timeout")
        || has("compute")
        || has("policy")
        || has("schedule")
        || has("template")
        || has("plan")
        || has("override")
    {
        (Tone::Accent, Glyph::Pencil)
    } else if has("reveal") || has("credentials") || has("password") {
        (Tone::Warning, Glyph::Eye)
    } else if has("suspend") || has("pause") {
        (Tone::Neutral, Glyph::Pause)
    } else if has("resume") {
        (Tone::Neutral, Glyph::Play)
    } else if has("release") || has("delete") {
        (Tone::Warning, Glyph::Trash)
    } else {
        (Tone::Neutral, Glyph::ArrowRight)
    }
}

/// By whom and which way, without saying it twice.
fn who(event: &Event) -> String {
    let way = via(&event.via);
    if way.ends_with(event.actor.as_str()) { format!("by {way}") } else { format!("{} via {way}", event.actor) }
}

fn via(via: &str) -> &str {
    match via {
        "api" => "the API",
        "console" => "the console",
        "engine" => "the engine",
        "cli" => "the command line",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_become_words() {
        assert_eq!(words("database.suspend_timeout"), "Suspend timeout");
        assert_eq!(words("operator.signed_in"), "Signed in");
        assert_eq!(words("database.quota"), "Quota changed");
        assert_eq!(words(""), "");
    }
}
