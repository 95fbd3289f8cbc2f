//! A whole fleet at once: projects of several patterns of use, the same for the same specification but for their ids.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::clock::Instant;
use crate::context::Context;
use crate::model::{Pattern, Quota, Refusal, VIRGIN_SIZE, mix};
use crate::regions::{self, DEFAULT_REGION};
use crate::seed::{self, SeedProject};

/// Projects that are in memory at once.
const CHUNK: u64 = 5_000;
const LONGEST_PAST_DAYS: f64 = 3_650.0;
const MOST: u64 = 5_000_000;

/// A fleet to seed. Its projects are called `<name_prefix>-000000` and so on, the newest last.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetSpec {
    pub count: u64,
    /// The first organisation, if absent.
    pub org_id: Option<String>,
    pub name_prefix: String,
    /// Fleets of the same seed are used in the same way.
    pub seed: u64,
    /// Over how many days the fleet has grown until now, ever faster.
    pub days: f64,
    pub shares: Shares,
    pub region_id: String,
    pub quota: Option<Quota>,
    pub min_cu: f64,
}

/// How many projects have which pattern of use; only the relation of the numbers matters.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    pub asleep: f64,
    pub diurnal: f64,
    pub heavy: f64,
    pub polled: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { asleep: 0.80, diurnal: 0.17, heavy: 0.02, polled: 0.01 }
    }
}

impl Default for FleetSpec {
    fn default() -> Self {
        Self {
            count: 0,
            org_id: None,
            name_prefix: "fleet".into(),
            seed: 1,
            days: 60.0,
            shares: Shares::default(),
            region_id: DEFAULT_REGION.into(),
            quota: None,
            min_cu: 0.25,
        }
    }
}

impl Shares {
    fn all(&self) -> [(Pattern, f64); 4] {
        [
            (Pattern::Asleep, self.asleep),
            (Pattern::Diurnal, self.diurnal),
            (Pattern::Heavy, self.heavy),
            (Pattern::Polled, self.polled),
        ]
    }

    /// The pattern at a place between 0 and 1.
    fn pattern_at(&self, place: f64) -> Pattern {
        let mut left = place * self.all().iter().map(|(_, share)| share).sum::<f64>();
        for (pattern, share) in self.all() {
            if left < share {
                return pattern;
            }
            left -= share;
        }
        Pattern::Asleep
    }
}

impl FleetSpec {
    fn check(&self) -> Result<(), Refusal> {
        let shares = self.shares.all().map(|(_, share)| share);
        let are_shares =
            shares.iter().all(|share| share.is_finite() && *share >= 0.0) && shares.iter().sum::<f64>() > 0.0;
        if self.count > MOST {
            Err(Refusal::Invalid(format!("a fleet has at most {MOST} projects")))
        } else if !are_shares {
            Err(Refusal::Invalid("shares must not be negative, and not all zero".into()))
        } else if !(0.0..=LONGEST_PAST_DAYS).contains(&self.days) {
            Err(Refusal::Invalid(format!("days must be from 0 to {LONGEST_PAST_DAYS}")))
        } else {
            regions::must_be_known(&self.region_id)
        }
    }

    fn project(&self, number: u64, now: Instant) -> SeedProject {
        let chance = |salt| (mix(self.seed ^ number.rotate_left(24), salt) >> 11) as f64 / (1_u64 << 53) as f64;
        let share = ((number + 1) as f64 / self.count as f64).sqrt();
        let seconds_ago = (self.days * 86_400.0 * (1.0 - share)) as i64;
        SeedProject {
            org_id: self.org_id.clone(),
            region_id: self.region_id.clone(),
            logical_size_bytes: VIRGIN_SIZE + (chance(1).powi(6) * 400e6) as i64,
            quota: self.quota,
            min_cu: self.min_cu,
            max_cu: self.min_cu,
            pattern: Some(self.shares.pattern_at(chance(2))),
            pattern_seed: mix(self.seed, number),
            ..SeedProject::new(
                format!("{}-{number:06}", self.name_prefix),
                now - TimeDelta::seconds(seconds_ago) - TimeDelta::seconds(1),
            )
        }
    }
}

/// Returns how many projects were made.
pub(crate) async fn seed(context: &Context, spec: &FleetSpec) -> Result<u64, Refusal> {
    spec.check()?;
    context.store.defer_indexes().await?;
    let seeded = insert(context, spec).await;
    context.store.build_deferred_indexes().await?;
    seeded?;
    context.store.analyze_after(usize::MAX).await?;
    Ok(spec.count)
}

async fn insert(context: &Context, spec: &FleetSpec) -> Result<(), Refusal> {
    let now = context.clock.now();
    for first in (0..spec.count).step_by(CHUNK as usize) {
        let numbers = first..spec.count.min(first + CHUNK);
        let seeds: Vec<SeedProject> = numbers.map(|number| spec.project(number, now)).collect();
        context.store.insert_many(&seed::rows(context, &seeds, now).await?).await?;
    }
    Ok(())
}
