//! Editing the quotas: what changes is shown before it is done, with a warning where it would block the database at once.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, QUOTA};
use super::quota::{Limit, limits};
use super::quota_draft::Field;
use crate::components::{CancelButton, Dialog, Glyph, Icon, Live, ReasonField, SubmitButton, TextField};
use fleet_types::{AppError, DatabaseDetail, QuotaChange, exact_bytes, parse_bytes};

#[component]
pub fn QuotaDialog(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let draft = actions.draft;
    let parsed = Memo::new(move |_| draft.parse());
    view! {
        <Dialog id=QUOTA refusal=actions.answers.refusal title="Edit quota" class="modal-box max-w-2xl">
            <ActionForm action=actions.set_quota>
                <input type="hidden" name="id" value=actions.id.to_string() />
                <input type="hidden" name="revision" value=move || draft.revision.get().to_string() />
                <p class="mb-4 text-sm text-muted">
                    "Sizes with their unit: 512 MiB, 10 GiB (1024³ bytes) or 10 GB (1000³). Times in hours. Write “unlimited” for no limit. Only what you change is saved."
                </p>
                <div class="grid gap-4 sm:grid-cols-2">
                    <SizeField name="storage" id="quota-storage" label="Storage" field=draft.storage />
                    <HoursField name="active_hours" id="quota-active" label="Active time per period, in hours" field=draft.active_hours />
                    <HoursField name="compute_hours" id="quota-compute" label="Compute time per period, in CU hours" field=draft.compute_hours />
                    <SizeField name="written" id="quota-written" label="Written data per period" field=draft.written />
                    <SizeField name="transfer" id="quota-transfer" label="Data transfer per period" field=draft.transfer />
                    <ReasonField id="quota-reason" />
                </div>
                <div class="mt-4 needs-wasm" role="status">
                    {move || live.with(|detail| difference(detail, parsed.get()))}
                </div>
                <div class="modal-action">
                    <CancelButton dialog=QUOTA />
                    <SubmitButton text="Save quota" pending=actions.set_quota.pending() why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}

/// A size, with what it comes to in bytes beside it.
#[component]
fn SizeField(name: &'static str, id: &'static str, label: &'static str, field: Field) -> impl IntoView {
    let beside = Signal::derive(move || match parse_bytes(&field.text.get()) {
        Ok(Some(size)) => exact_bytes(size),
        Ok(None) => String::from("no limit"),
        Err(why) => why,
    });
    view! { <TextField name id label value=field.text is_sent=sent(field) beside required=true /> }
}

#[component]
fn HoursField(name: &'static str, id: &'static str, label: &'static str, field: Field) -> impl IntoView {
    view! { <TextField name id label value=field.text is_sent=sent(field) required=true /> }
}

/// A field travels if it is touched; without WebAssembly, which could tell, all do.
fn sent(field: Field) -> Signal<bool> {
    let can_tell = RwSignal::new(false);
    Effect::new(move || can_tell.set(true));
    Signal::derive(move || !can_tell.get() || field.is_touched())
}

/// Old → new, line by line.
fn difference(detail: &DatabaseDetail, change: Result<QuotaChange, AppError>) -> AnyView {
    let wanted = match change {
        Ok(change) => change.applied_to(detail.quota),
        Err(error) => return view! { <p class="notice notice-error text-sm">{error.to_string()}</p> }.into_any(),
    };
    let before = limits(&detail.quota, &detail.usage);
    let after = limits(&wanted, &detail.usage);
    let changed: Vec<_> = before.into_iter().zip(after).filter(|(before, after)| before.limit != after.limit).collect();
    if changed.is_empty() {
        return view! { <p class="text-sm text-muted">"Nothing changes yet."</p> }.into_any();
    }
    let lines = changed.into_iter().map(|(before, after)| view! { <ChangedLimit before after /> }).collect_view();
    view! { <ul class="flex flex-col gap-1 rounded-box border border-base-300 p-3 text-sm">{lines}</ul> }.into_any()
}

#[component]
fn ChangedLimit(before: Limit, after: Limit) -> impl IntoView {
    view! {
        <li>
            <span class="text-muted">{before.name} ": "</span>
            <span class="tabular-nums">{before.limit_text()} " → "</span>
            <span class="font-medium tabular-nums">{after.limit_text()}</span>
            {blocks_at_once(after)
                .then(|| {
                    view! {
                        <span class="mt-0.5 flex items-center gap-1.5 text-error">
                            <Icon glyph=Glyph::Alert />
                            {format!("{} are used already: it would be blocked at once.", after.used.map(after.write).unwrap_or_default())}
                        </span>
                    }
                })}
        </li>
    }
}

fn blocks_at_once(limit: Limit) -> bool {
    limit.used.zip(limit.limit).is_some_and(|(used, most)| used >= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_types::{Quota, Usage};

    #[test]
    fn a_limit_below_what_is_used_blocks_at_once() {
        let usage = Usage { logical_size_bytes: Some(100), ..Usage::default() };
        let storage = |limit| limits(&Quota { logical_size_bytes: limit, ..Quota::default() }, &usage)[0];
        assert!(blocks_at_once(storage(Some(100))));
        assert!(!blocks_at_once(storage(Some(101))));
        assert!(!blocks_at_once(storage(None)));
    }
}
