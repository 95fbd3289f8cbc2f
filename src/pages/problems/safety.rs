//! Safe mode, and the way out of it.

use leptos::prelude::*;

use crate::components::{Glyph, Icon, Timestamp, Tone};
use crate::pages::path;
use fleet_types::{DatabaseState, SafeMode, SafeModeReason, grouped};

#[component]
pub fn SafeModeNotice(mode: Signal<Option<SafeMode>>) -> impl IntoView {
    move || {
        mode.try_get().flatten().map(|mode| {
            let withheld = path::databases_in(DatabaseState::Withheld);
            let count = format!("{} databases", grouped(mode.withheld));
            let first = match mode.reason {
                SafeModeReason::Older => {
                    view! { "Make sure that no other Flotilla runs on a copy of this ledger. A copy gets an id of its own, on the copy, never here: " <code>"flotilla ledger new-identity"</code> }
                        .into_any()
                }
                SafeModeReason::Second => {
                    view! { "A second ledger with this id is running. Stop the copy; if it is to run again, give it an id of its own first, on the copy, never on the ledger that was there first: " <code>"flotilla ledger new-identity"</code> }
                        .into_any()
                }
            };
            view! {
                <div class=format!("{} items-start", Tone::Bad.alert()) role="alert">
                    <Icon glyph=Glyph::Block class="mt-0.5 size-5 shrink-0" />
                    <div class="min-w-0 flex-1 text-base-content">
                        <p class="font-semibold">{mode.sentence()} " Since " <Timestamp at=mode.since /> "."</p>
                        <p class="text-sm break-words">
                            {mode.evidence.clone()} " Nothing is deleted. "
                            <a class="link" href=withheld>{count}</a>
                            " are withheld: whether somebody held them is not known here. "
                            {if mode.hands_out {
                                "Claims are served from databases that were made since."
                            } else {
                                "Nothing is handed out until it is clear that no second ledger is running."
                            }}
                        </p>
                        <ol class="mt-2 list-decimal pl-5 text-sm">
                            <li>{first}</li>
                            <li>"See what Neon still knows of the owners, without changing anything: " <code>"flotilla ledger repair"</code></li>
                            <li>"Give back and rebuild it: " <code>"flotilla ledger repair --apply"</code></li>
                            <li>"Decide what it lists: ask the owner, release what is not needed, recover what is gone."</li>
                            <li>"When all is settled, let deletions go on: " <code>"flotilla ledger repair --end"</code></li>
                        </ol>
                    </div>
                </div>
            }
        })
    }
}
