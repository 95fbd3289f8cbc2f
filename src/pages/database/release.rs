//! Giving a database up for good: asks to type a name, and says what can be undone.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, RELEASE};
use crate::components::{CancelButton, Dialog, Glyph, Live, OpenDialog, Panel, ReasonField, TextField};
use crate::pages::{session, user_text::UserText};
use fleet_types::{DatabaseDetail, DatabaseState, Permission, text};

#[component]
pub fn ReleasePanel(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let button = move || {
        let gone = live.with(cannot).flatten();
        let why_not = session::why_not(Permission::ManageDatabases).or(gone);
        view! { <OpenDialog dialog=RELEASE text="Release" glyph=Glyph::Trash class="btn btn-sm btn-outline btn-error" why_not /> }
    };
    view! {
        <Panel title="Release">
            <p class="mb-3 text-sm text-muted">
                "Deletes it on Neon. The owner loses access at once; the data can be recovered there for 7 days. It never goes back to the pool."
            </p>
            {button}
            {move || live.with(|detail| detail.release_refused_at.is_some()).unwrap_or(false).then(|| view! { <TryAgain actions /> })}
        </Panel>
        <ReleaseDialog live actions />
    }
}

/// For a release that Neon refuses: the cause may have been removed there.
#[component]
fn TryAgain(actions: Actions) -> impl IntoView {
    let why_not = session::why_not(Permission::ManageDatabases);
    let is_off = why_not.is_some();
    let pending = actions.delete_again.pending();
    view! {
        <ActionForm action=actions.delete_again attr:class="mt-3">
            <input type="hidden" name="id" value=actions.id.to_string() />
            <button type="submit" class="btn btn-sm" disabled=move || is_off || pending.get() title=why_not>
                "Try to delete it again"
            </button>
        </ActionForm>
    }
}

/// Why it cannot be released in this state. A release that is refused because something is in it can be given once more, with the word that it may go.
fn cannot(detail: &DatabaseDetail) -> Option<String> {
    match detail.row.state {
        DatabaseState::Releasing if detail.release_refused_at.is_some() => None,
        DatabaseState::Available | DatabaseState::Withheld | DatabaseState::Claimed | DatabaseState::Failed => None,
        DatabaseState::Requested | DatabaseState::Creating | DatabaseState::Verifying => {
            Some(String::from("It is still being created."))
        }
        DatabaseState::Releasing | DatabaseState::Deleted => Some(String::from("It is released already.")),
    }
}

/// What must be typed: the owner's e-mail address, else the database's id.
fn to_type(detail: &DatabaseDetail) -> String {
    detail.row.owner.as_ref().map_or_else(|| detail.row.id.to_string(), |owner| text::visible(&owner.email))
}

#[component]
fn ReleaseDialog(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let matches = Memo::new(move |_| {
        live.with(to_type).is_some_and(|name| actions.confirmation.with(|typed| text::visible(typed.trim()) == name))
    });
    let pending = actions.release.pending();
    view! {
        <Dialog id=RELEASE refusal=actions.answers.refusal title="Release this database?">
            <ActionForm action=actions.release>
                <div class="flex flex-col gap-4">
                    <input type="hidden" name="id" value=actions.id.to_string() />
                    <ul class="list-disc pl-5 text-sm">
                        <li>"Connections are cut and the project is deleted on Neon."</li>
                        <li>"Neon keeps it recoverable for 7 days; afterwards nothing brings it back."</li>
                        <li>"The owner's next claim gets a new, empty database."</li>
                    </ul>
                    <p class="text-sm">"To confirm, type " <strong class="break-all select-all">{move || live.with(|detail| view! { <UserText text=to_type(detail) /> })}</strong></p>
                    {move || live.with(is_unheld).unwrap_or(false).then(|| view! { <Anyway /> })}
                    <TextField name="confirmation" id="release-confirmation" label="Confirmation" value=actions.confirmation required=true />
                    <ReasonField id="release-reason" />
                </div>
                <div class="modal-action">
                    <CancelButton dialog=RELEASE />
                    <button type="submit" class="btn btn-error" class:btn-disabled=move || !matches.get() disabled=pending>
                        "Release for good"
                    </button>
                </div>
            </ActionForm>
        </Dialog>
    }
}

/// Nobody is known to hold it: it is looked into before it goes.
fn is_unheld(detail: &DatabaseDetail) -> bool {
    detail.row.owner.is_none()
        && matches!(detail.row.state, DatabaseState::Available | DatabaseState::Withheld | DatabaseState::Releasing)
}

#[component]
fn Anyway() -> impl IntoView {
    view! {
        <div class="flex flex-col gap-2 text-sm">
            <p>"Nobody is known to hold it, so Flotilla looks into it first. If its name on Neon tells an owner, if something has been made in it, or if it cannot be looked into, it is not deleted."</p>
            <label class="flex items-center gap-2">
                <input class="checkbox checkbox-sm" type="checkbox" name="anyway" value="true" />
                "Delete it anyway, whatever is in it"
            </label>
        </div>
    }
}
