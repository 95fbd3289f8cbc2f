//! What can be decided about a finding. Each decision asks for a reason; deleting also asks to type the project's name.

use leptos::{form::ActionForm, prelude::*};

use crate::components::{CancelButton, Decision, Dialog, Glyph, Live, OpenDialog, ReasonField, Refresh, TextField};
use crate::pages::{answers::Answers, session, user_text::UserText};
use crate::rpc::problems as rpc;
use fleet_types::{Finding, FindingAction, Permission, text};

const ADOPT: &str = "adopt-finding";
const IGNORE: &str = "ignore-finding";
const LOOK_AGAIN: &str = "look-again";
const DELETE: &str = "delete-finding";
const RECOVER: &str = "recover-finding";
const REAPPLY: &str = "reapply-finding";
const ACCEPT: &str = "accept-finding";
const TAKE_BACK: &str = "take-back-finding";

/// Belongs to the page, so that it outlives a refresh.
#[derive(Clone, Copy)]
pub struct FindingActions {
    /// What is decided about; a database's page finds out while it is looked at.
    id: Signal<i64>,
    answers: Answers,
    confirmation: RwSignal<String>,
    adopt: ServerAction<rpc::AdoptFinding>,
    ignore: ServerAction<rpc::IgnoreFinding>,
    look_again: ServerAction<rpc::LookAgain>,
    delete: ServerAction<rpc::DeleteFinding>,
    recover: ServerAction<rpc::RecoverFinding>,
    reapply: ServerAction<rpc::ReapplyFinding>,
    accept: ServerAction<rpc::AcceptFinding>,
    take_back: ServerAction<rpc::TakeBackFinding>,
}

impl FindingActions {
    pub fn new(id: Signal<i64>, refresh: Refresh) -> Self {
        let actions = Self {
            id,
            answers: Answers::new(refresh),
            confirmation: RwSignal::new(String::new()),
            adopt: ServerAction::new(),
            ignore: ServerAction::new(),
            look_again: ServerAction::new(),
            delete: ServerAction::new(),
            recover: ServerAction::new(),
            reapply: ServerAction::new(),
            accept: ServerAction::new(),
            take_back: ServerAction::new(),
        };
        let answers = actions.answers;
        answers.follow(ADOPT, "It is on its way to the pool.", actions.adopt.value());
        answers.follow(IGNORE, "It is ignored.", actions.ignore.value());
        answers.follow(LOOK_AGAIN, "It counts again from the next sweep.", actions.look_again.value());
        answers.follow(DELETE, "The project is deleted on Neon.", actions.delete.value());
        answers.follow(RECOVER, "The project is back on Neon.", actions.recover.value());
        answers.follow(REAPPLY, "Neon has the ledger's quota again.", actions.reapply.value());
        answers.follow(ACCEPT, "Neon's quota is the wanted one now.", actions.accept.value());
        answers.follow(TAKE_BACK, "Its owner has it again.", actions.take_back.value());
        actions
    }
}

/// What is possible now; what the operator may not do is off and says why.
#[component]
pub fn Buttons(actions: Vec<FindingAction>) -> impl IntoView {
    let why_not = session::why_not(Permission::ManageDatabases);
    actions
        .into_iter()
        .map(|action| {
            let why_not = why_not.clone();
            let (dialog, text, glyph, class) = match action {
                FindingAction::Adopt => (ADOPT, "Adopt into the pool", Glyph::Layers, "btn btn-sm"),
                FindingAction::Ignore => (IGNORE, "Ignore", Glyph::Pause, "btn btn-sm"),
                FindingAction::LookAgain => (LOOK_AGAIN, "No longer ignore", Glyph::Eye, "btn btn-sm"),
                FindingAction::Delete => (DELETE, "Delete now", Glyph::Trash, "btn btn-sm btn-outline btn-error"),
                FindingAction::Recover => (RECOVER, "Recover on Neon", Glyph::Refresh, "btn btn-sm btn-primary"),
                FindingAction::Reapply => (REAPPLY, "Send ours again", Glyph::ArrowRight, "btn btn-sm"),
                FindingAction::TakeBack => (TAKE_BACK, "Give back to its owner", Glyph::User, "btn btn-sm btn-primary"),
                FindingAction::Accept => (ACCEPT, "Accept Neon's", Glyph::Check, "btn btn-sm"),
            };
            view! { <OpenDialog dialog text glyph class why_not /> }
        })
        .collect_view()
}

