//! From values to heights, and what the axes say.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::{ChartData, Mark};

/// The width and height of the plot's own grid.
pub const WIDTH: f64 = 1000.0;
pub const HEIGHT: f64 = 100.0;

/// From 0 to a round number above all values, in even steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    top: f64,
    steps: usize,
}

impl Scale {
    pub fn of(data: &ChartData) -> Self {
        let stacked = (0..data.at.len())
            .map(|i| {
                data.series
                    .iter()
                    .filter(|series| series.mark == Mark::Bars)
                    .filter_map(|series| series.values.get(i))
                    .sum::<f64>()
            })
            .fold(0.0, f64::max);
        let single = data
            .series
            .iter()
            .filter(|series| series.mark != Mark::Bars)
            .flat_map(|series| &series.values)
            .copied()
            .fold(0.0, f64::max);
        // A little air above the highest value.
        Self::up_to(stacked.max(single) * 1.04)
    }

    /// Steps of 1, 2, 2.5 or 5 times a power of ten, at least 1, so that counts have whole ticks.
    fn up_to(highest: f64) -> Self {
        let rough = (highest.max(1.0) / 4.0).max(1.0);
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough && step.fract() == 0.0);
        let step = step.unwrap_or(10.0 * magnitude);
        let steps = (highest / step).ceil().max(1.0);
        Self { top: step * steps, steps: steps as usize }
    }

    pub fn ticks(&self) -> Vec<f64> {
        (0..=self.steps).map(|i| self.top * i as f64 / self.steps as f64).collect()
    }

    pub fn y(&self, value: f64) -> f64 {
        HEIGHT - (value / self.top).clamp(0.0, 1.0) * HEIGHT
    }
}

/// Where a moment stands between the first and the last, from 0 to 1. Samples may be missing, so it is time that counts.
pub fn position(at: &[DateTime<Utc>], i: usize) -> f64 {
    let share = || {
        let (first, last) = (at.first()?.timestamp_millis(), at.last()?.timestamp_millis());
        (last > first)
            .then(|| (at.get(i).map_or(last, DateTime::timestamp_millis) - first) as f64 / (last - first) as f64)
    };
    share().unwrap_or(0.5)
}

/// The moment that stands nearest to a position.
pub fn nearest(at: &[DateTime<Utc>], share: f64) -> Option<usize> {
    let distance = |i: &usize| (position(at, *i) - share).abs();
    (0..at.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// How many hours there are from the first moment to the last.
pub fn hours(at: &[DateTime<Utc>]) -> i64 {
    at.first().zip(at.last()).map_or(0, |(first, last)| (*last - *first).num_hours())
}

/// A moment below a plot of so many hours: what matters at that length.
pub fn tick_text(at: DateTime<Utc>, hours: i64) -> String {
    match hours {
        0..=48 => format!("{:02}:{:02}", at.hour(), at.minute()),
        49..=240 => format!("{:02}-{:02} {:02}h", at.month(), at.day(), at.hour()),
        _ => format!("{:02}-{:02}", at.month(), at.day()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_whole_and_reach_above_the_highest_value() {
        for highest in [0.0, 1.0, 3.0, 7.0, 10.0, 42.0, 99.0, 101.0, 1_234.0, 299_999.0] {
            let scale = Scale::up_to(highest);
            let ticks = scale.ticks();
            assert!(ticks.iter().all(|tick| tick.fract() == 0.0), "{highest}: {ticks:?}");
            assert!(ticks.last().is_some_and(|top| *top >= highest), "{highest}: {ticks:?}");
            assert!((2..=6).contains(&ticks.len()), "{highest}: {ticks:?}");
        }
    }

    #[test]
    fn moments_stand_where_their_time_is() {
        let at: Vec<_> = [0, 10, 100].into_iter().filter_map(|s| DateTime::from_timestamp(s, 0)).collect();
        assert_eq!((position(&at, 0), position(&at, 1), position(&at, 2)), (0.0, 0.1, 1.0));
        assert_eq!((nearest(&at, 0.0), nearest(&at, 0.2), nearest(&at, 0.9)), (Some(0), Some(1), Some(2)));
        assert_eq!(nearest(&[], 0.5), None);
        assert_eq!(position(&at[..1], 0), 0.5);
    }

    #[test]
    fn ticks_of_a_month_are_days() {
        let at = DateTime::from_timestamp(1_773_102_600, 0).expect("in range");
        assert_eq!([24, 168, 700].map(|hours| tick_text(at, hours)), ["00:30", "03-10 00h", "03-10"]);
    }

    #[test]
    fn zero_is_at_the_bottom() {
        let scale = Scale::up_to(10.0);
        assert_eq!(scale.y(0.0), HEIGHT);
        assert!(scale.y(10.0) < scale.y(5.0));
    }
}
