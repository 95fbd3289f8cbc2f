//! Which projects a rule is about. A share is a fixed one: the same projects are struck at every call, so that "one
//! project in a hundred always fails" can be said, and a test can work out which ones these are.

use serde::{Deserialize, Serialize};

/// A share of all projects, chosen by a hash of their ids. Another seed chooses others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectShare {
    /// From 0 (none) to 1 (all).
    pub share: f64,
    #[serde(default)]
    pub seed: u64,
}

impl ProjectShare {
    /// Whether the project with this id is one of them; for a project still to be created, its name takes the place
    /// of the id.
    pub fn contains(&self, id: &str) -> bool {
        // 53 bits are what a float holds exactly.
        let place = (hash(self.seed, id) >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.share
    }
}

/// FNV-1a, then mixed (as in SplitMix64) because short texts change its upper bits too little.
fn hash(seed: u64, text: &str) -> u64 {
    let start = seed ^ 0xcbf2_9ce4_8422_2325;
    let mut hash = text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(share: f64, seed: u64) -> Vec<usize> {
        let chosen = ProjectShare { share, seed };
        (0..100_000).filter(|n| chosen.contains(&format!("sparkling-hill-{:08}", 10_000_000 + n))).collect()
    }

    #[test]
    fn a_share_is_about_as_large_as_it_says() {
        let one_in_a_hundred = struck(0.01, 7).len();
        assert!((900..1_100).contains(&one_in_a_hundred), "{one_in_a_hundred}");
        assert_eq!((struck(0.0, 7).len(), struck(1.0, 7).len()), (0, 100_000));
    }

    #[test]
    fn a_larger_share_holds_the_smaller_one_and_another_seed_chooses_others() {
        let (small, large, other) = (struck(0.01, 7), struck(0.02, 7), struck(0.01, 8));
        assert!(small.iter().all(|n| large.contains(n)));
        let common = small.iter().filter(|n| other.contains(n)).count();
        assert!(common < small.len() / 10, "{common}");
    }
}
