//! The policy of a pool: tried on its recorded past, then set. What stands in the form is in the URL, so that a proposal can be sent to somebody.

mod form;
mod trial;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use self::form::{PolicyForm, PolicySignals};
use self::trial::Trial;
use super::schedules::Schedules;
use crate::components::{PageHead, Panel, Skeleton, Toasts, Tone};
use crate::pages::{
    failure::Failure,
    path,
    query::{UnreadableNotice, use_asked},
};
use crate::rpc::sizing::{SetPolicy, pool_policy, try_policy};
use fleet_types::{PolicyDraft, PolicyPage, PoolRange, QueryReader, grouped};

/// Everything below is made anew when the address names another pool.
#[component]
pub fn PoolPolicyPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name")).unwrap_or_default());
    move || view! { <OnePolicy name=name.get() /> }
}

/// Without scripts the form is sent whole to be tried.
fn read(query: &mut QueryReader<'_>) -> PolicyDraft {
    query.skip(&["name", "read", "reason"]);
    PolicyDraft::read(query)
}

#[component]
fn OnePolicy(name: String) -> impl IntoView {
    let asked = use_asked(read);
    let draft = Memo::new(move |_| asked.get().unwrap_or_default());
    let name = StoredValue::new(name);
    let pool = move || name.try_get_value().unwrap_or_default();
    let first = Resource::new(|| (), move |()| pool_policy(pool()));
    let trial = Resource::new(move || draft.get(), move |draft| try_policy(pool(), draft));
    let signals = PolicySignals::new(&draft.get_untracked());
    let set = ServerAction::<SetPolicy>::new();
    let toasts = use_context::<Toasts>();
    Effect::new(move || {
        if let Some(Ok(())) = set.value().get() {
            first.refetch();
            trial.refetch();
            if let Some(toasts) = toasts {
                toasts.say(Tone::Good, "The policy is in force: it decides at once, and then every minute.");
            }
        }
    });
    view! {
        <Transition fallback=|| view! { <Skeleton what="the policy" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(page) => {
                        signals.begin_with(&page.draft);
                        view! {
                            <UnreadableNotice asked instead="The form begins with what is in force." />
                            <Head page=page.clone() />
                            <PolicyForm page signals set />
                        }
                        .into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
        <Transition fallback=|| view! { <Skeleton what="the simulation" /> }>
            {move || Suspend::new(async move {
                // An unknown pool is told of above.
                trial.await.ok().map(|trial| view! { <Trial trial /> })
            })}
        </Transition>
    }
}

#[component]
fn Head(page: PolicyPage) -> impl IntoView {
    let note = match &page.in_force {
        Some(in_force) => {
            format!("In force: {}. The target is {}.", in_force.policy.in_words(), grouped(page.target.into()))
        }
        None => format!("None yet: the target of {} is set by hand.", grouped(page.target.into())),
    };
    view! {
        <PageHead title=format!("Policy of pool {}", page.pool) note>
            <a class="btn btn-sm" href=path::pool(&page.pool, PoolRange::default())>
                "To the pool"
            </a>
        </PageHead>
        {(!page.schedules.is_empty())
            .then(|| {
                view! {
                    <Panel title="Known peaks that count as well" class="mb-4">
                        <Schedules schedules=page.schedules has_policy=true as_of=page.as_of />
                    </Panel>
                }
            })}
    }
}
