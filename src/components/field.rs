//! Labelled inputs.

use leptos::prelude::*;

#[component]
pub fn TextField(
    name: &'static str,
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    /// What stands in it; changes from outside show, and typing is written back.
    value: RwSignal<String>,
    /// Below the field.
    #[prop(optional, into)]
    hint: Option<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = false)] required: bool,
    /// Whether it travels with the form; it does if this is left out.
    #[prop(optional, into)]
    is_sent: Option<Signal<bool>>,
    /// Below the field, while it is being written: how it is read.
    #[prop(optional, into)]
    beside: Option<Signal<String>>,
) -> impl IntoView {
    let hint_id = hint.as_ref().map(|_| format!("{id}-hint"));
    let sent_name = move || is_sent.is_none_or(|is_sent| is_sent.try_get().unwrap_or(true)).then_some(name);
    view! {
        <div class="flex flex-col gap-1">
            <label class="text-sm font-medium" for=id.clone()>
                {label}
            </label>
            <input
                id=id
                name=sent_name
                type=kind
                class="input w-full tabular-nums"
                autocomplete="off"
                spellcheck="false"
                required=required
                aria-describedby=hint_id.clone()
                value=value.get_untracked()
                prop:value=move || value.try_get().unwrap_or_default()
                on:input=move |event| {
                    value.try_set(event_target_value(&event));
                }
            />
            {beside.map(|beside| view! { <p class="text-xs text-muted tabular-nums">{move || beside.try_get()}</p> })}
            {hint.map(|hint| view! { <p id=hint_id class="text-xs text-muted">{hint}</p> })}
        </div>
    }
}

/// One of a few choices.
#[component]
pub fn SelectField(
    name: &'static str,
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    /// What is sent, and what is read.
    options: Vec<(String, String)>,
    /// What is chosen; changes from outside show, and choosing is written back.
    value: RwSignal<String>,
    /// Below the field.
    #[prop(optional, into)]
    hint: Option<String>,
) -> impl IntoView {
    let hint_id = hint.as_ref().map(|_| format!("{id}-hint"));
    let options = options.into_iter().map(|(option, text)| {
        let is_chosen = {
            let option = option.clone();
            move || value.try_with(|value| *value == option).unwrap_or(false)
        };
        view! {
            <option value=option selected=untrack(&is_chosen) prop:selected=is_chosen>
                {text}
            </option>
        }
    });
    view! {
        <div class="flex flex-col gap-1">
            <label class="text-sm font-medium" for=id.clone()>
                {label}
            </label>
            <select
                id=id
                name=name
                class="select w-full"
                aria-describedby=hint_id.clone()
                on:change=move |event| {
                    value.try_set(event_target_value(&event));
                }
            >
                {options.collect_view()}
            </select>
            {hint.map(|hint| view! { <p id=hint_id class="text-xs text-muted">{hint}</p> })}
        </div>
    }
}

/// Why something is done: it goes into the history, so it is asked of everybody.
#[component]
pub fn ReasonField(
    #[prop(into)] id: String,
    #[prop(default = "For instance a ticket number. Others read it in the history.")] hint: &'static str,
) -> impl IntoView {
    let hint_id = format!("{id}-hint");
    view! {
        <div class="flex flex-col gap-1">
            <label class="text-sm font-medium" for=id.clone()>
                "Reason"
            </label>
            <input id=id name="reason" type="text" class="input w-full" required minlength="3" maxlength="500" autocomplete="off" aria-describedby=hint_id.clone() />
            <p id=hint_id class="text-xs text-muted">
                {hint}
            </p>
        </div>
    }
}
