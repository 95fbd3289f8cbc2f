//! How long a pool lasts, what its policy decided and why, and what another policy would have done.

use serde::{Deserialize, Serialize};

use super::{Policy, PolicyDraft, PolicyInForce, Schedule, SizingRate, Time, grouped};

/// Claims an hour. `p50` ≤ `p95` ≤ `worst`, and the worst hour is at least the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Claims of the last 60 minutes.
    pub current: f64,
    pub p50: f64,
    pub p95: f64,
    pub worst: f64,
    /// The full hours that were looked at, at most four weeks of them.
    pub hours: u32,
}

impl Rates {
    pub fn at(&self, rate: SizingRate) -> f64 {
        match rate {
            SizingRate::Current => self.current,
            SizingRate::P95 => self.p95,
            SizingRate::Worst => self.worst,
        }
    }
}

/// How long claims go on at this rate if nothing more is created. `None` when nothing is claimed.
pub fn hours_of_cover(available: i64, rate: f64) -> Option<f64> {
    (rate > 0.0).then(|| available.max(0) as f64 / rate)
}

/// `120 claims an hour`, `1 claim an hour`; to a tenth where it is no whole number.
pub fn claims_an_hour(rate: f64) -> String {
    let number = if rate.fract() == 0.0 { grouped(rate as i64) } else { format!("{rate:.1}") };
    format!("{number} {} an hour", if rate == 1.0 { "claim" } else { "claims" })
}

/// When the pool is empty if Neon stops creating now and claims go on as in the last hour: nine times in ten between `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeToEmpty {
    pub hours: f64,
    pub low_hours: f64,
    pub high_hours: f64,
}

/// Half the width of a 90 % band, in standard deviations.
const BAND: f64 = 1.645;

/// From what is available and the claims of the last hour.
///
/// Claims come at random (Poisson), and their rate is itself only known from the claims that were counted. The time for `a` claims at a rate measured from `n`
/// is a ratio of two gamma variables; its logarithm has a variance of about `1/a + 1/n`.
pub fn time_to_empty(available: i64, claims_last_hour: i64) -> Option<TimeToEmpty> {
    let hours = hours_of_cover(available, claims_last_hour as f64)?;
    if available <= 0 {
        return Some(TimeToEmpty { hours: 0.0, low_hours: 0.0, high_hours: 0.0 });
    }
    let spread = (BAND * (1.0 / available as f64 + 1.0 / claims_last_hour as f64).sqrt()).exp();
    Some(TimeToEmpty { hours, low_hours: hours / spread, high_hours: hours * spread })
}

/// What a decision was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizingInputs {
    pub rates: Rates,
    pub available: i64,
    pub in_flight: i64,
    /// At the policy's rate; `None` when nothing is claimed.
    pub cover_hours: Option<f64>,
    pub policy: Policy,
    /// The schedule that asked for more than the rate alone.
    pub schedule: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizingDecision {
    pub id: i64,
    pub at: Time,
    /// Until when the same was decided again.
    pub last_checked_at: Time,
    pub before: i32,
    /// What the policy asks for between floor and ceiling.
    pub wanted: i32,
    pub after: i32,
    pub reason: String,
    /// `None` where an older version wrote them in another form.
    pub inputs: Option<SizingInputs>,
}

/// How a pool is sized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolSizing {
    pub rates: Rates,
    /// `None`: the target is set by hand.
    pub policy: Option<PolicyInForce>,
    pub schedules: Vec<Schedule>,
    /// Newest first, bounded.
    pub decisions: Vec<SizingDecision>,
}

/// What would have happened to a pool over its recorded history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    pub claims: u64,
    /// How often a claim found nothing, after a time in which all found something.
    pub dry: u32,
    pub dry_minutes: u32,
    /// Claims that had to wait.
    pub waited: u64,
    pub lowest: i64,
    /// With less available than the floor of the new policy.
    pub hours_below_floor: f64,
    /// Databases available, on average.
    pub kept: f64,
    pub largest_target: i32,
    /// How long claims would have gone on had Neon stopped at the worst moment; `None` when longer than the history from any moment on.
    pub shortest_cover_hours: Option<f64>,
}

/// How new databases are supposed to arrive in a simulation, as observed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefillModel {
    /// From request to available.
    pub latency_seconds: f64,
    pub per_minute: f64,
}

/// A policy against what is in force, both on the same history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub from: Time,
    pub hours: u32,
    pub refill: RefillModel,
    pub proposed: Simulation,
    pub in_force: Simulation,
    /// What the new policy asks for now.
    pub wanted_now: i32,
}

