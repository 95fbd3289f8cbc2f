//! What a page is asked for by the query of its URL. The API reads its queries by the same rules: what cannot be read, stands there twice or means
//! nothing on this page is said, and never taken for a request to see everything.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::failure::set_status;
use crate::components::{Glyph, Icon};
use fleet_types::{QueryReader, Unreadable};

/// Where a form left the code of what went wrong; every page shows it.
const OF_FORMS: [&str; 2] = ["error", "field"];

/// What this page is asked for.
pub type Asked<T> = Memo<Result<T, Unreadable>>;

/// What `read` makes of the query as it is now.
pub fn use_asked<T>(read: fn(&mut QueryReader<'_>) -> T) -> Asked<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    let url = use_query_map();
    Memo::new(move |_| {
        let pairs: Vec<_> = url.get().into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
        let (asked, unreadable) = QueryReader::read_all(&pairs, &OF_FORMS, read);
        unreadable.into_iter().next().map_or(Ok(asked), Err)
    })
}

/// Says that the query cannot be read, on a page that is no list: `instead` is what it shows.
#[component]
pub fn UnreadableNotice<T>(asked: Asked<T>, instead: &'static str) -> impl IntoView
where
    T: PartialEq + Clone + Send + Sync + 'static,
{
    move || asked.try_get()?.err().map(|unreadable| notice(&unreadable, instead))
}

/// On a page that has no parameters.
#[component]
pub fn NoParameters() -> impl IntoView {
    view! { <UnreadableNotice asked=use_asked(|_| ()) instead="This page has no parameters." /> }
}

fn notice(unreadable: &Unreadable, instead: &'static str) -> impl IntoView + use<> {
    set_status(422);
    view! {
        <div class="notice notice-warning mb-4" role="alert">
            <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
            <p class="text-sm">{format!("{} {instead}", unreadable.in_words())}</p>
        </div>
    }
}
