//! The form of a policy. Typing puts the draft into the URL, and so onto the past; without scripts a button does.

use std::time::Duration;

use leptos::{form::ActionForm, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use crate::components::{Glyph, Icon, Panel, ReasonField, SelectField, SubmitButton, TextField};
use crate::pages::{path, session};
use crate::rpc::sizing::SetPolicy;
use fleet_types::{Permission, Policy, PolicyDraft, PolicyPage, SizingRate, cover_text, duration, grouped};

/// How long typing may pause before the draft is tried.
const TYPING: Duration = Duration::from_millis(400);

/// The fields as they are being written. They belong to the page.
#[derive(Clone, Copy)]
pub struct PolicySignals {
    cover: RwSignal<String>,
    rate: RwSignal<String>,
    floor: RwSignal<String>,
    ceiling: RwSignal<String>,
    step: RwSignal<String>,
    wait: RwSignal<String>,
}

impl PolicySignals {
    pub fn new(draft: &PolicyDraft) -> Self {
        let signals = Self {
            cover: RwSignal::new(String::new()),
            rate: RwSignal::new(String::new()),
            floor: RwSignal::new(String::new()),
            ceiling: RwSignal::new(String::new()),
            step: RwSignal::new(String::new()),
            wait: RwSignal::new(String::new()),
        };
        signals.fill(draft);
        signals
    }

    /// Where the URL says nothing, the form begins with what is in force.
    pub fn begin_with(self, draft: &PolicyDraft) {
        if untrack(|| self.draft()).is_empty() {
            self.fill(draft);
        }
    }

    fn fill(self, draft: &PolicyDraft) {
        let fields = [self.cover, self.rate, self.floor, self.ceiling, self.step, self.wait];
        for (field, (_, value)) in fields.into_iter().zip(draft.fields()) {
            field.try_set(value.to_owned());
        }
    }

    fn draft(self) -> PolicyDraft {
        let text = |field: RwSignal<String>| field.try_get().unwrap_or_default();
        PolicyDraft {
            cover: text(self.cover),
            rate: text(self.rate),
            floor: text(self.floor),
            ceiling: text(self.ceiling),
            step: text(self.step),
            wait: text(self.wait),
        }
    }
}

#[component]
pub fn PolicyForm(page: PolicyPage, signals: PolicySignals, set: ServerAction<SetPolicy>) -> impl IntoView {
    let why_not = session::why_not(Permission::ManagePools);
    let action = path::pool_policy(&page.pool, &PolicyDraft::default());
    // As a text, because that is what a browser that runs scripts makes of it. The name of a pool has only letters, digits and hyphens.
    let try_it = format!(
        r#"<button class="btn" type="submit" formmethod="get" formnovalidate formaction="{action}">Try it</button>"#
    );
    keep_in_url(page.pool.clone(), signals);
    let read = page.read().0.to_string();
    let in_force = page.in_force.map(|in_force| in_force.policy);
    let rates = SizingRate::ALL.map(|rate| (rate.as_str().to_owned(), rate.label().to_owned())).to_vec();
    let refusal = move || {
        set.value().get().and_then(Result::err).map(|error| {
            view! {
                <div class="notice notice-error" role="alert">
                    <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
                    <p class="text-sm">{format!("Nothing was changed. {error}")}</p>
                </div>
            }
        })
    };
    view! {
        <Panel title="The policy" class="mb-4">
            <ActionForm action=set>
                <div class="flex flex-col gap-4">
                    {refusal}
                    <input type="hidden" name="name" value=page.pool />
                    <input type="hidden" name="read" value=read />
                    <div class="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
                        <TextField
                            name="cover"
                            id="policy-cover"
                            label="Hours of cover"
                            value=signals.cover
                            required=true
                            hint="How long claims go on if Neon stops creating. 0.5 is half an hour."
                        />
                        <SelectField name="rate" id="policy-rate" label="Claim rate" options=rates value=signals.rate />
                        <TextField name="floor" id="policy-floor" label="Floor" value=signals.floor required=true hint="The target is never below this." />
                        <TextField name="ceiling" id="policy-ceiling" label="Ceiling" value=signals.ceiling required=true hint="Never more than this, whatever the rate." />
                        <TextField name="step" id="policy-step" label="Largest step" value=signals.step required=true hint="By how much one decision may change the target." />
                        <TextField
                            name="wait"
                            id="policy-wait"
                            label="Minutes before a decrease"
                            value=signals.wait
                            required=true
                            hint="After the last change of the target."
                        />
                    </div>
                    <div class="needs-wasm" role="status">
                        {move || difference(in_force.as_ref(), signals.draft())}
                    </div>
                    <div class="flex flex-wrap items-end justify-between gap-4">
                        <div class="min-w-64 flex-1 sm:max-w-md">
                            <ReasonField id="policy-reason" />
                        </div>
                        <span class="flex flex-wrap gap-2">
                            <noscript inner_html=try_it></noscript>
                            <SubmitButton text="Set policy" pending=set.pending() why_not />
                        </span>
                    </div>
                </div>
            </ActionForm>
        </Panel>
    }
}

/// A pause in typing puts the draft into the URL, in place of the one before.
fn keep_in_url(pool: String, signals: PolicySignals) {
    let navigate = use_navigate();
    let mut go = debounce(TYPING, move |draft: PolicyDraft| {
        let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&path::pool_policy(&pool, &draft), options);
    });
    Effect::new(move |before: Option<PolicyDraft>| {
        let draft = signals.draft();
        if before.is_some_and(|before| before != draft) {
            go(draft.clone());
        }
        draft
    });
}

/// Old → new, line by line.
fn difference(in_force: Option<&Policy>, draft: PolicyDraft) -> AnyView {
    let wanted = match draft.parse() {
        Ok(wanted) => wanted,
        Err(error) => return view! { <p class="notice notice-error text-sm">{error.to_string()}</p> }.into_any(),
    };
    let Some(before) = in_force else {
        return view! { <p class="text-sm">"Instead of a target that is set by hand: " {wanted.in_words()} "."</p> }
            .into_any();
    };
    let lines = lines(before)
        .into_iter()
        .zip(lines(&wanted))
        .filter(|(before, after)| before != after)
        .map(|((name, before), (_, after))| {
            view! {
                <li>
                    <span class="text-muted">{name} ": "</span>
                    <span class="tabular-nums">{before} " → "</span>
                    <span class="font-medium tabular-nums">{after}</span>
                </li>
            }
        })
        .collect_view();
    if lines.is_empty() {
        return view! { <p class="text-sm text-muted">"This is the policy in force."</p> }.into_any();
    }
    view! { <ul class="flex flex-col gap-1 rounded-box border border-base-300 p-3 text-sm">{lines}</ul> }.into_any()
}

fn lines(policy: &Policy) -> [(&'static str, String); 6] {
    [
        ("Hours of cover", cover_text(policy.cover_hours)),
        ("Claim rate", policy.rate.label().to_owned()),
        ("Floor", grouped(policy.floor.into())),
        ("Ceiling", grouped(policy.ceiling.into())),
        ("Largest step", grouped(policy.largest_step.into())),
        ("Before a decrease", duration(i64::from(policy.decrease_after_minutes) * 60)),
    ]
}