impl Comparison {
    /// `This policy would have run dry 0 times in 30 days, the one in force 3.`
    pub fn sentence(&self, has_policy: bool, target: i32) -> String {
        let times = |n: u32| if n == 1 { String::from("once") } else { format!("{} times", grouped(n.into())) };
        let span = match self.hours {
            0..48 => format!("{} hours", self.hours),
            hours => format!("{} days", hours / 24),
        };
        let other = if has_policy {
            String::from("the one in force")
        } else {
            format!("the target of {} now in force", grouped(target.into()))
        };
        format!(
            "This policy would have run dry {} in {span}, {other} {}.",
            times(self.proposed.dry),
            times(self.in_force.dry)
        )
    }
}

/// The screen on which a policy is tried and set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyPage {
    pub pool: String,
    pub target: i32,
    pub in_force: Option<PolicyInForce>,
    pub schedules: Vec<Schedule>,
    /// What the form begins with: the policy in force, or a suggestion.
    pub draft: PolicyDraft,
    pub as_of: Time,
}

impl PolicyPage {
    pub fn read(&self) -> PolicyRead {
        PolicyRead::of(self.in_force.as_ref().map(|in_force| in_force.set_at))
    }
}

/// Which policy somebody has read: when it was set, in microseconds; 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyRead(pub i64);

impl PolicyRead {
    pub fn of(set_at: Option<Time>) -> Self {
        Self(set_at.map_or(0, |at| at.timestamp_micros()))
    }
}

/// What a policy that is being written would have done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyTrial {
    pub target: i32,
    /// Whether what is in force is a policy, or a target that was set by hand.
    pub has_policy: bool,
    /// Or why that cannot be said: a field that cannot be read, too little history.
    pub outcome: Result<Comparison, String>,
    pub as_of: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_is_what_is_there_divided_by_the_rate() {
        assert_eq!(hours_of_cover(120, 60.0), Some(2.0));
        assert_eq!(hours_of_cover(0, 60.0), Some(0.0));
        assert_eq!(hours_of_cover(120, 0.0), None);
        assert_eq!(time_to_empty(120, 0), None);
    }

    #[test]
    fn a_rate_reads_as_people_say_it() {
        assert_eq!(
            [claims_an_hour(1.0), claims_an_hour(2.5), claims_an_hour(1_200.0)],
            ["1 claim an hour", "2.5 claims an hour", "1,200 claims an hour"]
        );
    }

    #[test]
    fn the_band_narrows_with_more_evidence_and_holds_the_estimate() {
        let few = time_to_empty(10, 5).expect("claims");
        let many = time_to_empty(10_000, 5_000).expect("claims");
        assert_eq!((few.hours, many.hours), (2.0, 2.0));
        assert!(few.low_hours < many.low_hours && many.low_hours < 2.0);
        assert!(few.high_hours > many.high_hours && many.high_hours > 2.0);
        assert!(many.high_hours - many.low_hours < 0.2);
    }

    /// Nine in ten, tried out: the true rate is drawn, an hour is counted, and the pool is emptied at the true rate.
    #[test]
    fn the_band_holds_about_nine_times_in_ten() {
        use rand::{RngExt, SeedableRng, rngs::SmallRng};
        let mut rng = SmallRng::seed_from_u64(7);
        let (mut held, mut tried) = (0, 0);
        for _ in 0..4_000 {
            let rate: f64 = rng.random_range(20.0..200.0);
            let available = rng.random_range(10..300);
            let mut gap = || -(1.0 - rng.random_range(0.0_f64..1.0)).ln() / rate;
            let (mut clock, mut counted) = (gap(), 0);
            while clock < 1.0 {
                counted += 1;
                clock += gap();
            }
            let empty: f64 = (0..available).map(|_| gap()).sum();
            let Some(band) = time_to_empty(available, counted) else { continue };
            tried += 1;
            held += i32::from((band.low_hours..=band.high_hours).contains(&empty));
        }
        let share = f64::from(held) / f64::from(tried);
        assert!((0.87..0.93).contains(&share), "the band held in {share:.3} of {tried} cases");
    }

    #[test]
    fn a_comparison_reads_as_a_sentence() {
        let comparison = Comparison {
            from: Time::UNIX_EPOCH,
            hours: 720,
            refill: RefillModel { latency_seconds: 8.0, per_minute: 100.0 },
            proposed: Simulation::default(),
            in_force: Simulation { dry: 3, ..Simulation::default() },
            wanted_now: 10,
        };
        assert_eq!(
            comparison.sentence(true, 40),
            "This policy would have run dry 0 times in 30 days, the one in force 3 times."
        );
        let short = Comparison { hours: 30, in_force: Simulation { dry: 1, ..Simulation::default() }, ..comparison };
        assert_eq!(
            short.sentence(false, 1_400),
            "This policy would have run dry 0 times in 30 hours, the target of 1,400 now in force once."
        );
    }
}
