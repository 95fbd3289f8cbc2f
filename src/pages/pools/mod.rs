//! All pools: how much is ready, how long it lasts, what is wrong.

mod actions;
mod breaker;
mod controls;
mod cover;
mod decisions;
mod detail;
mod peak_form;
mod plans;
mod policy;
mod roll_outs;
mod schedules;
mod sizing;
mod strip;
mod template;
mod template_form;

use leptos::prelude::*;

pub use detail::PoolPage;
pub use policy::PoolPolicyPage;
pub use strip::{PoolStrip, compute};

use super::{failure::Failure, query::NoParameters};
use crate::components::{EmptyState, Glyph, Live, PageHead, Skeleton};
use crate::rpc::pools::pools;
use fleet_types::PoolSummary;

#[component]
pub fn PoolsPage() -> impl IntoView {
    let live = Live::<Vec<PoolSummary>>::new(5);
    let first = Resource::new(|| (), |()| pools());
    live.keep_asking(pools);
    view! {
        <NoParameters />
        <Transition fallback=|| view! { <Skeleton what="the pools" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(pools) => {
                        live.start_with(pools);
                        view! { <Pools live /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Pools(live: Live<Vec<PoolSummary>>) -> impl IntoView {
    view! {
        <PageHead title="Pools" note="Databases of one specification, kept ready and unclaimed." />
        <div class="panel">
            {move || {
                live.with(|pools| {
                    if pools.is_empty() {
                        view! {
                            <EmptyState glyph=Glyph::Layers title="There is no pool yet">
                                "Without a pool nothing can be claimed. Pools are made when Flotilla is set up."
                            </EmptyState>
                        }
                            .into_any()
                    } else {
                        pools.iter().map(|pool| view! { <PoolStrip pool=pool.clone() /> }).collect_view().into_any()
                    }
                })
            }}
        </div>
        <plans::PlansPanel />
    }
}
