//! Who asked for what they may not do, in the last 24 hours. Not part of the history: somebody who asks in a loop takes one line here.

use leptos::prelude::*;

use crate::components::{Panel, Timestamp};
use fleet_types::{Denial, Denials, grouped};

/// Nothing at all when nobody was refused.
#[component]
pub fn DenialsPanel(denials: Denials) -> impl IntoView {
    let Denials { newest, total } = denials;
    if newest.is_empty() {
        return ().into_any();
    }
    let shown = newest.len();
    let rest = (total > shown as i64).then(|| {
        view! {
            <p class="border-t border-base-300 px-4 py-2 text-xs text-muted">
                {format!("The {shown} newest of {}.", grouped(total))}
            </p>
        }
    });
    let lines = newest.into_iter().map(|denial| view! { <Line denial /> }).collect_view();
    view! {
        <Panel title="Refused in the last 24 hours" flush=true>
            <ul class="divide-y divide-base-300">{lines}</ul>
            {rest}
        </Panel>
    }
    .into_any()
}

#[component]
fn Line(denial: Denial) -> impl IntoView {
    let Denial { actor, action, missing, times, last_at, .. } = denial;
    let times = if times == 1 { String::from("once") } else { format!("{} times", grouped(times)) };
    view! {
        <li class="px-4 py-2.5">
            <p class="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                <span class="min-w-0 break-words">
                    <bdi class="font-medium">{actor}</bdi>
                    " asked for "
                    <code class="break-all">{action}</code>
                    " "
                    {times}
                </span>
                <span class="text-xs text-muted">
                    <Timestamp at=last_at />
                </span>
            </p>
            <p class="text-xs text-muted">{format!("Needs the {missing}")}</p>
        </li>
    }
}
