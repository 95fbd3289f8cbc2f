//! Peaks that are known beforehand: listed, added, removed.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{ADD_SCHEDULE, PoolActions, REMOVE_SCHEDULE};
use crate::components::{
    Badge, CancelButton, Decision, Dialog, Glyph, Live, OpenDialog, ReasonField, SelectField, SubmitButton, TextField,
    Tone,
};
use crate::pages::user_text::UserText;
use fleet_types::{PoolDetail, Schedule, Time, text};

#[component]
pub fn Schedules(schedules: Vec<Schedule>, has_policy: bool, as_of: Time) -> impl IntoView {
    if schedules.is_empty() {
        return view! { <p class="mt-2 text-sm text-muted">"None. A launch or a busy hour of the week can be prepared for here."</p> }.into_any();
    }
    let lines = schedules.into_iter().map(|schedule| {
        let peak = schedule.peak;
        let (tone, glyph, word) = match (peak.when.is_over(as_of), peak.when.is_in_force(as_of), has_policy) {
            (true, _, _) => (Tone::Neutral, Glyph::Check, "over"),
            (_, _, false) => (Tone::Neutral, Glyph::Pause, "without a policy"),
            (_, true, _) => (Tone::Accent, Glyph::Bolt, "in force"),
            (_, false, _) => (Tone::Neutral, Glyph::Clock, "to come"),
        };
        view! {
            <li class="flex flex-wrap items-baseline justify-between gap-x-3 gap-y-0.5 py-1.5 text-sm">
                <span class="min-w-0 break-words">
                    <span class="font-medium"><UserText text=peak.label /></span>
                    <span class="text-muted tabular-nums">{format!(" · {} · {}", peak.when.in_words(), peak.asks.in_words())}</span>
                </span>
                <Badge tone glyph text=word />
            </li>
        }
    });
    view! { <ul class="mt-1 divide-y divide-base-300">{lines.collect_view()}</ul> }.into_any()
}

#[component]
pub fn ScheduleButtons(live: Live<PoolDetail>, actions: PoolActions, why_not: Option<String>) -> impl IntoView {
    let has_some = Memo::new(move |_| live.with(|detail| !detail.sizing.schedules.is_empty()).unwrap_or(false));
    let remove = {
        let why_not = why_not.clone();
        move || {
            let why_not = why_not.clone();
            has_some.try_get().unwrap_or_default().then(|| view! { <OpenDialog dialog=REMOVE_SCHEDULE text="Remove" glyph=Glyph::Trash class="btn btn-xs btn-ghost" why_not /> })
        }
    };
    let name = live.with_untracked(|detail| detail.summary.name.clone()).unwrap_or_default();
    view! {
        <span class="flex flex-wrap gap-2">{remove} <OpenDialog dialog=ADD_SCHEDULE text="Add" glyph=Glyph::Clock class="btn btn-xs" why_not /></span>
        <AddDialog name=name.clone() actions />
        <RemoveDialog name live actions />
    }
}

#[component]
fn AddDialog(name: String, actions: PoolActions) -> impl IntoView {
    let form = actions.peak;
    let kinds = [("at_least", "at least this many databases"), ("factor", "a multiple of the rate")];
    let kinds = kinds.map(|(kind, text)| (kind.to_owned(), text.to_owned())).to_vec();
    let meaning = move || {
        let draft = form.draft();
        if draft.label.is_empty() && draft.amount.is_empty() {
            return String::new();
        }
        match draft.parse() {
            Ok(peak) => format!("{}: {}", peak.when.in_words(), peak.asks.in_words()),
            Err(error) => error.to_string(),
        }
    };
    view! {
        <Dialog id=ADD_SCHEDULE refusal=actions.answers.refusal title=format!("A known peak of pool {name}") class="modal-box max-w-2xl">
            <ActionForm action=actions.add_schedule>
                <input type="hidden" name="name" value=name.clone() />
                <div class="grid gap-4 sm:grid-cols-2">
                    <TextField name="label" id="schedule-label" label="Name" value=form.label required=true hint="What decisions call it, such as Newsletter." />
                    <TextField name="days" id="schedule-days" label="Days" value=form.days required=true hint="Mon-Fri, or Sat, Sun, or daily; or 2026-11-27; or two dates with “to” between." />
                    <TextField name="from" id="schedule-from" label="From, in UTC" value=form.from required=true hint="Early enough for the pool to fill." />
                    <TextField name="to" id="schedule-to" label="To, in UTC" value=form.to required=true hint="Not after “from”: on the next day." />
                    <SelectField name="kind" id="schedule-kind" label="Asks for" options=kinds value=form.kind />
                    <TextField name="amount" id="schedule-amount" label="How many" value=form.amount required=true hint="The ceiling of the policy still holds." />
                    <ReasonField id="schedule-reason" />
                </div>
                <p class="mt-4 text-sm text-muted needs-wasm" role="status">
                    {meaning}
                </p>
                <div class="modal-action">
                    <CancelButton dialog=ADD_SCHEDULE />
                    <SubmitButton text="Add" pending=actions.add_schedule.pending() why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}

#[component]
fn RemoveDialog(name: String, live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    // Follows the list, but not its refreshes: what somebody has chosen stays chosen.
    let schedules = Memo::new(move |_| live.with(|detail| detail.sizing.schedules.clone()).unwrap_or_default());
    let options = move || {
        schedules
            .try_get()
            .unwrap_or_default()
            .into_iter()
            .map(|schedule| view! { <option value=schedule.id.to_string()>{format!("{} · {}", text::visible(&schedule.peak.label), schedule.peak.when.in_words())}</option> })
            .collect_view()
    };
    view! {
        <Dialog id=REMOVE_SCHEDULE refusal=actions.answers.refusal title=format!("Remove a known peak of pool {name}?")>
            <ActionForm action=actions.remove_schedule>
                <Decision dialog=REMOVE_SCHEDULE about=("name", name.clone()) button="Remove" class="btn btn-warning" pending=actions.remove_schedule.pending()>
                    <div class="flex flex-col gap-1">
                        <label class="text-sm font-medium" for="schedule-gone">
                            "Which"
                        </label>
                        <select id="schedule-gone" name="schedule" class="select w-full">
                            {options}
                        </select>
                    </div>
                    <p class="text-sm">"The policy decides without it from the next minute on. It can be added again."</p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
