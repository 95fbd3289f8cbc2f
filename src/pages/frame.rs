//! What stands around every page: navigation, look-up, theme, who is signed in, the status strip.
//!
//! Everything in it works as plain HTML: links, POST forms, `<details>` for the menu on a phone.

use leptos::{ev, prelude::*};
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;

use super::{failure::FormFailure, path, session, status::StatusStrip, user_text::UserText};
use crate::components::{Glyph, Icon, ToastHost, browser};
use fleet_types::text;

const LOOKUP_FIELD: &str = "look-up";

/// The frame around the routes in it.
#[component]
pub fn FrameOutlet() -> impl IntoView {
    view! {
        <Frame>
            <Outlet />
        </Frame>
    }
}

#[component]
pub fn Frame(children: Children) -> impl IntoView {
    view! {
        <a class="skip-link" href="#main">
            "Skip to the content"
        </a>
        <div class="frame">
            <aside class="sidebar">
                <a href=path::FLEET class="flex h-14 items-center gap-2.5 px-5" aria-label="Flotilla, to fleet health">
                    <Logo class="h-7 w-auto text-primary" />
                    <span class="text-lg font-semibold tracking-tight">"Flotilla"</span>
                </a>
                <nav class="flex-1 px-3 py-2" aria-label="Main">
                    <Navigation />
                </nav>
                <div class="border-t border-base-300 p-3">
                    <Account />
                </div>
            </aside>
            <div class="flex min-w-0 flex-col">
                <TopBar />
                <main id="main" class="w-full max-w-[100rem] flex-1 px-4 py-5 sm:px-6 lg:px-8" tabindex="-1">
                    <FormFailure />
                    {children()}
                </main>
                <StatusStrip />
            </div>
        </div>
        <ToastHost />
    }
}

/// Above the page: the look-up box, the theme, and on a phone the menu.
#[component]
fn TopBar() -> impl IntoView {
    view! {
        <header class="topbar">
            <a href=path::FLEET class="shrink-0 lg:hidden" aria-label="Flotilla, to fleet health">
                <Logo class="h-7 w-auto text-primary" />
            </a>
            <LookUpBox />
            <div class="ml-auto hidden sm:block">
                <ThemeSwitch />
            </div>
            <details class="menu-toggle lg:hidden">
                <summary class="btn btn-ghost btn-square" aria-label="Menu">
                    <Icon glyph=Glyph::Menu class="size-5" />
                </summary>
                <div class="panel absolute top-full right-3 left-3 z-40 mt-1 flex flex-col gap-3 p-3 shadow-lg sm:left-auto sm:w-72">
                    <nav aria-label="Main">
                        <Navigation />
                    </nav>
                    <div class="sm:hidden">
                        <ThemeSwitch />
                    </div>
                    <div class="border-t border-base-300 pt-3">
                        <Account />
                    </div>
                </div>
            </details>
        </header>
    }
}

#[component]
fn Navigation() -> impl IntoView {
    view! {
        <ul class="flex flex-col gap-0.5">
            <NavLink href=path::FLEET glyph=Glyph::Fleet text="Fleet health" />
            <NavLink href=path::DATABASES glyph=Glyph::Database text="Databases" />
            <NavLink href=path::POOLS glyph=Glyph::Layers text="Pools" />
            <NavLink href=path::PROBLEMS glyph=Glyph::Alert text="Problems" />
            <NavLink href=path::ENGINE glyph=Glyph::Engine text="Engine" />
            <NavLink href=path::BUDGET glyph=Glyph::Gauge text="API budget" />
            <li>
                <a class="nav-link" href=path::API_DOCS rel="external">
                    <Icon glyph=Glyph::Book />
                    "API"
                </a>
            </li>
        </ul>
    }
}

