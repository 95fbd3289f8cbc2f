//! How a changed template rolls through a pool: a few old databases at a time, and never at the cost of the claims.

/// Replaced at a time: a tenth of the target within these bounds.
const AT_ONCE: std::ops::RangeInclusive<i64> = 10..=100;

/// How a pool stands while old databases are replaced.
#[derive(Clone, Copy, Debug)]
pub struct Supply {
    pub target: i32,
    /// The policy's floor; `None` for a target that is set by hand.
    pub floor: Option<i32>,
    pub available: i64,
    pub in_flight: i64,
    /// Available ones that must be replaced.
    pub old: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// So many of the oldest go now; the refill replaces them.
    pub release: i64,
    /// So many more than the target are kept, where the floor leaves no room to take out first.
    pub surge: i32,
}

/// What stays available whatever is replaced: the policy's floor, else three quarters of the target, and never the last one.
pub fn floor_of(supply: &Supply) -> i64 {
    let target = i64::from(supply.target);
    supply.floor.map_or(target * 3 / 4, i64::from).max(target.min(1))
}

pub fn next_batch(supply: &Supply) -> Batch {
    if supply.old <= 0 {
        return Batch { release: 0, surge: 0 };
    }
    let floor = floor_of(supply);
    let at_once = (i64::from(supply.target) / 10).clamp(*AT_ONCE.start(), *AT_ONCE.end());
    let room = supply.available - floor;
    // Those released before are made anew first.
    let under_way = at_once - supply.in_flight;
    let release = room.min(under_way).min(supply.old).max(0);
    // Those that go now are not made up for twice.
    let left = supply.old - release;
    Batch { release, surge: if floor >= i64::from(supply.target) { left.min(at_once) as i32 } else { 0 } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_at_a_time_down_to_the_floor() {
        let supply = Supply { target: 40, floor: Some(30), available: 40, in_flight: 0, old: 40 };
        assert_eq!(next_batch(&supply), Batch { release: 10, surge: 0 });
        assert_eq!(next_batch(&Supply { available: 33, in_flight: 4, ..supply }).release, 3);
        assert_eq!(next_batch(&Supply { available: 35, in_flight: 7, ..supply }).release, 3);
        assert_eq!(next_batch(&Supply { old: 0, ..supply }), Batch { release: 0, surge: 0 });
    }

    #[test]
    fn where_the_floor_is_the_target_new_ones_come_first() {
        let supply = Supply { target: 5, floor: Some(5), available: 5, in_flight: 0, old: 5 };
        assert_eq!(next_batch(&supply), Batch { release: 0, surge: 5 });
        assert_eq!(next_batch(&Supply { available: 8, in_flight: 2, ..supply }), Batch { release: 3, surge: 2 });
        let single = Supply { target: 1, floor: None, available: 1, in_flight: 0, old: 1 };
        assert_eq!(next_batch(&single), Batch { release: 0, surge: 1 });
    }

    proptest! {
        #[test]
        fn what_is_released_never_takes_the_pool_below_its_floor(target in 0..500, floor in prop::option::of(0..500), available in 0_i64..500, in_flight in 0_i64..100, old in 0_i64..500) {
            let supply = Supply { target, floor, available, in_flight, old: old.min(available) };
            let batch = next_batch(&supply);
            prop_assert!(batch.release >= 0 && batch.release <= *AT_ONCE.end() && batch.release <= supply.old);
            prop_assert!(batch.release == 0 || available - batch.release >= floor_of(&supply));
        }

        #[test]
        fn a_roll_out_ends(target in 1..60, floor in prop::option::of(0..60)) {
            let floor = floor.map(|floor: i32| floor.min(target));
            let mut supply = Supply { target, floor, available: target.into(), in_flight: 0, old: target.into() };
            let mut rounds = 0;
            while supply.old > 0 {
                rounds += 1;
                prop_assert!(rounds < 500, "stuck at {:?}", supply);
                let batch = next_batch(&supply);
                supply.available -= batch.release;
                supply.old -= batch.release;
                prop_assert!(supply.available >= floor_of(&supply));
                supply.in_flight += (i64::from(target) + i64::from(batch.surge) - supply.available - supply.in_flight).max(0);
                // Half of what is under way arrives before the next round.
                let arrived = (supply.in_flight + 1) / 2;
                supply.in_flight -= arrived;
                supply.available += arrived;
            }
            prop_assert_eq!(supply.available + supply.in_flight, i64::from(target), "nothing is left over");
        }
    }
}
