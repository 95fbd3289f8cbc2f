//! From the frames of the histories to totals of the billing period and figures by day. Pure.
//!
//! Which history tells what: the legacy one has the metrics by which Neon enforces quotas (active time, compute time, written data) and the size;
//! the newer one has data transfer, and compute as it is invoiced. Where both tell compute, the greater counts: on usage-based plans the legacy
//! figure may stand still, and nothing is ever used less.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::asking::Answers;
use fleet_types::{Time, UsageDay};
use ledger::{DayUsage, DueUsage, PeriodUsage};
use neon_client::consumption::{Frame, FrameV2, Granularity, MAX_DAYS, Period, ProjectConsumption, Window};

/// Two histories may name the start of the same period differently, by hours.
const SAME_PERIOD: TimeDelta = TimeDelta::days(1);

/// From the start of the billing period to the end of today, by days: at least from the day before yesterday, whose last hours came late; as far
/// back as days are kept where nothing is known yet.
pub(super) fn window(group: &[DueUsage], now: Time) -> Window {
    let longest = now - TimeDelta::days(MAX_DAYS - 1);
    let known = |due: &DueUsage| due.period_start.filter(|_| due.was_asked).unwrap_or(longest);
    let from = group.iter().map(known).min().unwrap_or(longest).min(now - TimeDelta::days(2)).max(longest);
    let tomorrow = now.date_naive() + Days::new(1);
    Window { from: midnight(from.date_naive()), to: midnight(tomorrow), granularity: Granularity::Daily }
}

fn midnight(day: NaiveDate) -> Time {
    DateTime::from_naive_utc_and_offset(day.and_time(chrono::NaiveTime::MIN), Utc)
}

/// What the answers say of each of these databases: one total each, and the days on which something was used.
pub(super) fn read(
    group: &[DueUsage],
    answers: &Answers,
    window: Window,
    now: Time,
) -> (Vec<PeriodUsage>, Vec<DayUsage>) {
    let legacy = by_project(answers.legacy.as_deref());
    let v2 = by_project(answers.v2.as_deref());
    let (mut totals, mut days) = (Vec::with_capacity(group.len()), Vec::new());
    for due in group {
        let told = Told {
            legacy: legacy.as_ref().map(|told| told.get(due.project_id.as_str()).copied().unwrap_or_default()),
            v2: v2.as_ref().map(|told| told.get(due.project_id.as_str()).copied().unwrap_or_default()),
        };
        totals.push(told.total(due.id, now));
        days.extend(told.days(window).into_iter().map(|usage| DayUsage { id: due.id, usage }));
    }
    (totals, days)
}

type ByProject<'a, F> = HashMap<&'a str, &'a [Period<F>]>;

fn by_project<F>(told: Option<&[ProjectConsumption<F>]>) -> Option<ByProject<'_, F>> {
    told.map(|projects| {
        projects.iter().map(|project| (project.project_id.as_str(), project.periods.as_slice())).collect()
    })
}

/// What the histories say of one database; empty where they say nothing of it, `None` where they were not asked.
struct Told<'a> {
    legacy: Option<&'a [Period<Frame>]>,
    v2: Option<&'a [Period<FrameV2>]>,
}

impl Told<'_> {
    /// The sums over the billing period that now is in.
    fn total(&self, id: Uuid, now: Time) -> PeriodUsage {
        let start = current(self.legacy, now).max(current(self.v2, now));
        let legacy = |read: fn(&Frame) -> i64| self.legacy.map(|periods| sum(periods, start, read));
        let v2 = |read: fn(&FrameV2) -> i64| self.v2.map(|periods| sum(periods, start, read));
        PeriodUsage {
            id,
            period_start: start,
            active_seconds: legacy(|frame| frame.active_time_seconds),
            compute_seconds: legacy(|frame| frame.compute_time_seconds).max(v2(|frame| frame.compute_unit_seconds)),
            written_bytes: legacy(|frame| frame.written_data_bytes),
            transfer_bytes: v2(|frame| frame.transfer_bytes),
        }
    }

    /// The days of the window on which something was used. A day that two billing periods share is the sum of both parts.
    fn days(&self, window: Window) -> Vec<UsageDay> {
        let mut days: BTreeMap<NaiveDate, UsageDay> = BTreeMap::new();
        let is_asked_for = |at: &Time| window.from <= *at && *at < window.to;
        for frame in frames(self.legacy).filter(|frame| is_asked_for(&frame.start)) {
            let day = self.day(&mut days, frame.start);
            add(&mut day.active_seconds, frame.active_time_seconds);
            add(&mut day.compute_seconds, frame.compute_time_seconds);
            add(&mut day.written_bytes, frame.written_data_bytes);
            let known = |size: i64| Some(size).filter(|size| *size > 0);
            day.logical_size_bytes = day.logical_size_bytes.max(frame.logical_size_bytes.and_then(known));
            day.synthetic_size_bytes = day.synthetic_size_bytes.max(known(frame.synthetic_storage_size_bytes));
        }
        let mut compute: BTreeMap<NaiveDate, Option<i64>> = BTreeMap::new();
        for frame in frames(self.v2) {
            let Some(start) = frame.start.filter(is_asked_for) else { continue };
            add(&mut self.day(&mut days, start).transfer_bytes, frame.transfer_bytes);
            add(compute.entry(start.date_naive()).or_default(), frame.compute_unit_seconds);
        }
        for (day, seconds) in compute {
            if let Some(day) = days.get_mut(&day) {
                day.compute_seconds = day.compute_seconds.max(seconds);
            }
        }
        days.into_values().filter(was_used).collect()
    }

    /// The day of this moment; zero where a history that was asked says nothing of it.
    fn day<'d>(&self, days: &'d mut BTreeMap<NaiveDate, UsageDay>, at: Time) -> &'d mut UsageDay {
        let day = at.date_naive();
        let zero = |is_told: bool| is_told.then_some(0);
        days.entry(day).or_insert(UsageDay {
            day,
            active_seconds: zero(self.legacy.is_some()),
            compute_seconds: Some(0),
            written_bytes: zero(self.legacy.is_some()),
            transfer_bytes: zero(self.v2.is_some()),
            logical_size_bytes: None,
            synthetic_size_bytes: None,
        })
    }
}

