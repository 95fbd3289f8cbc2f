//! Shares as bars. Widths are attributes, so that no inline style is needed.

use leptos::prelude::*;

use super::Tone;

/// How much of a limit is used.
#[component]
pub fn Meter(
    used: f64,
    /// `None` is unlimited: an empty track.
    limit: Option<f64>,
    tone: Tone,
    /// What it measures, for screen readers.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let Some(limit) = limit.filter(|limit| *limit > 0.0) else {
        return view! { <div class="h-1.5 w-full rounded-full bg-base-200"></div> }.into_any();
    };
    let (value, max) = (used.clamp(0.0, limit), limit);
    view! { <progress class=format!("progress h-1.5 {}", tone.progress()) value=value.to_string() max=max.to_string() aria-label=label></progress> }.into_any()
}

/// One part of a [`StackedBar`].
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub label: String,
    pub value: f64,
    /// A class that sets the colour of the text, which fills the segment.
    pub class: &'static str,
}

/// Parts of a whole, side by side. The words belong beside it: to a screen reader this is a picture.
#[component]
pub fn StackedBar(segments: Vec<Segment>, #[prop(into)] label: String) -> impl IntoView {
    let total: f64 = segments.iter().map(|segment| segment.value.max(0.0)).sum();
    let mut x = 0.0;
    let rects = segments
        .into_iter()
        .filter(|segment| segment.value > 0.0 && total > 0.0)
        .map(|segment| {
            // A sliver is wide enough to be seen, so that a handful of failures shows among 300,000.
            let width = (segment.value / total * 1000.0).max(4.0);
            let left = x;
            x += width;
            view! {
                <rect class=segment.class fill="currentColor" x=format!("{left:.1}") y="0" width=format!("{:.1}", width - 1.5) height="10">
                    <title>{segment.label}</title>
                </rect>
            }
        })
        .collect_view();
    let width = x.max(1.0);
    view! {
        <svg class="h-3 w-full overflow-hidden rounded-sm" viewBox=format!("0 0 {width:.1} 10") preserveAspectRatio="none" role="img" aria-label=label>
            {rects}
        </svg>
    }
}
