//! Moments: relative to now, UTC or local at a click. The browser begins with the server's now, so that hydration changes no text and moves nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, Timelike, Utc};
use leptos::prelude::*;

use super::{Glyph, Icon, browser};

const REMEMBERED_AS: &str = "flotilla-times";

/// How moments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeStyle {
    Relative,
    Utc,
    Local,
}

impl TimeStyle {
    const ALL: [Self; 3] = [Self::Relative, Self::Utc, Self::Local];

    fn as_str(self) -> &'static str {
        match self {
            Self::Relative => "relative",
            Self::Utc => "UTC",
            Self::Local => "local",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Relative => Self::Utc,
            Self::Utc => Self::Local,
            Self::Local => Self::Relative,
        }
    }
}

/// The time now and how it is written.
#[derive(Clone, Copy)]
pub struct Clock {
    /// Milliseconds since 1970: when the server rendered the page, then by the browser's clock.
    now_ms: RwSignal<f64>,
    style: RwSignal<TimeStyle>,
}

/// Starts the clock of the page: it ticks every second while the page is seen.
pub fn provide_clock() {
    // Runs on the server; the browser finds the value in the page.
    let rendered_at =
        SharedValue::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64);
    let now_ms = RwSignal::new(rendered_at.into_inner() as f64);
    let clock = Clock { now_ms, style: RwSignal::new(TimeStyle::Relative) };
    provide_context(clock);
    Effect::new(move || {
        if let Some(style) = browser::remembered(REMEMBERED_AS)
            .and_then(|text| TimeStyle::ALL.into_iter().find(|style| style.as_str() == text))
        {
            clock.style.set(style);
        }
        clock.now_ms.set(browser::now_ms());
        let tick = move || {
            if browser::is_visible() {
                clock.now_ms.try_set(browser::now_ms());
            }
        };
        if let Ok(handle) = set_interval_with_handle(tick, Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
}

impl Clock {
    /// Seconds that have passed since then; `None` when the page is gone.
    pub fn age_seconds(self, at: DateTime<Utc>) -> Option<i64> {
        let now = self.now_ms.try_get()?;
        Some(((now - at.timestamp_millis() as f64) / 1000.0).floor() as i64)
    }

    /// As the operator likes it; `None` when the page is gone.
    fn write(self, at: DateTime<Utc>) -> Option<String> {
        let age = self.age_seconds(at)?;
        Some(match self.style.try_get()? {
            TimeStyle::Relative => relative_text(at, age),
            TimeStyle::Utc => utc_text(at),
            TimeStyle::Local => local_text(at),
        })
    }
}

/// A moment, written as the operator likes it.
#[component]
pub fn Timestamp(at: DateTime<Utc>) -> impl IntoView {
    let clock = use_context::<Clock>();
    let text = move || clock.and_then(|clock| clock.write(at)).unwrap_or_else(|| utc_text(at));
    view! {
        <time class="whitespace-nowrap tabular-nums" datetime=iso(at) title=utc_text(at)>
            {text}
        </time>
    }
}

/// Turns all moments on the page from relative to UTC to local.
#[component]
pub fn TimeStyleSwitch() -> impl IntoView {
    let clock = use_context::<Clock>();
    let style = move || clock.and_then(|clock| clock.style.try_get()).unwrap_or(TimeStyle::Relative);
    let turn = move |_| {
        if let Some(clock) = clock {
            let next = style().next();
            clock.style.set(next);
            browser::remember(REMEMBERED_AS, next.as_str());
        }
    };
    view! {
        <button type="button" class="btn btn-ghost btn-xs font-normal needs-wasm" title="How times are written: relative, UTC or local" on:click=turn>
            <Icon glyph=Glyph::Clock class="size-3.5" />
            "Times: "
            {move || style().as_str()}
        </button>
    }
}

/// `2026-11-23 02:12 UTC`.
pub fn utc_text(at: DateTime<Utc>) -> String {
    format!("{} UTC", date_and_time(at))
}

/// As `<time datetime>` wants it.
pub fn iso(at: DateTime<Utc>) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn date_and_time(at: DateTime<Utc>) -> String {
    format!("{:04}-{:02}-{:02} {:02}:{:02}", at.year(), at.month(), at.day(), at.hour(), at.minute())
}

fn local_text(at: DateTime<Utc>) -> String {
    let offset = browser::offset_minutes(at.timestamp_millis() as f64);
    date_and_time(at + chrono::TimeDelta::minutes(offset))
}

/// `12 s ago`, `in 3 min`; the date for what is more than a month away.
fn relative_text(at: DateTime<Utc>, age_seconds: i64) -> String {
    let amount = |n: i64| match n {
        0..60 => format!("{n} s"),
        60..3_600 => format!("{} min", n / 60),
        3_600..86_400 => format!("{} h", n / 3_600),
        _ => format!("{} d", n / 86_400),
    };
    match age_seconds {
        -1..=1 => String::from("just now"),
        n if n.abs() >= 31 * 86_400 => format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()),
        n if n < 0 => format!("in {}", amount(-n)),
        n => format!("{} ago", amount(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("in range")
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(utc_text(moment()), "2027-01-15 08:00 UTC");
        assert_eq!(iso(moment()), "2027-01-15T08:00:00Z");
    }

    #[test]
    fn moments_are_written_relative_to_now() {
        assert_eq!(relative_text(moment(), 0), "just now");
        assert_eq!(relative_text(moment(), 59), "59 s ago");
        assert_eq!(relative_text(moment(), 7_300), "2 h ago");
        assert_eq!(relative_text(moment(), -300), "in 5 min");
        assert_eq!(relative_text(moment(), 40 * 86_400), "2027-01-15");
    }
}
