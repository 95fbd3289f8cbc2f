//! What is shown when something cannot be shown: why, and what to do.

use leptos::prelude::*;
use leptos::server_fn::error::ServerFnUrlError;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_query_map};

use super::path;
use crate::components::{EmptyState, Glyph, Icon};
use crate::types::AppError;

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
            <p class="text-muted">{error.to_string()}</p>
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
                <p class="break-words">{message}</p>
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

/// A form that was sent before WebAssembly had arrived comes back to its page with the error in the URL.
#[component]
pub fn FormFailure() -> impl IntoView {
    let query = use_query_map();
    let error = move || query.with(|query| query.get_str("__err").map(ServerFnUrlError::<AppError>::decode_err));
    view! {
        {move || {
            error()
                .map(|error| {
                    view! {
                        <div class="notice notice-error mb-4" role="alert">
                            <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
                            <p class="text-sm">{format!("Nothing was changed. {error}")}</p>
                        </div>
                    }
                })
        }}
    }
}

/// Sets the HTTP status of the page that is being rendered; does nothing in the browser.
fn set_status(code: u16) {
    #[cfg(feature = "ssr")]
    if let (Some(response), Ok(code)) =
        (use_context::<leptos_axum::ResponseOptions>(), axum::http::StatusCode::from_u16(code))
    {
        response.set_status(code);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = code;
}
