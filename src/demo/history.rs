//! The past of the demonstration's pools: five made-up weeks of demand with days, nights, weekends, one launch and a few outages of Neon, and the policy that the
//! first pool sizes itself by. So the pool's page has something to say from the first minute.

use anyhow::{Context, Result};
use chrono::{DateTime, Datelike, Duration, Timelike, Utc};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::fleet::POOLS;
use fleet_types::{Asks, Peak, Policy, SizingRate, When};
use ledger::{By, Ledger, SeedHour};

const WEEKS: i64 = 5;
/// Where no signups are simulated the past still had some.
const USUAL_PER_HOUR: u32 = 180;
/// How many of the signups go to each pool, as the simulated traffic does it.
const SHARES: [f64; 2] = [0.75, 0.25];
/// A launch, in hours before now.
const LAUNCH: std::ops::Range<i64> = 205..208;

/// Writes the hours, the samples made from them, and the policy.
///
/// # Errors
/// The ledger's.
pub async fn seed(signups_per_hour: u32, ledger: &Ledger) -> Result<()> {
    let average = f64::from(if signups_per_hour == 0 { USUAL_PER_HOUR } else { signups_per_hour });
    for (pool, share) in POOLS.iter().zip(SHARES) {
        let hours = past(pool.name, pool.target, average * share, Utc::now());
        ledger.seed_hours(&hours).await.context("seeding the hours")?;
    }
    ledger.seed_samples().await.context("seeding the samples")?;
    let by = By {
        actor: String::from("simulation"),
        reason: Some(String::from("The demonstration's policy.")),
        ..By::cli()
    };
    let [pool, _] = &POOLS;
    ledger.set_policy(pool.name, &policy(pool.target), None, &by).await.context("setting the policy")?;
    ledger.add_schedule(pool.name, &monday_mornings(pool.target), &by).await.context("adding the schedule")?;
    Ok(())
}

/// Cautious: each database of the demonstration is a real one on this machine.
fn policy(target: i32) -> Policy {
    Policy {
        cover_hours: 0.25,
        rate: SizingRate::P95,
        floor: target * 3 / 4,
        ceiling: target * 2,
        largest_step: 10,
        decrease_after_minutes: 30,
    }
}

fn monday_mornings(target: i32) -> Peak {
    let when = When::Weekly { weekdays: 0b000_0001, start_minute: 7 * 60, end_minute: 10 * 60 };
    Peak { label: String::from("Monday morning"), when, asks: Asks::AtLeast(target * 3 / 2) }
}

fn past(pool: &str, target: i32, average: f64, now: DateTime<Utc>) -> Vec<SeedHour> {
    let mut rng = SmallRng::seed_from_u64(average.to_bits());
    let this_hour = now
        - Duration::seconds(now.timestamp().rem_euclid(3_600))
        - Duration::nanoseconds(now.timestamp_subsec_nanos().into());
    // The running hour is empty yet: the roll-up goes on from it.
    (0..=WEEKS * 7 * 24)
        .rev()
        .map(|ago| {
            let hour = this_hour - Duration::hours(ago);
            let launch = if LAUNCH.contains(&ago) { 2.5 } else { 1.0 };
            let running = if ago == 0 { 0.0 } else { 1.0 };
            let claims = (average * shape(hour) * launch * running * rng.random_range(0.85..1.15)).round() as i32;
            let outage = is_outage(hour) && ago > 0;
            let cold = if outage { (claims - target).max(0) } else { 0 };
            SeedHour {
                pool: pool.to_owned(),
                hour,
                claims_warm: claims - cold,
                claims_cold: cold,
                created: if outage { 0 } else { claims },
                failed: if outage { 5 } else { 0 },
                min_available: if outage { (target - claims).max(0) } else { (target - 1 - claims / 40).max(1) },
            }
        })
        .collect()
}

/// Every second Tuesday before dawn nothing was created for an hour: a target that is set by hand feels it, a policy with some cover does not.
fn is_outage(hour: DateTime<Utc>) -> bool {
    hour.weekday() == chrono::Weekday::Tue && hour.hour() == 4 && hour.iso_week().week().is_multiple_of(2)
}

/// How busy an hour is against the average one: working days more than weekends, afternoons more than nights. In UTC.
fn shape(hour: DateTime<Utc>) -> f64 {
    let day = if hour.weekday().num_days_from_monday() < 5 { 1.15 } else { 0.62 };
    let wave = (f64::from(hour.hour()) - 9.0) / 24.0 * std::f64::consts::TAU;
    day * (1.0 + 0.7 * wave.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_past_has_the_wished_for_average_and_ends_with_the_running_hour_whenever_it_is_made() {
        for late in 0..24 * 14 {
            let now = DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::minutes(60 * late + 17);
            let hours = past("standard", 40, 135.0, now);
            assert_eq!(hours.len() as i64, WEEKS * 7 * 24 + 1);
            let claims = |hour: &SeedHour| f64::from(hour.claims_warm + hour.claims_cold);
            let average = hours.iter().map(claims).sum::<f64>() / hours.len() as f64;
            assert!((125.0..150.0).contains(&average), "{average}");
            assert!(hours.iter().all(|hour| hour.hour.timestamp() % 3_600 == 0 && hour.hour <= now));
            assert!(
                hours.last().is_some_and(|running| now - running.hour < Duration::hours(1) && running.claims_warm == 0)
            );
            let outages = hours.iter().filter(|hour| hour.failed > 0 && hour.created == 0);
            assert!((1..=3).contains(&outages.count()));
            let ago = |hours_ago: i64| &hours[(WEEKS * 7 * 24 - hours_ago) as usize];
            for launch in LAUNCH {
                let (busy, usual) = (claims(ago(launch)), claims(ago(launch + 7 * 24)));
                assert!(busy > 1.6 * usual, "the launch shows at {now}: {busy} rather than {usual}");
            }
        }
    }

    #[test]
    fn the_policy_is_one_that_may_be_set() {
        assert!(POOLS.iter().all(|pool| policy(pool.target).check().is_ok()));
    }
}
