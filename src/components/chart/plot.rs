//! The drawing itself, without words.

use std::fmt::Write;

use leptos::prelude::*;

use super::scale::{HEIGHT, Scale, WIDTH, position};
use super::{ChartData, Mark, Series};

/// How wide a single value is drawn.
const LEVEL: f64 = 160.0;

#[component]
pub fn Plot(data: ChartData, label: &'static str, pointed: RwSignal<Option<usize>>) -> impl IntoView {
    let scale = Scale::of(&data);
    let x: Vec<f64> = (0..data.at.len()).map(|i| position(&data.at, i) * WIDTH).collect();
    let grid = scale.ticks().into_iter().map(|value| gridline(scale.y(value))).collect_view();
    let bars = stacked_bars(&data, &x, &scale);
    let lines = data.series.iter().filter(|series| series.mark != Mark::Bars);
    let lines = lines.map(|series| curve(series, &x, &scale)).collect_view();
    let cursor = move || {
        let x = x.get(pointed.try_get().flatten()?)?;
        Some(view! { <path class="cursor" d=format!("M{x:.1} 0V{HEIGHT}") /> })
    };
    view! {
        <svg
            class="plot size-full overflow-visible"
            viewBox=format!("0 0 {WIDTH} {HEIGHT}")
            preserveAspectRatio="none"
            role="img"
            aria-label=label
        >
            {grid}
            {bars}
            {lines}
            {cursor}
        </svg>
    }
}

fn gridline(y: f64) -> impl IntoView {
    view! { <path class="gridline" d=format!("M0 {y:.1}H{WIDTH}") /> }
}

fn curve(series: &Series, x: &[f64], scale: &Scale) -> impl IntoView + use<> {
    let path = match (x, series.values.as_slice()) {
        // A line of one point would not be seen: it is drawn as a level.
        ([x], [value, ..]) => format!("M{:.1} {:.1}h{LEVEL}", x - LEVEL / 2.0, scale.y(*value)),
        (x, values) => polyline(x, values, scale),
    };
    let area = (series.mark == Mark::Area && x.len() > 1).then(|| format!("{path}V{HEIGHT}H0Z"));
    view! {
        <g class=series.class>
            {area.map(|area| view! { <path class="area" d=area /> })}
            <path class=if series.mark == Mark::Dashes { "curve curve-dashed" } else { "curve" } d=path />
        </g>
    }
}

fn polyline(x: &[f64], values: &[f64], scale: &Scale) -> String {
    let mut path = String::with_capacity(x.len() * 12);
    for (i, (x, value)) in x.iter().zip(values).enumerate() {
        let _ = write!(path, "{}{x:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, scale.y(*value));
    }
    path
}

/// All bars of one series are one path, each stacked on those of the series before it.
fn stacked_bars(data: &ChartData, x: &[f64], scale: &Scale) -> impl IntoView + use<> {
    let width = (WIDTH / x.len().max(1) as f64 * 0.7).min(24.0);
    let mut floor = vec![0.0; x.len()];
    let mut paths = Vec::new();
    for series in data.series.iter().filter(|series| series.mark == Mark::Bars) {
        let mut path = String::new();
        for ((x, floor), value) in x.iter().zip(&mut floor).zip(&series.values).filter(|(_, value)| **value > 0.0) {
            let (bottom, top) = (scale.y(*floor), scale.y(*floor + value));
            *floor += value;
            let left = (x - width / 2.0).clamp(0.0, WIDTH - width);
            let _ = write!(path, "M{left:.1} {bottom:.1}V{top:.1}h{width:.1}V{bottom:.1}Z");
        }
        paths.push(view! { <path class=format!("bar {}", series.class) d=path /> });
    }
    paths.collect_view()
}