#[component]
fn NavLink(href: &'static str, glyph: Glyph, text: &'static str) -> impl IntoView {
    let location = use_location();
    let is_here =
        move || location.pathname.with(|here| if href == path::FLEET { here == href } else { here.starts_with(href) });
    view! {
        <li>
            <a class="nav-link" href=href aria-current=move || is_here().then_some("page")>
                <Icon glyph />
                {text}
            </a>
        </li>
    }
}

/// One box for whatever somebody pasted; it travels in the body of a form, because there may be a password in it. Ctrl-K or Cmd-K puts the
/// cursor into it.
#[component]
fn LookUpBox() -> impl IntoView {
    Effect::new(|| {
        let handle = window_event_listener(ev::keydown, |event| {
            if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
                event.prevent_default();
                browser::focus(LOOKUP_FIELD);
            }
        });
        on_cleanup(move || handle.remove());
    });
    view! {
        <form class="look-up" method="post" action=path::LOOKUP role="search">
            <label class="input w-full">
                <span class="text-muted">
                    <Icon glyph=Glyph::Search />
                </span>
                <input
                    id=LOOKUP_FIELD
                    type="search"
                    name="q"
                    placeholder="Look up an e-mail, id, host or connection string"
                    aria-label="Look up an e-mail address, owner id, organisation, project, host or connection string"
                    autocomplete="off"
                    spellcheck="false"
                    maxlength="8000"
                />
                <kbd class="kbd kbd-sm hidden sm:inline-flex" aria-hidden="true">
                    "Ctrl K"
                </kbd>
            </label>
        </form>
    }
}

/// System, light or dark. The script `theme.js` does the work, also before WebAssembly has arrived.
#[component]
fn ThemeSwitch() -> impl IntoView {
    let choice = |value: &'static str, glyph: Glyph, label: &'static str| {
        view! {
            <button type="button" class="btn btn-ghost btn-xs btn-square join-item" data-choose-theme=value aria-pressed="false" aria-label=label title=label>
                <Icon glyph class="size-3.5" />
            </button>
        }
    };
    view! {
        <div class="theme-switch join" role="group" aria-label="Theme">
            {choice("system", Glyph::Monitor, "Theme as the system has it")}
            {choice("light", Glyph::Sun, "Light theme")}
            {choice("dark", Glyph::Moon, "Dark theme")}
        </div>
    }
}

/// Who is signed in, as what, and the way out.
#[component]
fn Account() -> impl IntoView {
    session::operator().map(|operator| {
        view! {
            <div class="flex items-center gap-2.5 px-2">
                <span class="grid size-8 shrink-0 place-items-center rounded-full bg-primary/10 text-primary">
                    <Icon glyph=Glyph::User />
                </span>
                <div class="min-w-0 flex-1 leading-tight">
                    <p class="truncate text-sm font-medium" title=text::visible(&operator.email)><UserText text=operator.name /></p>
                    <p class="text-xs text-muted">{operator.role.as_str()}</p>
                </div>
                <form method="post" action=path::SIGN_OUT>
                    <button type="submit" class="btn btn-ghost btn-sm btn-square" aria-label="Sign out" title="Sign out">
                        <Icon glyph=Glyph::SignOut />
                    </button>
                </form>
            </div>
        }
    })
}

/// Three sails over one wave.
#[component]
pub fn Logo(class: &'static str) -> impl IntoView {
    view! {
        <svg class=class viewBox="0 0 40 32" fill="currentColor" aria-hidden="true">
            <path d="M19 1v19h-9.5C14.5 15 18 9 19 1Z" />
            <path opacity=".75" d="M21.5 6c4.5 3.5 7 8 7.5 14h-7.5Z" />
            <path opacity=".5" d="M7.5 9v11H2.5C5.3 17 7 13.5 7.5 9Z" />
            <path opacity=".5" d="M31.5 11c3 2 5 5 5.5 9h-5.5Z" />
            <path d="M2 23.5h36c-1.6 4.2-5 6.5-9.2 6.5H11.2C7 30 3.6 27.7 2 23.5Z" />
        </svg>
    }
}
