//! What the database used, day by day, as charts and as tables.

use chrono::{DateTime, Days, NaiveDate, Utc};
use leptos::prelude::*;
use uuid::Uuid;

use crate::components::{Chart, ChartData, EmptyState, Glyph, Live, Mark, Panel, Series, Skeleton, Timestamp};
use crate::pages::failure::Failure;
use crate::pages::path;
use crate::pages::query::{UnreadableNotice, use_asked};
use crate::rpc::database::database_usage;
use fleet_types::{UsageDay, UsageHistory, UsageRange, bytes, duration};

/// Neon's own figures are renewed every 15 minutes.
const EVERY_SECONDS: u32 = 60;
const MIB: f64 = 1024.0 * 1024.0;

#[component]
pub fn UsagePanel(id: Uuid) -> impl IntoView {
    let asked = use_asked(UsageRange::read);
    let range = Memo::new(move |_| asked.get().unwrap_or_default());
    let live = Live::<UsageHistory>::new(EVERY_SECONDS);
    let first = Resource::new(move || range.get(), move |range| database_usage(id, range));
    live.keep_asking(move || database_usage(id, range.try_get_untracked().unwrap_or_default()));
    let ranges = move || view! { <Ranges id current=range.get() /> };
    view! {
        <Panel title="Usage by day" aside=ViewFn::from(ranges)>
            <UnreadableNotice asked instead="The last 30 days are shown." />
            <Transition fallback=|| view! { <Skeleton what="the usage" /> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Ok(history) => {
                            live.start_with(history);
                            view! { <Usage live /> }.into_any()
                        }
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })}
            </Transition>
        </Panel>
    }
}

#[component]
fn Ranges(id: Uuid, current: UsageRange) -> impl IntoView {
    let links = UsageRange::ALL.into_iter().map(|range| {
        let here = range == current;
        view! {
            <a
                class="join-item btn btn-xs"
                class=("btn-active", here)
                href=path::database_usage(id, range)
                aria-current=here.then_some("true")
                data-noscroll=""
            >
                {format!("{} days", range.days())}
            </a>
        }
    });
    view! { <nav class="join" aria-label="Range of the usage charts">{links.collect_view()}</nav> }
}

#[component]
fn Usage(live: Live<UsageHistory>) -> impl IntoView {
    let chart = move |draw: fn(&[UsageDay]) -> ChartData| {
        Signal::derive(move || live.with(|history| draw(&every_day(history))).unwrap_or_default())
    };
    let is_empty = Memo::new(move |_| live.with(|history| history.days.is_empty()).unwrap_or(true));
    view! {
        {move || {
            if is_empty.try_get().unwrap_or_default() {
                live.with(|history| view! { <Nothing history=history.clone() /> }).into_any()
            } else {
                view! {
                    <div class="grid gap-6 md:grid-cols-2">
                        <Chart title="Time" label="Active time and compute time by day" data=chart(times) write=minutes />
                        <Chart title="Data" label="Written and transferred data by day" data=chart(flows) write=mebibytes />
                        <Chart title="Size" label="Storage, and data with history, at the end of each day" data=chart(sizes) write=mebibytes />
                    </div>
                }
                    .into_any()
            }
        }}
        {move || live.with(|history| view! { <AsOf history=history.clone() /> })}
    }
}

#[component]
fn Nothing(history: UsageHistory) -> impl IntoView {
    match history.asked_at {
        Some(_) => view! {
            <EmptyState glyph=Glyph::Moon title="Nothing was used in this time">
                "No compute ran, nothing was written or sent. A database that sleeps costs nothing but its storage."
            </EmptyState>
        }
        .into_any(),
        None => view! {
            <EmptyState glyph=Glyph::Clock title="Neon has not yet been asked">
                "Usage by day appears once Neon's history of consumption has answered. It is asked soon after somebody opens this page."
            </EmptyState>
        }
        .into_any(),
    }
}

/// How old the figures are, and what they are.
#[component]
fn AsOf(history: UsageHistory) -> impl IntoView {
    let has_transfer = history.days.iter().any(|day| day.transfer_bytes.is_some());
    let unknown =
        (!history.days.is_empty() && !has_transfer).then_some(" Neon does not tell data transfer by day here.");
    history.asked_at.map(|at| {
        view! {
            <p class="mt-4 text-xs text-muted">
                "From Neon's history as of " <Timestamp at />
                ". Days are in UTC; what is used shows there after 15 minutes to an hour." {unknown}
            </p>
        }
    })
}

