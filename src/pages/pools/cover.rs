//! How long the pool lasts: at three rates, and when it would be empty.

use leptos::prelude::*;

use crate::components::Tile;
use crate::pages::figures::{cover_tone, hours_text};
use fleet_types::{PoolDetail, Rates, claims_an_hour, hours_of_cover, time_to_empty};

#[component]
pub fn CoverTiles(detail: PoolDetail) -> impl IntoView {
    let (available, rates) = (detail.summary.available, detail.sizing.rates);
    let tile = |label, rate: f64, which: String| {
        let cover = hours_of_cover(available, rate);
        let note = match cover {
            Some(_) => format!("at {}, {which}", claims_an_hour(rate)),
            None => format!("no claims in {which}"),
        };
        view! { <Tile label value=cover.map_or_else(|| String::from("–"), hours_text) note=Some(note) href=None tone=cover_tone(cover) /> }
    };
    let weeks = window_text(&rates);
    view! {
        {tile("Hours of cover", rates.current, String::from("the last hour"))}
        {tile("Cover at the p95 rate", rates.p95, format!("the p95 of {weeks}"))}
        {tile("Cover at the worst hour", rates.worst, format!("the busiest of {weeks}"))}
        <EmptyTile available claims_last_hour=detail.summary.claims_last_hour />
    }
}

/// When the pool is empty if Neon stops creating now.
#[component]
fn EmptyTile(available: i64, claims_last_hour: i64) -> impl IntoView {
    let time = time_to_empty(available, claims_last_hour);
    let value = match time {
        Some(time) if time.hours <= 0.0 => String::from("empty now"),
        Some(time) => hours_text(time.hours),
        None => String::from("–"),
    };
    let note = match time {
        Some(time) if time.hours > 0.0 => {
            format!(
                "if Neon stops now; {} to {} nine times in ten",
                hours_text(time.low_hours),
                hours_text(time.high_hours)
            )
        }
        Some(_) => String::from("claims wait until a database is ready"),
        None => String::from("no claims in the last hour"),
    };
    view! { <Tile label="Time to empty" value note=Some(note) href=None tone=cover_tone(time.map(|time| time.low_hours)) /> }
}

/// `4 weeks`, `3 days`, `5 hours`: what the p95 and the worst hour were taken from.
fn window_text(rates: &Rates) -> String {
    match rates.hours {
        0 => String::from("the last hour"),
        1 => String::from("1 hour"),
        hours @ 2..48 => format!("{hours} hours"),
        hours @ 48..336 => format!("{} days", hours / 24),
        hours => format!("{} weeks", hours / 168),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_named_by_its_length() {
        let text = |hours| window_text(&Rates { hours, ..Rates::default() });
        assert_eq!(
            [text(0), text(1), text(30), text(72), text(672)],
            ["the last hour", "1 hour", "30 hours", "3 days", "4 weeks"]
        );
    }
}
