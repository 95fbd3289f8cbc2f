//! What the databases of the pool are made of, changing it, and how far a change has come.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{PoolActions, TEMPLATE};
use super::strip::compute;
use crate::components::{
    CancelButton, Dialog, Fact, Glyph, Live, Meter, OpenDialog, Panel, ReasonField, SelectField, SubmitButton,
    TextField, Timestamp, Tone,
};
use crate::pages::session;
use fleet_types::{AppError, Permission, PoolDetail, RollOut, Template, TemplateStatus, duration, grouped};

#[component]
pub fn TemplatePanel(live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let why_not = session::why_not(Permission::ManagePools);
    let edit = move || view! { <OpenDialog dialog=TEMPLATE text="Edit template" glyph=Glyph::Pencil why_not=why_not.clone() /> };
    view! {
        <Panel title="Template" aside=ViewFn::from(edit)>
            {move || live.with(|detail| view! { <Facts status=detail.template.clone() region=detail.summary.region.clone() /> })}
            <TemplateDialog live actions />
        </Panel>
    }
}

#[component]
fn Facts(status: TemplateStatus, region: String) -> impl IntoView {
    let template = status.template;
    let progress = match status.roll_out {
        Some(roll_out) => view! { <Progress roll_out revision=status.revision /> }.into_any(),
        None => view! { <p class="mt-3 text-sm text-muted">{format!("Template {}. All unclaimed databases are made of it.", status.revision)}</p> }.into_any(),
    };
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="Region">{region}</Fact>
            <Fact name="Postgres">{template.pg_version}</Fact>
            <Fact name="Compute">{compute(template.min_cu, template.max_cu)}</Fact>
            <Fact name="Suspend after">{timeout_text(template.suspend_timeout_seconds)}</Fact>
            <Fact name="Born with plan">{template.birth_plan}</Fact>
        </dl>
        {progress}
    }
}

/// How far a change has come.
#[component]
fn Progress(roll_out: RollOut, revision: i32) -> impl IntoView {
    let RollOut { since, done, of } = roll_out;
    view! {
        <div class="mt-3 flex flex-col gap-1.5">
            <p class="text-sm" role="status">
                <span class="font-medium tabular-nums">{format!("{} of {} on the new template", grouped(done), grouped(of))}</span>
                <span class="text-muted">
                    {format!(" (template {revision}), rolling out since ")} <Timestamp at=since /> ". The oldest go first; claims go on."
                </span>
            </p>
            <Meter used=done as f64 limit=Some(of.max(1) as f64) tone=Tone::Accent label="Unclaimed databases on the new template" />
        </div>
    }
}

fn timeout_text(seconds: i32) -> String {
    match seconds {
        0 => String::from("Neon's default"),
        -1 => String::from("never"),
        seconds => duration(seconds.into()),
    }
}

#[component]
fn TemplateDialog(live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let (name, plans) =
        live.with_untracked(|detail| (detail.summary.name.clone(), detail.template.plans.clone())).unwrap_or_default();
    let form = actions.template;
    let same = |text: String| (text.clone(), text);
    let versions = (14..=18).map(|version: i32| same(version.to_string())).collect();
    let parsed = Memo::new(move |_| form.draft().parse());
    view! {
        <Dialog id=TEMPLATE refusal=actions.answers.refusal title=format!("Template of pool {name}") class="modal-box max-w-2xl">
            <ActionForm action=actions.set_template>
                <input type="hidden" name="name" value=name.clone() />
                <input type="hidden" name="revision" value=move || live.with(|detail| detail.template.revision.to_string()) />
                <div class="grid gap-4 sm:grid-cols-2">
                    <SelectField name="pg_version" id="template-pg" label="Postgres" options=versions value=form.pg_version />
                    <SelectField name="birth_plan" id="template-plan" label="Born with plan" options=plans.into_iter().map(same).collect() value=form.birth_plan />
                    <TextField name="min_cu" id="template-min" label="Smallest compute, in CU" value=form.min_cu required=true />
                    <TextField name="max_cu" id="template-max" label="Largest compute, in CU" value=form.max_cu required=true />
                    <TextField
                        name="suspend_timeout"
                        id="template-timeout"
                        label="Suspend after, in seconds"
                        value=form.suspend_timeout
                        required=true
                        hint="0 is Neon's default, -1 never."
                    />
                    <ReasonField id="template-reason" />
                </div>
                <div class="mt-4 needs-wasm" role="status">
                    {move || parsed.try_get().and_then(|parsed| live.with(|detail| effect(detail, parsed)))}
                </div>
                <div class="modal-action">
                    <CancelButton dialog=TEMPLATE />
                    <SubmitButton text="Save template" pending=actions.set_template.pending() why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}

/// Old → new, line by line, and what that means for those that are unclaimed.
fn effect(detail: &PoolDetail, wanted: Result<Template, AppError>) -> AnyView {
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return view! { <p class="notice notice-error text-sm">{error.to_string()}</p> }.into_any(),
    };
    let before = &detail.template.template;
    let lines = before.differences(&wanted).into_iter().map(|(field, before, after)| {
        view! {
            <li>
                <span class="text-muted">{field} ": "</span>
                <span class="tabular-nums">{before} " → "</span>
                <span class="font-medium tabular-nums">{after}</span>
            </li>
        }
    });
    let lines = lines.collect_view();
    if lines.is_empty() {
        return view! { <p class="text-sm text-muted">"Nothing changes yet."</p> }.into_any();
    }
    let available = grouped(detail.summary.available);
    let means = match wanted.replaces(before) {
        true => format!(
            "Neon cannot change the Postgres version of a project: the {available} available databases are replaced, oldest first, a few at a time, and never so many that claims would notice."
        ),
        false => format!(
            "The {available} available databases are changed in place, oldest first. Claimed ones keep what they have."
        ),
    };
    view! {
        <ul class="flex flex-col gap-1 rounded-box border border-base-300 p-3 text-sm">{lines}</ul>
        <p class="mt-2 text-sm text-muted">{means}</p>
    }
    .into_any()
}
