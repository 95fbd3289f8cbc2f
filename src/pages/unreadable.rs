//! Records in Neon's answers that could not be read. Nothing is shown while there are none.

use leptos::prelude::*;

use super::user_text::UserText;
use crate::components::{Live, Panel, Timestamp};
use crate::rpc::engine::unreadable_records;
use fleet_types::{UnreadableRecord, grouped};

#[component]
pub fn UnreadablePanel() -> impl IntoView {
    let live = Live::<Vec<UnreadableRecord>>::new(10);
    let first = Resource::new(|| (), |()| unreadable_records());
    live.keep_asking(unreadable_records);
    view! {
        <Transition>
            {move || Suspend::new(async move {
                // The cards of the duties tell it when the engine cannot be asked.
                live.start_with(first.await.unwrap_or_default());
                view! { {move || live.with(|records| view! { <Records records=records.clone() /> })} }
            })}
        </Transition>
    }
}

#[component]
fn Records(records: Vec<UnreadableRecord>) -> impl IntoView {
    if records.is_empty() {
        return None;
    }
    let lines = records.into_iter().map(|record| view! { <Line record /> }).collect_view();
    Some(view! {
        <Panel title="Records of Neon that cannot be read" class="mb-4" flush=true>
            <p class="border-b border-base-300 px-4 py-2.5 text-sm">
                "Everything else goes on, and nothing is concluded from what cannot be read. If a record stays here, ask Neon about it."
            </p>
            <ul class="max-h-64 divide-y divide-base-300 overflow-y-auto" tabindex="0" aria-label="Records that cannot be read">
                {lines}
            </ul>
        </Panel>
    })
}

#[component]
fn Line(record: UnreadableRecord) -> impl IntoView {
    view! {
        <li class="px-4 py-2.5 text-sm">
            <p class="flex flex-wrap justify-between gap-x-3">
                <span class="font-mono break-all">
                    <UserText text=record.record />
                </span>
                <span class="text-xs text-muted">
                    {format!("{} times, last ", grouped(record.times))} <Timestamp at=record.last_seen_at />
                </span>
            </p>
            <p class="break-words">
                <UserText text=record.problem />
            </p>
            <p class="text-xs text-muted">{record.route} ", since " <Timestamp at=record.first_seen_at /></p>
        </li>
    }
}
