//! What is shown when something cannot be shown: why, and what to do.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_query_map};

use super::{path, user_text::UserText};
use crate::components::{EmptyState, Glyph, Icon};
use fleet_types::AppError;

/// In place of a page or a part of it. On the server it also sets the status of the answer.
#[component]
pub fn Failure(error: AppError) -> impl IntoView {
    set_status(error.status());
    let (glyph, title) = match &error {
        AppError::NotSignedIn => (Glyph::User, "You are not signed in"),
        AppError::Forbidden(_) => (Glyph::Block, "This is not open to your role"),
        AppError::NotFound(_) => (Glyph::Search, "Not found"),
        AppError::Invalid { .. } => (Glyph::Alert, "That cannot be read"),
        AppError::Conflict(_) => (Glyph::Alert, "Not possible right now"),
        AppError::TooMany { .. } => (Glyph::Clock, "Too many at once"),
        AppError::Busy { .. } => (Glyph::Clock, "The ledger is not available right now"),
        AppError::Internal { .. } => (Glyph::Alert, "Something went wrong on our side"),
        AppError::Unreachable => (Glyph::Link, "The server did not answer"),
    };
    let location = use_location();
    let here = move || {
        format!(
            "{}{}",
            location.pathname.get(),
            location.search.with(|search| if search.is_empty() {
                String::new()
            } else {
                format!("?{}", search.trim_start_matches('?'))
            })
        )
    };
    let way_out = match &error {
        AppError::NotSignedIn => {
            view! { <a class="btn btn-primary" href=move || path::sign_in(&here()) rel="external">"Sign in"</a> }
                .into_any()
        }
        AppError::NotFound(_) | AppError::Forbidden(_) => {
            view! { <a class="btn" href=path::FLEET>"To fleet health"</a> }.into_any()
        }
        _ => view! { <a class="btn btn-primary" href=here rel="external">"Try again"</a> }.into_any(),
    };
    view! {
        <Title text=title />
        <div class="mx-auto flex max-w-xl flex-col items-center gap-3 px-4 py-16 text-center" role="alert">
            <span class="grid size-14 place-items-center rounded-full bg-base-200 text-muted">
                <Icon glyph class="size-7" />
            </span>
            <h1 class="text-xl font-semibold">{title}</h1>
            <p class="text-muted"><UserText text=error.to_string() /></p>
            <div class="mt-2">{way_out}</div>
        </div>
    }
}

/// In place of a table whose filter in the URL cannot be read: nothing is shown rather than everything.
#[component]
pub fn UnreadableFilter(message: String, everything: &'static str, text: &'static str) -> impl IntoView {
    set_status(422);
    view! {
        <div class="panel" role="alert">
            <EmptyState glyph=Glyph::Alert title="This filter cannot be read, so nothing is listed">
                <p class="break-words"><UserText text=message /></p>
                <a class="btn btn-sm mt-3" href=everything>
                    {text}
                </a>
            </EmptyState>
        </div>
    }
}

#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! { <Failure error=AppError::NotFound(String::from("This page")) /> }
}

/// A form that was sent before WebAssembly had arrived comes back to its page with the code of the error in the URL.
#[component]
pub fn FormFailure() -> impl IntoView {
    let query = use_query_map();
    let text = move || query.with(|query| explain(query.get_str("error")?, query.get_str("field").unwrap_or_default()));
    view! {
        {move || {
            text()
                .map(|text| {
                    view! {
                        <div class="notice notice-error mb-4" role="alert">
                            <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
                            <p class="text-sm">"Nothing was changed. " {text}</p>
                        </div>
                    }
                })
        }}
    }
}

/// What a code of [`AppError`] means; nothing for a word that is none of ours.
fn explain(code: &str, field: &str) -> Option<&'static str> {
    Some(match code {
        "forbidden" => "Your role does not allow this.",
        "not-found" => "It was not found. Somebody else may have removed it.",
        "invalid" => explain_field(field),
        "conflict" => "It does not fit the state in which this is now. Look at it below and decide again.",
        "too-many" => "That is more than is allowed in this time. Try again later.",
        "busy" => "Flotilla, its ledger or Neon is too busy. Try again in a moment.",
        "internal" | "unreachable" => "Something went wrong on our side. Try again.",
        _ => return None,
    })
}

/// What belongs into a field of our forms.
fn explain_field(field: &str) -> &'static str {
    match field {
        "reason" => "Write a reason of 3 to 500 characters in plain text: it stays in the history.",
        "script" => {
            "Showing a connection string for a limited time needs JavaScript. Wait until the page has loaded, or switch it on, and ask again."
        }
        "confirmation" => "The confirmation must be exactly what the form asks to type.",
        "storage" | "written" | "transfer" => "Write a size such as 512 MiB or 10 GiB, or “unlimited” for no limit.",
        "active_hours" | "compute_hours" => "Write a time in hours such as 100 or 0.5, or “unlimited” for no limit.",
        "target" => "Write the target as a whole number from 0.",
        "seconds" | "suspend_timeout" => "Write the timeout in whole seconds: 0, -1, or 60 to 604,800.",
        "min_cu" | "max_cu" => "Write compute sizes such as 0.25 or 2, the largest not smaller than the smallest.",
        "pg_version" => "Choose a Postgres version from 14 to 18.",
        "cover" => "Write the hours of cover as a number: 4, or 0.5 for half an hour.",
        "floor" | "ceiling" | "step" | "wait" | "amount" => "Write a whole number that fits the others in the form.",
        "days" | "from" | "to" => "Write days as Mon-Fri, daily or 2026-11-27, and times as 08:00 UTC.",
        "label" | "prefix" => "Write a short text of 1 to 100 characters.",
        _ => "A field of the form could not be read. Correct it and send the form again.",
    }
}

/// Sets the HTTP status of the page that is being rendered; does nothing in the browser.
pub fn set_status(code: u16) {
    #[cfg(feature = "ssr")]
    if let (Some(response), Ok(code)) =
        (use_context::<leptos_axum::ResponseOptions>(), axum::http::StatusCode::from_u16(code))
    {
        response.set_status(code);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = code;
}
