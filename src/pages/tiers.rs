//! How much of the fleet the engine knows how well: the sweep over Neon's list, the hot and the cold tier of usage, and what Neon does not tell.

use leptos::prelude::*;

use super::failure::Failure;
use crate::components::{Fact, Freshness, Glyph, Icon, Live, Panel, Skeleton, Timestamp};
use crate::rpc::engine::usage_tiers;
use fleet_types::{MOST_COUNTED, UsageRefusal, UsageTiers, grouped};

#[component]
pub fn TiersPanel() -> impl IntoView {
    let live = Live::<UsageTiers>::new(10);
    let first = Resource::new(|| (), |()| usage_tiers());
    live.keep_asking(usage_tiers);
    let aside = move || {
        view! { <Freshness as_of=Signal::derive(move || live.with(|tiers| tiers.as_of)) refresh=live.refresh() /> }
    };
    view! {
        <Panel title="What is known of the fleet" aside=ViewFn::from(aside) class="mb-4">
            <Transition fallback=|| view! { <Skeleton what="the tiers" /> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Ok(tiers) => {
                            live.start_with(tiers);
                            view! { {move || live.with(|tiers| view! { <Tiers tiers=tiers.clone() /> })} }.into_any()
                        }
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })}
            </Transition>
        </Panel>
    }
}

#[component]
fn Tiers(tiers: UsageTiers) -> impl IntoView {
    let refusals = tiers.refusals.clone().into_iter().map(|refusal| view! { <Refusal refusal /> }).collect_view();
    let (hot, coverage) = (hot(&tiers), coverage(&tiers));
    let (oldest, never_asked) = (tiers.oldest_asked_at, never_asked(tiers.never_asked));
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="Last complete sweep over Neon's list">
                {match tiers.swept_at {
                    Some(at) => view! { <Timestamp at /> {coverage} }.into_any(),
                    None => view! { <span class="text-muted">"none yet"</span> }.into_any(),
                }}
            </Fact>
            <Fact name="Usage, hot: active since they were asked about">{hot}</Fact>
            <Fact name="Usage, cold: asked within a day">
                {match oldest {
                    Some(at) => view! { "the oldest answer is of " <Timestamp at /> }.into_any(),
                    None => view! { <span class="text-muted">"nobody was asked about yet"</span> }.into_any(),
                }}
                {never_asked}
            </Fact>
            <Fact name="Storage, of those that may be near their quota">{to_measure(&tiers)}</Fact>
        </dl>
        {refusals}
    }
}

#[component]
fn Refusal(refusal: UsageRefusal) -> impl IntoView {
    view! {
        <div class="notice notice-warning mt-3">
            <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
            <p class="min-w-0 text-sm break-words">
                {format!("Not known: {}. {} Since ", refusal.source.tells(), refusal.reason)} <Timestamp at=refusal.since />
                "; asked again " <Timestamp at=refusal.until /> "."
            </p>
        </div>
    }
}

/// `, 2,998 projects for 3,000 databases`.
fn coverage(tiers: &UsageTiers) -> String {
    format!(", {} projects for {} databases", grouped(tiers.swept_projects), grouped(tiers.living))
}

fn hot(tiers: &UsageTiers) -> String {
    match tiers.hot {
        0 => String::from("none"),
        _ => format!("{}, {} to be asked about now", counted(tiers.hot), counted(tiers.hot_waiting)),
    }
}

/// All others are known to be below 80 %: data and history together are.
fn to_measure(tiers: &UsageTiers) -> String {
    match (tiers.to_measure, tiers.never_measured) {
        (0, _) => String::from("all measured since they were used"),
        (all, 0) => format!("{} to be measured again", counted(all)),
        (all, never) => format!("{} to be measured, {} of them never yet", counted(all), counted(never)),
    }
}

fn never_asked(count: i64) -> Option<String> {
    (count > 0).then(|| format!("; {} not yet asked about", counted(count)))
}

fn counted(count: i64) -> String {
    if count >= MOST_COUNTED { format!("{} or more", grouped(count)) } else { grouped(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_ended_early_say_so() {
        assert_eq!(counted(9_999), "9,999");
        assert_eq!(counted(MOST_COUNTED), "10,000 or more");
        assert_eq!(never_asked(0), None);
    }
}
