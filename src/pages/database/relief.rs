//! Raising a used-up quota for a while.

use leptos::{form::ActionForm, prelude::*};

use super::{
    actions::{Actions, RELIEVE},
    quota::used_up,
};
use crate::components::{Decision, Dialog, Live, SelectField, TextField};
use fleet_types::DatabaseDetail;

#[component]
pub fn ReliefDialog(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    view! {
        <Dialog id=RELIEVE refusal=actions.answers.refusal title="Relieve a used-up quota">
            <ActionForm action=actions.relieve>
                <Decision dialog=RELIEVE about=("id", actions.id.to_string()) button="Relieve" pending=actions.relieve.pending()>
                    {move || {
                        let options = live.with(used_up).unwrap_or_default();
                        view! { <SelectField name="limit" id="relief-limit" label="Quota" options value=actions.limit /> }
                    }}
                    <TextField name="hours" id="relief-hours" label="For how many hours, up to 24" value=actions.hours kind="number" required=true />
                    <p class="text-sm">
                        "The quota is raised as far as the owner's plan allows. Then the plan's limit returns by itself, and blocks the database again if it is still used up."
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
