//! The drawing itself, without words.

use std::fmt::Write;

use leptos::prelude::*;

use super::scale::{HEIGHT, Scale, WIDTH};
use super::{ChartData, Mark, Series};

#[component]
pub fn Plot(data: ChartData, label: &'static str, pointed: RwSignal<Option<usize>>) -> impl IntoView {
    let scale = Scale::of(&data);
    let grid = scale.ticks().into_iter().map(|value| line(0.0, WIDTH, scale.y(value))).collect_view();
    let bars = stacked_bars(&data, &scale);
    let lines = data
        .series
        .iter()
        .filter(|series| series.mark != Mark::Bars)
        .map(|series| curve(series, &scale))
        .collect_view();
    let count = data.at.len();
    let cursor = move || {
        pointed
            .try_get()
            .flatten()
            .map(|i| view! { <path class="cursor" d=format!("M{:.1} 0V{HEIGHT}", x(i, count)) /> })
    };
    view! {
        <svg class="plot size-full overflow-visible" viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" role="img" aria-label=label>
            {grid}
            {bars}
            {lines}
            {cursor}
        </svg>
    }
}

fn x(i: usize, count: usize) -> f64 {
    if count < 2 { WIDTH / 2.0 } else { i as f64 * WIDTH / (count - 1) as f64 }
}

fn line(from: f64, to: f64, y: f64) -> impl IntoView {
    view! { <path class="gridline" d=format!("M{from:.1} {y:.1}H{to:.1}") /> }
}

fn curve(series: &Series, scale: &Scale) -> impl IntoView + use<> {
    let count = series.values.len();
    let mut path = String::with_capacity(count * 12);
    for (i, value) in series.values.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(i, count), scale.y(*value));
    }
    let area = (series.mark == Mark::Area && count > 1).then(|| format!("{path}V{HEIGHT}H0Z"));
    view! {
        <g class=series.class>
            {area.map(|area| view! { <path class="area" d=area /> })}
            <path class=if series.mark == Mark::Dashes { "curve curve-dashed" } else { "curve" } d=path />
        </g>
    }
}

/// All bars of one series are one path, each standing on those of the series before it.
fn stacked_bars(data: &ChartData, scale: &Scale) -> impl IntoView + use<> {
    let count = data.at.len();
    let width = (WIDTH / count.max(1) as f64 * 0.7).min(40.0);
    let mut floor = vec![0.0; count];
    let paths = data.series.iter().filter(|series| series.mark == Mark::Bars).map(|series| {
        let mut path = String::new();
        for (i, value) in series.values.iter().enumerate().take(count).filter(|(_, value)| **value > 0.0) {
            let (bottom, top) = (scale.y(floor[i]), scale.y(floor[i] + value));
            floor[i] += value;
            let left = (x(i, count) - width / 2.0).clamp(0.0, WIDTH - width);
            let _ = write!(path, "M{left:.1} {bottom:.1}V{top:.1}h{width:.1}V{bottom:.1}Z");
        }
        view! { <path class=format!("bar {}", series.class) d=path /> }
    });
    paths.collect_view()
}
