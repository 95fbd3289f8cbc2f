//! Problems: one screen with everything that is wrong with the fleet, why, since when, and what Flotilla does about it. Filter and page of the findings
//! are in the URL; each finding has a page of its own that can be shown to somebody else.

mod actions;
mod brake;
mod evidence;
mod finding;
mod findings;
mod overview;
mod safety;

use leptos::prelude::*;

use self::brake::{BrakeActions, BrakeNotice, StrayDialog};
use self::findings::Findings;
use self::overview::{Overview, Troubled};
use self::safety::SafeModeNotice;
use super::{
    failure::{Failure, UnreadableFilter},
    path,
    query::use_asked,
};
use crate::components::{Freshness, Live, PageHead, Skeleton};
use crate::rpc::problems::{findings, problems};
use fleet_types::{AppError, FindingFilter, FindingPage as Page, Problems, Unreadable};

pub use actions::{Buttons, FindingActions, WaysOut};
pub use finding::FindingPage;

/// Seconds between two refreshes of the first page; further pages stand still while they are read.
const EVERY: u32 = 5;

/// What the screen shows.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Screen {
    problems: Problems,
    page: Page,
}

async fn ask(filter: Result<FindingFilter, Unreadable>) -> Result<Screen, AppError> {
    let filter = filter?;
    let page = findings(filter.kind, filter.status, filter.after).await?;
    Ok(Screen { problems: problems().await?, page })
}

#[component]
pub fn ProblemsPage() -> impl IntoView {
    let asked = use_asked(FindingFilter::read);
    let filter = Memo::new(move |_| asked.get().unwrap_or_default());
    let live = Live::<Screen>::new(EVERY);
    let screen = Resource::new(move || asked.get(), ask);
    live.keep_asking(move || ask(asked.try_get_untracked().unwrap_or_else(|| Ok(FindingFilter::default()))));
    Effect::new(move || live.refresh().set_every(if filter.with(|filter| filter.after.is_none()) { EVERY } else { 0 }));
    let actions = BrakeActions::new(live.refresh());
    view! {
        <PageHead title="Problems" note="Everything that is wrong with the fleet, why, since when, and what Flotilla does about it.">
            <Freshness as_of=Signal::derive(move || live.with(|screen| screen.problems.as_of)) refresh=live.refresh() />
        </PageHead>
        <Transition fallback=|| view! { <Skeleton what="what is wrong" /> }>
            {move || Suspend::new(async move {
                match screen.await {
                    Ok(screen) => {
                        live.start_with(screen);
                        view! { <Everything live filter actions /> }.into_any()
                    }
                    Err(AppError::Invalid { message, .. }) => {
                        view! { <UnreadableFilter message everything=path::PROBLEMS text="Show all open findings" /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
        <StrayDialog actions />
    }
}

#[component]
fn Everything(live: Live<Screen>, filter: Memo<FindingFilter>, actions: BrakeActions) -> impl IntoView {
    view! {
        <div class="flex flex-col gap-4">
            <SafeModeNotice mode=Signal::derive(move || live.with(|screen| screen.problems.safe_mode.clone()).flatten()) />
            <BrakeNotice brake=Signal::derive(move || live.with(|screen| screen.problems.brake.clone()).flatten()) actions />
            {move || live.with(|screen| view! { <Overview problems=screen.problems.clone() /> })}
            {move || {
                live.with(|screen| {
                    let filter = filter.try_get().unwrap_or_default();
                    view! { <Findings problems=screen.problems.clone() page=screen.page.clone() filter /> }
                })
            }}
            {move || live.with(|screen| view! { <Troubled problems=screen.problems.clone() /> })}
        </div>
    }
}