fn frames<F>(periods: Option<&[Period<F>]>) -> impl Iterator<Item = &F> {
    periods.into_iter().flatten().flat_map(|period| &period.frames)
}

/// The start of the period that has not ended.
fn current<F>(periods: Option<&[Period<F>]>, now: Time) -> Option<Time> {
    let open =
        periods.into_iter().flatten().filter(|period| period.start <= now && period.end.is_none_or(|end| end > now));
    open.map(|period| period.start).max()
}

fn sum<F>(periods: &[Period<F>], start: Option<Time>, read: fn(&F) -> i64) -> i64 {
    let Some(start) = start else { return 0 };
    let of_this_period = periods.iter().filter(|period| period.start > start - SAME_PERIOD);
    of_this_period.flat_map(|period| &period.frames).map(read).fold(0, i64::saturating_add)
}

fn add(total: &mut Option<i64>, more: i64) {
    *total = Some(total.unwrap_or(0).saturating_add(more));
}

fn was_used(day: &UsageDay) -> bool {
    [day.active_seconds, day.compute_seconds, day.written_bytes, day.transfer_bytes]
        .into_iter()
        .flatten()
        .any(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().expect("a moment")
    }

    fn due(project: &str, period_start: Option<&str>) -> DueUsage {
        DueUsage {
            id: Uuid::nil(),
            project_id: project.to_owned(),
            period_start: period_start.map(at),
            was_asked: period_start.is_some(),
        }
    }

    fn frame(day: &str, active: i64) -> Frame {
        Frame {
            start: at(&format!("{day}T00:00:00Z")),
            active_time_seconds: active,
            compute_time_seconds: active / 4,
            written_data_bytes: active * 10,
            synthetic_storage_size_bytes: 5_000,
            logical_size_bytes: Some(3_000),
        }
    }

    fn frame_v2(day: &str, compute: i64, transfer: i64) -> FrameV2 {
        FrameV2 {
            start: Some(at(&format!("{day}T00:00:00Z"))),
            compute_unit_seconds: compute,
            transfer_bytes: transfer,
        }
    }

    fn period<F>(start: &str, end: Option<&str>, frames: Vec<F>) -> Period<F> {
        Period { start: at(start), end: end.map(at), frames }
    }

    fn project<F>(id: &str, periods: Vec<Period<F>>) -> ProjectConsumption<F> {
        ProjectConsumption { project_id: id.to_owned(), periods }
    }

    const NOW: &str = "2026-03-10T12:00:00Z";

    fn read_one(answers: &Answers) -> (PeriodUsage, Vec<UsageDay>) {
        let group = [due("p-1", Some("2026-02-01T00:00:00Z"))];
        let (mut totals, days) = read(&group, answers, window(&group, at(NOW)), at(NOW));
        (totals.remove(0), days.into_iter().map(|day| day.usage).collect())
    }

    #[test]
    fn totals_are_of_the_current_period_and_days_of_the_whole_window() {
        let february = period("2026-02-01T00:00:00Z", Some("2026-03-01T00:00:00Z"), vec![frame("2026-02-27", 400)]);
        let march = period("2026-03-01T00:00:00Z", None, vec![frame("2026-03-02", 100), frame("2026-03-10", 60)]);
        let v2 =
            period("2026-03-01T00:00:00Z", None, vec![frame_v2("2026-03-02", 30, 7), frame_v2("2026-03-03", 0, 2)]);
        let answers = Answers {
            legacy: Some(vec![project("p-1", vec![february, march]), project("a-stranger", vec![])]),
            v2: Some(vec![project("p-1", vec![v2])]),
            unreadable: HashSet::new(),
        };
        let (total, days) = read_one(&answers);
        assert_eq!(total.period_start, Some(at("2026-03-01T00:00:00Z")));
        assert_eq!(
            (total.active_seconds, total.written_bytes, total.transfer_bytes),
            (Some(160), Some(1_600), Some(9))
        );
        assert_eq!(total.compute_seconds, Some(40), "the legacy sum (25 + 15) is greater than that of v2 (30)");
        let seen: Vec<_> = days
            .iter()
            .map(|day| (day.day.to_string(), day.active_seconds, day.compute_seconds, day.transfer_bytes))
            .collect();
        assert_eq!(
            seen,
            [
                (String::from("2026-02-27"), Some(400), Some(100), Some(0)),
                (String::from("2026-03-02"), Some(100), Some(30), Some(7)),
                (String::from("2026-03-03"), Some(0), Some(0), Some(2)),
                (String::from("2026-03-10"), Some(60), Some(15), Some(0)),
            ]
        );
        assert_eq!((days[0].logical_size_bytes, days[0].synthetic_size_bytes), (Some(3_000), Some(5_000)));
    }

    #[test]
    fn a_synthetic_size_never_stands_in_for_a_logical_one_that_is_not_told() {
        let frame = Frame { logical_size_bytes: None, ..frame("2026-03-02", 100) };
        let march = period("2026-03-01T00:00:00Z", None, vec![frame]);
        let (_, days) = read_one(&Answers {
            legacy: Some(vec![project("p-1", vec![march])]),
            v2: None,
            unreadable: HashSet::new(),
        });
        assert_eq!((days[0].logical_size_bytes, days[0].synthetic_size_bytes), (None, Some(5_000)));
    }

    #[test]
    fn missing_from_a_whole_answer_is_zero_and_missing_a_history_is_unknown() {
        let both = Answers { legacy: Some(vec![]), v2: Some(vec![]), unreadable: HashSet::new() };
        let (total, days) = read_one(&both);
        assert_eq!((total.period_start, total.active_seconds, total.transfer_bytes), (None, Some(0), Some(0)));
        assert!(days.is_empty());
        let v2 = period("2026-03-01T00:00:00Z", None, vec![frame_v2("2026-03-02", 30, 7)]);
        let only_v2 = Answers { legacy: None, v2: Some(vec![project("p-1", vec![v2])]), unreadable: HashSet::new() };
        let (total, days) = read_one(&only_v2);
        assert_eq!((total.active_seconds, total.compute_seconds), (None, Some(30)));
        assert_eq!((days[0].active_seconds, days[0].transfer_bytes, days[0].logical_size_bytes), (None, Some(7), None));
    }

    #[test]
    fn a_day_that_only_holds_storage_is_no_day_of_use() {
        let idle =
            Frame { active_time_seconds: 0, compute_time_seconds: 0, written_data_bytes: 0, ..frame("2026-03-05", 0) };
        let march = period("2026-03-01T00:00:00Z", None, vec![idle]);
        let (total, days) = read_one(&Answers {
            legacy: Some(vec![project("p-1", vec![march])]),
            v2: None,
            unreadable: HashSet::new(),
        });
        assert_eq!((total.period_start, total.active_seconds), (Some(at("2026-03-01T00:00:00Z")), Some(0)));
        assert!(days.is_empty());
    }

    #[test]
    fn a_day_that_two_periods_share_is_the_sum_of_both_parts() {
        let before = period("2026-02-09T12:00:00Z", Some("2026-03-09T12:00:00Z"), vec![frame("2026-03-09", 10)]);
        let after = period("2026-03-09T12:00:00Z", None, vec![frame("2026-03-09", 5)]);
        let (total, days) = read_one(&Answers {
            legacy: Some(vec![project("p-1", vec![before, after])]),
            v2: None,
            unreadable: HashSet::new(),
        });
        assert_eq!((total.active_seconds, days[0].active_seconds), (Some(5), Some(15)));
    }

    #[test]
    fn the_window_holds_the_period_and_never_more_than_neon_keeps() {
        let from = |starts: &[Option<&str>]| {
            let group: Vec<DueUsage> = starts.iter().map(|start| due("p", *start)).collect();
            let window = window(&group, at(NOW));
            assert_eq!(window.to, at("2026-03-11T00:00:00Z"), "today is in it");
            window.from.date_naive().to_string()
        };
        assert_eq!(from(&[Some("2026-03-01T00:00:00Z")]), "2026-03-01");
        assert_eq!(from(&[Some("2026-03-10T00:00:00Z")]), "2026-03-08", "the last hours of a day come late");
        assert_eq!(from(&[Some("2026-03-01T00:00:00Z"), Some("2026-02-03T00:00:00Z")]), "2026-02-03");
        assert_eq!(from(&[Some("2025-03-01T00:00:00Z")]), "2026-01-10");
        assert_eq!(from(&[Some("2026-03-01T00:00:00Z"), None]), "2026-01-10", "the first time, all there is");
    }
}
