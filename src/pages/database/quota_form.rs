//! Editing the quotas: what changes is shown before it is done, with a warning where it would block the database at once.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, QUOTA};
use super::quota::{Limit, limits};
use crate::components::{CancelButton, Dialog, Glyph, Icon, Live, ReasonField, SubmitButton, TextField};
use crate::types::{AppError, DatabaseDetail, Quota};

/// The five fields as they are being written.
#[derive(Clone, Copy)]
pub struct Draft {
    storage: RwSignal<String>,
    active_hours: RwSignal<String>,
    compute_hours: RwSignal<String>,
    written: RwSignal<String>,
    transfer: RwSignal<String>,
}

impl Draft {
    pub fn new() -> Self {
        let field = || RwSignal::new(String::new());
        Self { storage: field(), active_hours: field(), compute_hours: field(), written: field(), transfer: field() }
    }

    pub fn fill(self, quota: &Quota) {
        self.storage.try_set(size_text(quota.logical_size_bytes));
        self.active_hours.try_set(hours_text(quota.active_time_seconds));
        self.compute_hours.try_set(hours_text(quota.compute_time_seconds));
        self.written.try_set(size_text(quota.written_data_bytes));
        self.transfer.try_set(size_text(quota.data_transfer_bytes));
    }

    fn parse(self) -> Result<Quota, AppError> {
        Quota::parse(
            &self.storage.get(),
            &self.active_hours.get(),
            &self.compute_hours.get(),
            &self.written.get(),
            &self.transfer.get(),
        )
    }
}

#[component]
pub fn QuotaDialog(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let draft = actions.draft;
    let parsed = Memo::new(move |_| draft.parse());
    view! {
        <Dialog id=QUOTA refusal=actions.answers.refusal title="Edit quota" class="modal-box max-w-2xl">
            <ActionForm action=actions.set_quota>
                <input type="hidden" name="id" value=actions.id.to_string() />
                <p class="mb-4 text-sm text-muted">"Sizes as 512 MiB or 10 GiB, times in hours. Leave a field empty or write “unlimited” for no limit."</p>
                <div class="grid gap-4 sm:grid-cols-2">
                    <TextField name="storage" id="quota-storage" label="Storage" value=draft.storage />
                    <TextField name="active_hours" id="quota-active" label="Active time per period, in hours" value=draft.active_hours />
                    <TextField name="compute_hours" id="quota-compute" label="Compute time per period, in CU hours" value=draft.compute_hours />
                    <TextField name="written" id="quota-written" label="Written data per period" value=draft.written />
                    <TextField name="transfer" id="quota-transfer" label="Data transfer per period" value=draft.transfer />
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

/// Old → new, line by line.
fn difference(detail: &DatabaseDetail, wanted: Result<Quota, AppError>) -> AnyView {
    let wanted = match wanted {
        Ok(wanted) => wanted,
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

/// A size that reads back as exactly the same number: in the largest unit that divides it.
fn size_text(limit: Option<i64>) -> String {
    const UNITS: [(&str, i64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some(limit) = limit else { return String::from("unlimited") };
    match UNITS.into_iter().find(|(_, size)| limit % size == 0) {
        Some((unit, size)) => format!("{} {unit}", limit / size),
        None => format!("{limit} B"),
    }
}

/// Hours that read back as exactly the same number of seconds.
fn hours_text(limit: Option<i64>) -> String {
    limit.map_or_else(|| String::from("unlimited"), |seconds| (seconds as f64 / 3600.0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Usage, parse_bytes};

    #[test]
    fn what_the_form_shows_reads_back_as_what_is_set() {
        for size in [1, 1023, 536_870_912, 536_870_913, 1 << 30, 3 << 40] {
            assert_eq!(parse_bytes(&size_text(Some(size))), Ok(Some(size)));
        }
        for seconds in [1, 59, 60, 100, 1_000, 3_599, 3_600, 360_000, 1_234_567] {
            let quota = Quota::parse("", &hours_text(Some(seconds)), "", "", "").expect("readable");
            assert_eq!(quota.active_time_seconds, Some(seconds));
        }
        assert_eq!(parse_bytes(&size_text(None)), Ok(None));
    }

    #[test]
    fn a_limit_below_what_is_used_blocks_at_once() {
        let usage = Usage { logical_size_bytes: Some(100), ..Usage::default() };
        let storage = |limit| limits(&Quota { logical_size_bytes: limit, ..Quota::default() }, &usage)[0];
        assert!(blocks_at_once(storage(Some(100))));
        assert!(!blocks_at_once(storage(Some(101))));
        assert!(!blocks_at_once(storage(None)));
    }
}