#[component]
pub fn Dialogs(live: Live<Finding>, actions: FindingActions) -> impl IntoView {
    let about = move || ("id", actions.id.get_untracked().to_string());
    let refusal = actions.answers.refusal;
    view! {
        <Dialog id=ADOPT refusal title="Adopt this project into the pool?">
            <ActionForm action=actions.adopt>
                <Decision dialog=ADOPT about=about() button="Adopt" pending=actions.adopt.pending()>
                    <p class="text-sm">"It becomes a database of the pool that has its region and Postgres version: the engine makes sure that it answers and gives it the pool's settings and quota. Only a project that nobody can have been given, that nobody was active in and that nothing is in can be adopted."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=IGNORE refusal title="Ignore this finding?">
            <ActionForm action=actions.ignore>
                <Decision dialog=IGNORE about=about() button="Ignore" pending=actions.ignore.pending()>
                    <p class="text-sm">"Nothing is done about it, and it is no longer listed as a problem. It stays known with your reason, and can be taken up again."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=LOOK_AGAIN refusal title="No longer ignore this finding?">
            <ActionForm action=actions.look_again>
                <Decision dialog=LOOK_AGAIN about=about() button="No longer ignore" pending=actions.look_again.pending()>
                    <p class="text-sm">"It begins anew as a suspicion: two complete sweeps must show it, and its quarantine must pass, before anything is done."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=REAPPLY refusal title="Send the ledger's quota to Neon again?">
            <ActionForm action=actions.reapply>
                <Decision dialog=REAPPLY about=about() button="Send ours again" pending=actions.reapply.pending()>
                    <p class="text-sm">"All five limits of the ledger replace those on Neon. Whoever changed them there may do it again."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=ACCEPT refusal title="Make Neon's quota the wanted one?">
            <ActionForm action=actions.accept>
                <Decision dialog=ACCEPT about=about() button="Accept Neon's" pending=actions.accept.pending()>
                    <p class="text-sm">"The limits under “Neon's list” become those that the ledger wants. The change stands in the database's history with your name and reason."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <WaysOut actions />
        <DeleteDialog live actions />
    }
}

/// Bringing a project back, and giving a database back: also on the page of the database itself.
#[component]
pub fn WaysOut(actions: FindingActions) -> impl IntoView {
    let refusal = actions.answers.refusal;
    let id = move || actions.id.try_get().map(|id| id.to_string());
    view! {
        <Dialog id=RECOVER refusal title="Recover the project on Neon?">
            <ActionForm action=actions.recover>
                <Decision dialog=RECOVER button="Recover" pending=actions.recover.pending()>
                    <input type="hidden" name="id" value=id />
                    <p class="text-sm">"Neon brings it back with its data, its endpoint and its connection strings, if it was deleted less than 7 days ago. A project that the engine had deleted is ignored afterwards, so that it stays."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=TAKE_BACK refusal title="Give this database back to its owner?">
            <ActionForm action=actions.take_back>
                <Decision dialog=TAKE_BACK button="Give back" pending=actions.take_back.pending()>
                    <input type="hidden" name="id" value=id />
                    <p class="text-sm">"It counts as claimed again by the owner who held it last, with the connection string that it had. That is refused if the owner holds another database in this pool by now."</p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}

/// What must be typed: the name as it is shown.
fn to_type(finding: &Finding) -> String {
    text::visible(finding.title().trim())
}

#[component]
fn DeleteDialog(live: Live<Finding>, actions: FindingActions) -> impl IntoView {
    let matches = Memo::new(move |_| {
        live.with(to_type).is_some_and(|name| actions.confirmation.with(|typed| text::visible(typed.trim()) == name))
    });
    let pending = actions.delete.pending();
    view! {
        <Dialog id=DELETE refusal=actions.answers.refusal title="Delete this project on Neon?">
            <ActionForm action=actions.delete>
                <div class="flex flex-col gap-4">
                    <input type="hidden" name="id" value=actions.id.get_untracked().to_string() />
                    <ul class="list-disc pl-5 text-sm">
                        <li>"Neon is asked once more; it is deleted only if it still bears this name and no row of the ledger knows it."</li>
                        <li>"It is looked into first. If its name on Neon tells an owner, if something has been made in it, or if it cannot be looked into, it is not deleted."</li>
                        <li>"Neon keeps it recoverable for 7 days; this page has the button for it."</li>
                    </ul>
                    <p class="text-sm">"To confirm, type " <strong class="break-all select-all">{move || live.with(|finding| view! { <UserText text=to_type(finding) /> })}</strong></p>
                    <label class="flex items-center gap-2 text-sm">
                        <input class="checkbox checkbox-sm" type="checkbox" name="anyway" value="true" />
                        "Delete it anyway, whatever is in it"
                    </label>
                    <TextField name="confirmation" id="delete-confirmation" label="Confirmation" value=actions.confirmation required=true />
                    <ReasonField id="delete-reason" />
                </div>
                <div class="modal-action">
                    <CancelButton dialog=DELETE />
                    <button type="submit" class="btn btn-error" class:btn-disabled=move || !matches.try_get().unwrap_or_default() disabled=pending>
                        "Delete on Neon"
                    </button>
                </div>
            </ActionForm>
        </Dialog>
    }
}