/// One entry for each day of its life in the range, up to the last answer, also for those on which nothing was used. The sizes stay as they were.
fn every_day(history: &UsageHistory) -> Vec<UsageDay> {
    let lived_from = history.from.max(history.born);
    let first = history.days.first().map_or(lived_from, |day| day.day.min(lived_from));
    let known_to = history.asked_at.map_or(history.to, |at| at.date_naive().min(history.to));
    let last = history.days.last().map_or(known_to, |day| day.day.max(known_to));
    let mut known = history.days.iter().peekable();
    let (mut logical, mut synthetic, mut days) = (None, None, Vec::new());
    let mut day = first;
    while day <= last {
        let used = known.next_if(|known| known.day == day).copied().unwrap_or_else(|| UsageDay::quiet(day));
        logical = used.logical_size_bytes.or(logical);
        synthetic = used.synthetic_size_bytes.or(synthetic);
        days.push(UsageDay { logical_size_bytes: logical, synthetic_size_bytes: synthetic, ..used });
        day = day + Days::new(1);
    }
    days
}

fn times(days: &[UsageDay]) -> ChartData {
    let minutes = |read: fn(&UsageDay) -> Option<i64>| values(days, read, 60.0);
    chart(
        days,
        [
            ("Active", Mark::Area, "text-chart-1", minutes(|day| day.active_seconds)),
            ("Compute (CU time)", Mark::Line, "text-chart-4", minutes(|day| day.compute_seconds)),
        ],
    )
}

fn flows(days: &[UsageDay]) -> ChartData {
    chart(
        days,
        [
            ("Written", Mark::Area, "text-chart-2", values(days, |day| day.written_bytes, MIB)),
            ("Transferred", Mark::Line, "text-chart-3", values(days, |day| day.transfer_bytes, MIB)),
        ],
    )
}

/// Begins with the first day of which all sizes are known that are known at all.
fn sizes(days: &[UsageDay]) -> ChartData {
    let reads: [fn(&UsageDay) -> Option<i64>; 2] = [|day| day.logical_size_bytes, |day| day.synthetic_size_bytes];
    let first = reads.iter().filter_map(|read| days.iter().position(|day| read(day).is_some())).max();
    let known = first.map_or(&[][..], |first| &days[first..]);
    let [logical, synthetic] = reads.map(|read| values(known, read, MIB));
    chart(
        known,
        [("Storage", Mark::Area, "text-chart-1", logical), ("Data and history", Mark::Line, "text-chart-4", synthetic)],
    )
}

/// `None` where no day has a figure: then there is no line, rather than one at zero.
fn values(days: &[UsageDay], read: fn(&UsageDay) -> Option<i64>, unit: f64) -> Option<Vec<f64>> {
    days.iter()
        .any(|day| read(day).is_some_and(|n| n > 0))
        .then(|| days.iter().map(|day| read(day).unwrap_or(0) as f64 / unit).collect())
}

type Line = (&'static str, Mark, &'static str, Option<Vec<f64>>);

fn chart<const N: usize>(days: &[UsageDay], lines: [Line; N]) -> ChartData {
    let series = lines
        .into_iter()
        .filter_map(|(label, mark, class, values)| Some(Series { label, mark, class, values: values? }))
        .collect();
    ChartData { at: days.iter().map(|day| midnight(day.day)).collect(), series }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    DateTime::from_naive_utc_and_offset(day.and_time(chrono::NaiveTime::MIN), Utc)
}

fn minutes(value: f64) -> String {
    duration((value * 60.0).round() as i64)
}

fn mebibytes(value: f64) -> String {
    bytes((value * MIB).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> UsageHistory {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let used = |text: &str, size| UsageDay {
            active_seconds: Some(90),
            logical_size_bytes: size,
            ..UsageDay::quiet(day(text))
        };
        UsageHistory {
            born: day("2026-03-02"),
            from: day("2026-02-08"),
            to: day("2026-03-10"),
            days: vec![used("2026-03-03", Some(7)), used("2026-03-05", None)],
            asked_at: Some("2026-03-07T10:00:00Z".parse().expect("a moment")),
            observed_at: None,
            as_of: "2026-03-10T10:00:00Z".parse().expect("a moment"),
        }
    }

    #[test]
    fn quiet_days_are_zero_up_to_the_last_answer_and_keep_their_size() {
        let days = every_day(&history());
        let seen: Vec<_> = days.iter().map(|day| (day.active_seconds.unwrap_or(-1), day.logical_size_bytes)).collect();
        let size = Some(7);
        assert_eq!(seen, [(0, None), (90, size), (0, size), (90, size), (0, size), (0, size)]);
        assert_eq!(sizes(&days).at.len(), 5, "the size is not known of the first day");
    }

    #[test]
    fn what_is_not_told_has_no_line() {
        let days: Vec<UsageDay> =
            every_day(&history()).into_iter().map(|day| UsageDay { transfer_bytes: None, ..day }).collect();
        assert_eq!(times(&days).series.len(), 1);
        assert!(flows(&days).series.is_empty());
        assert_eq!(minutes(times(&days).series[0].values[1]), "1 min 30 s");
    }
}
