//! Signing in: a plain form, the same with and without WebAssembly.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::{frame::Logo, path};
use crate::components::{Glyph, Icon};

#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map();
    let next = query.with_untracked(|query| query.get("next")).unwrap_or_default();
    let error = query.with_untracked(|query| query.get_str("error").map(explain));
    view! {
        <Title text="Sign in" />
        <main id="main" class="sign-in-sea grid min-h-dvh place-items-center px-4 py-12">
            <div class="panel w-full max-w-sm p-8 shadow-lg">
                <Logo class="h-9 w-auto text-primary" />
                <h1 class="mt-5 text-xl font-semibold">"Sign in to Flotilla"</h1>
                <p class="mt-1 text-sm text-muted">"The console of your fleet of Postgres databases."</p>
                {error
                    .map(|text| {
                        view! {
                            <div class="notice notice-error mt-4" role="alert">
                                <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
                                <p class="text-sm">{text}</p>
                            </div>
                        }
                    })}
                <form method="post" action=path::SIGN_IN class="mt-5 flex flex-col gap-4">
                    <input type="hidden" name="next" value=next />
                    <label class="flex flex-col gap-1 text-sm font-medium">
                        "E-mail"
                        <input class="input w-full" type="email" name="email" autocomplete="username" required maxlength="320" autofocus />
                    </label>
                    <label class="flex flex-col gap-1 text-sm font-medium">
                        "Password"
                        <input class="input w-full" type="password" name="password" autocomplete="current-password" required maxlength="1024" />
                    </label>
                    <button class="btn btn-primary mt-1" type="submit">
                        "Sign in"
                    </button>
                </form>
                <p class="mt-5 text-xs text-muted">"No account yet? Whoever runs this console can make you one, or send you a one-time link."</p>
            </div>
        </main>
    }
}

/// The server says in a word what went wrong.
fn explain(error: &str) -> &'static str {
    match error {
        "wrong" => {
            "E-mail or password is wrong. After several wrong ones even the right one is not looked at for up to five minutes; a one-time link always works."
        }
        "busy" => "Too many people are signing in at this moment. Try again in a few seconds.",
        "link" => "This link has been used or never existed. Ask for a new one, or sign in with your password.",
        "expired" => "You were signed out because you were away. Sign in again.",
        _ => "Signing in did not work. Try again.",
    }
}
