//! Charts, drawn on the server as SVG and identical in the browser: areas, lines and bars over time, with axes, units,
//! the values under the pointer in the legend, and the same numbers as a table.
//!
//! The plot is stretched to its box, the words stand beside it as HTML: they stay readable at any width.

mod plot;
mod scale;

use chrono::{DateTime, NaiveTime, Utc};
use leptos::prelude::*;

use self::plot::Plot;
use self::scale::{Scale, hours, nearest, tick_text};
use super::utc_text;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Area,
    Line,
    Dashes,
    /// Bars of one chart stand on each other.
    Bars,
}

/// One line of numbers, one per moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub label: &'static str,
    pub mark: Mark,
    /// A class that sets the colour of the text, which is the colour of the line.
    pub class: &'static str,
    pub values: Vec<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartData {
    pub at: Vec<DateTime<Utc>>,
    pub series: Vec<Series>,
}

#[component]
pub fn Chart(
    /// Above it.
    title: &'static str,
    /// What it shows, in one sentence, for screen readers.
    label: &'static str,
    #[prop(into)] data: Signal<ChartData>,
    /// Writes a value with its unit.
    write: fn(f64) -> String,
) -> impl IntoView {
    let pointed = RwSignal::new(None::<usize>);
    let point = move |event: web_sys::PointerEvent| {
        let width = event_target::<web_sys::Element>(&event).client_width();
        let share = f64::from(event.offset_x()) / f64::from(width.max(1));
        pointed.try_set(data.try_with(|data| nearest(&data.at, share)).flatten());
    };
    let leave = move |_| {
        pointed.try_set(None);
    };
    view! {
        <figure class="flex min-w-0 flex-col gap-2">
            <p class="flex flex-wrap items-baseline justify-between gap-x-4 text-sm">
                <span class="font-medium">{title}</span>
                <span class="text-xs text-muted tabular-nums">
                    {move || data.try_with(|data| moment(data, pointed.try_get().flatten()))}
                </span>
            </p>
            {move || data.try_get().map(|data| legend(&data, pointed.try_get().flatten(), write))}
            <div class="grid grid-cols-[auto_1fr] gap-x-2">
                {move || data.try_with(|data| axis(&Scale::of(data), write))}
                <div class="h-44" on:pointermove=point on:pointerleave=leave>
                    {move || data.try_get().map(|data| view! { <Plot data label pointed /> })}
                </div>
                <span></span>
                {move || data.try_with(moments)}
            </div>
            {move || data.try_with(|data| numbers(data, label, write))}
        </figure>
    }
}

/// The moment whose values the legend shows.
fn moment(data: &ChartData, pointed: Option<usize>) -> String {
    match pointed.and_then(|index| data.at.get(index)) {
        Some(at) => utc_text(*at),
        None => String::from("latest values"),
    }
}

/// Names with their latest values, or those under the pointer.
fn legend(data: &ChartData, pointed: Option<usize>, write: fn(f64) -> String) -> impl IntoView + use<> {
    let index = pointed.unwrap_or(usize::MAX).min(data.at.len().saturating_sub(1));
    let entries = data.series.iter().map(|series| {
        let value = series.values.get(index).map(|value| write(*value));
        let swatch = if series.mark == Mark::Dashes { "swatch swatch-dashed" } else { "swatch" };
        view! {
            <span class="inline-flex items-center gap-1.5">
                <span class=format!("{swatch} {}", series.class)></span>
                {series.label}
                <span class="font-medium text-base-content tabular-nums">{value}</span>
            </span>
        }
    });
    view! {
        <figcaption class="flex flex-wrap items-center gap-x-4 gap-y-1 text-xs text-muted">
            {entries.collect_view()}
        </figcaption>
    }
}

/// Values at the left, from top to bottom.
fn axis(scale: &Scale, write: fn(f64) -> String) -> impl IntoView + use<> {
    let ticks = scale.ticks().into_iter().rev().map(|value| view! { <span>{write(value)}</span> }).collect_view();
    view! { <div class="-my-2 flex h-48 flex-col justify-between text-right text-xs leading-4 text-muted tabular-nums" aria-hidden="true">{ticks}</div> }
}

/// Moments below, evenly spaced.
fn moments(data: &ChartData) -> impl IntoView + use<> {
    let is_one_day = |at: &DateTime<Utc>| data.at.len() == 1 && at.time() == NaiveTime::MIN;
    let hours = if data.at.iter().any(is_one_day) { i64::MAX } else { hours(&data.at) };
    let ends = data.at.first().copied().zip(data.at.last().copied());
    let ticks = ends.map(|(first, last)| {
        let at = |quarter| tick_text(first + (last - first) / 4 * quarter, hours);
        // A single value stands in the middle; one of a whole day has no time.
        let quarters = if first == last { 2..=2 } else { 0..=4 };
        quarters.map(|quarter| view! { <span class="first:last:mx-auto">{at(quarter)}</span> }).collect_view()
    });
    view! { <div class="mt-2 flex justify-between text-xs text-muted tabular-nums" aria-hidden="true">{ticks}</div> }
}

/// The same as a table.
fn numbers(data: &ChartData, label: &'static str, write: fn(f64) -> String) -> impl IntoView + use<> {
    let head = data
        .series
        .iter()
        .map(|series| view! { <th scope="col" class="text-right">{series.label}</th> })
        .collect_view();
    let rows = data.at.iter().enumerate().rev().map(|(i, at)| {
        let cells = data.series.iter().map(|series| view! { <td class="text-right tabular-nums">{series.values.get(i).map(|value| write(*value))}</td> });
        view! {
            <tr>
                <th scope="row" class="font-normal whitespace-nowrap tabular-nums">
                    {utc_text(*at)}
                </th>
                {cells.collect_view()}
            </tr>
        }
    });
    view! {
        <details class="text-xs">
            <summary class="w-fit cursor-pointer text-muted hover:text-base-content">"Show as a table"</summary>
            <div class="scroll-hint mt-2 max-h-72 overflow-auto" tabindex="0" role="region" aria-label=label>
                <table class="table table-xs table-pin-rows">
                    <thead>
                        <tr>
                            <th scope="col">"Time"</th>
                            {head}
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}
