//! The keys that seal credentials: what each seals, how far a change of keys is, and which can go.

use leptos::prelude::*;

use super::failure::Failure;
use crate::components::{Freshness, Live, Panel, Skeleton, Table};
use crate::rpc::engine::keys;
use fleet_types::{KeyReport, grouped};

#[component]
pub fn KeysPanel() -> impl IntoView {
    let live = Live::<KeyReport>::new(10);
    let first = Resource::new(|| (), |()| keys());
    live.keep_asking(keys);
    let aside = move || {
        view! { <Freshness as_of=Signal::derive(move || live.with(|report| report.as_of)) refresh=live.refresh() /> }
    };
    view! {
        <Panel title="Keys that seal credentials" aside=ViewFn::from(aside) class="mb-4" flush=true>
            <Transition fallback=|| view! { <Skeleton what="the keys" /> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Ok(report) => {
                            live.start_with(report);
                            view! { {move || live.with(|report| view! { <Keys report=report.clone() /> })} }.into_any()
                        }
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })}
            </Transition>
        </Panel>
    }
}

#[component]
fn Keys(report: KeyReport) -> impl IntoView {
    let rows = report
        .keys
        .iter()
        .map(|key| {
            let replicas = format!("{} of {}", key.held_by, report.replicas);
            view! {
                <tr>
                    <th scope="row" class="font-mono font-normal text-base-content">
                        {key.id.clone()}
                    </th>
                    <td data-label="Credentials" class="text-right tabular-nums">{grouped(key.sealed)}</td>
                    <td data-label="Replicas" class="text-right tabular-nums">{replicas}</td>
                    <td data-label="What it does" class="text-cell md:min-w-64">{report.sentence(key)}</td>
                </tr>
            }
        })
        .collect_view();
    let head = view! {
        <th scope="col">"Key"</th>
        <th scope="col" class="text-right">"Credentials"</th>
        <th scope="col" class="text-right">"Replicas"</th>
        <th scope="col">"What it does"</th>
    };
    view! {
        <Table label="Keys" cards=true head=head.into_any()>
            {rows}
        </Table>
    }
}
