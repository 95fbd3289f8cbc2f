//! Editing the quotas: what changes is shown before it is done, with a warning where it would block the database at once.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, QUOTA};
use super::quota::{Limit, limits};
use crate::components::{CancelButton, Dialog, Glyph, Icon, Live, ReasonField, SubmitButton, TextField};
use crate::types::{AppError, DatabaseDetail, QuotaChange, exact_bytes, parse_bytes};

/// One field as it is being written.
#[derive(Clone, Copy)]
struct Field {
    text: RwSignal<String>,
    /// What it was filled with.
    filled: RwSignal<String>,
}

impl Field {
    fn new() -> Self {
        Self { text: RwSignal::new(String::new()), filled: RwSignal::new(String::new()) }
    }

    fn is_touched(self) -> bool {
        self.text.get() != self.filled.get()
    }

    /// What is written, if it differs from what the field was filled with.
    fn touched(self) -> Option<String> {
        self.is_touched().then(|| self.text.get())
    }

    fn fill(self, text: String, keep_what_is_touched: bool) {
        if !keep_what_is_touched || self.text.get_untracked() == self.filled.get_untracked() {
            self.text.try_set(text.clone());
        }
        self.filled.try_set(text);
    }
}

/// The five fields, and the revision of the quota that they were filled from. Only what somebody has touched is sent.
#[derive(Clone, Copy)]
pub struct Draft {
    storage: Field,
    active_hours: Field,
    compute_hours: Field,
    written: Field,
    transfer: Field,
    revision: RwSignal<i64>,
    /// The next reading fills the form anew: all of it, or around what is touched.
    refill: RwSignal<Option<Refill>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refill {
    /// It was saved.
    Everything,
    /// It was refused because somebody else had changed the quota: they have been told, and may save again.
    AroundWhatIsTouched,
}

impl Draft {
    pub fn new() -> Self {
        Self {
            storage: Field::new(),
            active_hours: Field::new(),
            compute_hours: Field::new(),
            written: Field::new(),
            transfer: Field::new(),
            revision: RwSignal::new(0),
            refill: RwSignal::new(None),
        }
    }

    pub fn fill(self, detail: &DatabaseDetail) {
        self.fill_with(detail, false);
    }

    /// The next reading is the new ground.
    pub fn refill(self, how: Refill) {
        self.refill.try_set(Some(how));
    }

    /// The page was read anew: an untouched form follows it; one that is being filled in stays as it is, unless it was answered.
    pub fn follow(self, detail: &DatabaseDetail) {
        let is_touched = untrack(|| self.fields().into_iter().any(Field::is_touched));
        match self.refill.get_untracked() {
            // Read before the other change was committed: the next reading has it.
            Some(Refill::AroundWhatIsTouched) if self.revision.get_untracked() == detail.quota_revision => {}
            Some(how) => self.fill_with(detail, how == Refill::AroundWhatIsTouched),
            None if !is_touched && self.revision.get_untracked() != detail.quota_revision => {
                self.fill_with(detail, false)
            }
            None => {}
        }
    }

    fn fill_with(self, detail: &DatabaseDetail, keep_what_is_touched: bool) {
        let quota = &detail.quota;
        self.storage.fill(size_text(quota.logical_size_bytes), keep_what_is_touched);
        self.active_hours.fill(hours_text(quota.active_time_seconds), keep_what_is_touched);
        self.compute_hours.fill(hours_text(quota.compute_time_seconds), keep_what_is_touched);
        self.written.fill(size_text(quota.written_data_bytes), keep_what_is_touched);
        self.transfer.fill(size_text(quota.data_transfer_bytes), keep_what_is_touched);
        self.revision.try_set(detail.quota_revision);
        self.refill.try_set(None);
    }

    fn fields(self) -> [Field; 5] {
        [self.storage, self.active_hours, self.compute_hours, self.written, self.transfer]
    }

    fn parse(self) -> Result<QuotaChange, AppError> {
        let [storage, active, compute, written, transfer] = self.fields().map(Field::touched);
        QuotaChange::parse(
            storage.as_deref(),
            active.as_deref(),
            compute.as_deref(),
            written.as_deref(),
            transfer.as_deref(),
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
    use crate::types::{Quota, Usage};

    #[test]
    fn what_the_form_shows_reads_back_as_what_is_set() {
        for size in [1, 1023, 536_870_912, 536_870_913, 1 << 30, 3 << 40] {
            assert_eq!(parse_bytes(&size_text(Some(size))), Ok(Some(size)));
        }
        for seconds in [1, 59, 60, 100, 1_000, 3_599, 3_600, 360_000, 1_234_567] {
            let change =
                QuotaChange::parse(None, Some(&hours_text(Some(seconds))), None, None, None).expect("readable");
            assert_eq!(change.active_time_seconds, Some(Some(seconds)));
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
