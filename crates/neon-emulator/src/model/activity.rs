//! How seeded projects are used: a pure function of a pattern, a seed and the time.
//!
//! Time is cut into slots of one or more days; each slot has at most one session, whose place and length follow from
//! the seed and the number of the slot. So what happened between any two moments is worked out when somebody asks, and
//! nothing is written as time goes by. Sums over adjoining spans add up exactly.

use std::ops::{AddAssign, Sub};

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::clock::Instant;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// What a new compute runs on Neon until its first suspension, in seconds.
const BIRTH: i64 = 305;
/// How often a poller asks, in seconds: more often than the shortest suspend timeout that is common.
const POLL: i64 = 240;
/// Of what is written, this part stays.
const KEPT: i64 = 50;
/// No billing period is longer, in days.
const LONGEST_PERIOD: i64 = 31;

/// Who uses a seeded project, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Some minutes every few weeks.
    Asleep,
    /// A part of most working days, in the time zone of its users.
    Diurnal,
    /// Nearly always, with much traffic.
    Heavy,
    /// Always: something asks it every few minutes, and it never falls idle.
    Polled,
}

impl Pattern {
    pub fn name(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Diurnal => "diurnal",
            Self::Heavy => "heavy",
            Self::Polled => "polled",
        }
    }

    /// Bytes a second that are written and sent to clients, in the middle.
    fn rates(self) -> (i64, i64) {
        match self {
            Self::Asleep => (400, 2_000),
            Self::Diurnal => (1_500, 6_000),
            Self::Heavy => (4_000, 12_000),
            Self::Polled => (60, 150),
        }
    }
}

/// What was consumed, without regard to the size of the compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    pub active_microseconds: i64,
    pub written_bytes: i64,
    /// What stays of the data written; the rest takes the place of older data.
    pub kept_bytes: i64,
    pub transfer_bytes: i64,
}

impl Amounts {
    pub fn active_seconds(&self) -> f64 {
        self.active_microseconds as f64 / 1e6
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        self.active_microseconds += other.active_microseconds;
        self.written_bytes += other.written_bytes;
        self.kept_bytes += other.kept_bytes;
        self.transfer_bytes += other.transfer_bytes;
    }
}

impl Sub for Amounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            active_microseconds: self.active_microseconds - other.active_microseconds,
            written_bytes: self.written_bytes - other.written_bytes,
            kept_bytes: self.kept_bytes - other.kept_bytes,
            transfer_bytes: self.transfer_bytes - other.transfer_bytes,
        }
    }
}

/// A span for which the compute runs, its suspend timeout included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub start: Instant,
    pub end: Instant,
    pub written_per_second: i64,
    pub transfer_per_second: i64,
}

impl Session {
    /// What it consumes from its start to a moment.
    pub fn until(&self, at: Instant) -> Amounts {
        let microseconds = (at.min(self.end) - self.start).num_microseconds().unwrap_or(0).max(0);
        Amounts {
            active_microseconds: microseconds,
            written_bytes: at_rate(self.written_per_second, microseconds),
            kept_bytes: at_rate(self.written_per_second / KEPT, microseconds),
            transfer_bytes: at_rate(self.transfer_per_second, microseconds),
        }
    }
}

fn at_rate(per_second: i64, microseconds: i64) -> i64 {
    per_second.saturating_mul(microseconds) / 1_000_000
}

/// The use of one project.
#[derive(Debug, Clone, Copy)]
pub struct Activity {
    pub pattern: Pattern,
    pub seed: u64,
    /// When the project was made: nothing happens before, and its first start is its first session.
    pub born: Instant,
}

impl Activity {
    /// Sessions that end after this moment, in their order. There is always another one.
    pub fn sessions(self, after: Instant) -> impl Iterator<Item = Session> {
        let first = self.slot_of(after.max(self.born));
        (first..).filter_map(move |slot| self.session_in(slot)).skip_while(move |session| session.end <= after)
    }

    /// What is consumed from one moment to another.
    pub fn between(self, from: Instant, to: Instant) -> Amounts {
        let mut sum = Amounts::default();
        if to <= from || to <= self.born {
            return sum;
        }
        for session in self.sessions(from).take_while(|session| session.start < to) {
            sum += session.until(to) - session.until(from);
        }
        sum
    }

    /// The session that is on at this moment.
    pub fn session_at(self, at: Instant) -> Option<Session> {
        self.sessions(at).next().filter(|session| session.start <= at)
    }

    /// The last session that has ended by this moment.
    pub fn last_before(self, at: Instant) -> Option<Session> {
        let first = self.slot_of(self.born);
        let mut slot = self.slot_of(at);
        while slot >= first {
            if let Some(session) = self.session_in(slot).filter(|session| session.end <= at) {
                return Some(session);
            }
            slot -= 1;
        }
        None
    }

    /// When a compute that was stopped at this moment is next asked for anything.
    pub fn next_wake(self, at: Instant) -> Instant {
        if self.pattern == Pattern::Polled {
            let phase = (self.seed % POLL as u64) as i64;
            let passed = (at.timestamp() - phase).rem_euclid(POLL);
            return moment(at.timestamp() - passed + POLL);
        }
        self.sessions(at).map(|session| session.start).find(|start| *start > at).unwrap_or(at)
    }

    /// No billing period brings more than this.
    pub fn most_in_a_period(self) -> Amounts {
        let seconds = match self.pattern {
            Pattern::Asleep => (LONGEST_PERIOD / self.slot_days() + 3) * 900,
            Pattern::Diurnal => LONGEST_PERIOD * 8 * HOUR,
            Pattern::Heavy | Pattern::Polled => LONGEST_PERIOD * DAY,
        };
        let (written, transfer) = self.pattern.rates();
        // Neither project nor session multiplies a rate by more than its range allows: see `rate`.
        let most = |middle: i64| at_rate(middle * 6, seconds * 1_000_000);
        Amounts {
            active_microseconds: seconds * 1_000_000,
            written_bytes: most(written),
            kept_bytes: most(written) / KEPT,
            transfer_bytes: most(transfer),
        }
    }

    fn slot_days(self) -> i64 {
        if self.pattern == Pattern::Asleep { 14 + (mix(self.seed, 1) % 60) as i64 } else { 1 }
    }

    /// Slots of a day begin at midnight where the users are; longer ones anywhere.
    fn slot_shift(self) -> i64 {
        match self.pattern {
            Pattern::Asleep => (mix(self.seed, 2) % (60 * 24)) as i64 * HOUR,
            _ => ((mix(self.seed, 2) % 20) as i64 - 9) * HOUR,
        }
    }

    fn slot_of(self, at: Instant) -> i64 {
        (at.timestamp() + self.slot_shift()).div_euclid(self.slot_days() * DAY)
    }

    fn session_in(self, slot: i64) -> Option<Session> {
        let length = self.slot_days() * DAY;
        let begin = slot * length - self.slot_shift();
        let (start, end) = if slot == self.slot_of(self.born) {
            let born = self.born.timestamp();
            let end = begin + length;
            (born, if self.pattern == Pattern::Polled { end } else { end.min(born + BIRTH) })
        } else {
            let (offset, seconds) = self.place(slot, length)?;
            (begin + offset, begin + offset + seconds)
        };
        let (written, transfer) = self.pattern.rates();
        Some(Session {
            start: moment(start).max(self.born),
            end: moment(end),
            written_per_second: self.rate(written, slot, 5),
            transfer_per_second: self.rate(transfer, slot, 6),
        })
    }

    /// Where in its slot a session begins and how long it is, in seconds; some slots have none.
    fn place(self, slot: i64, slot_length: i64) -> Option<(i64, i64)> {
        let chance = mix(self.seed, slot as u64 ^ (3 << 40));
        let within = |bits: u32, range: i64| ((chance >> bits) % range as u64) as i64;
        match self.pattern {
            Pattern::Asleep => Some((within(8, slot_length - 1_000), 300 + within(40, 600))),
            Pattern::Diurnal => {
                // The first of January 1970 was a Thursday.
                let is_working_day = (slot + 3).rem_euclid(7) < 5;
                let is_used = within(0, 100) < if is_working_day { 92 } else { 10 };
                is_used.then(|| (6 * HOUR + within(8, 5 * HOUR), 1_200 + within(32, 7 * HOUR)))
            }
            Pattern::Heavy => Some((within(8, HOUR), 16 * HOUR + within(32, 7 * HOUR))),
            Pattern::Polled => Some((0, slot_length)),
        }
    }

    /// A rate of this project in this slot: 0.5 to 4 times the middle by project, 0.5 to 1.5 times by slot.
    fn rate(self, middle: i64, slot: i64, salt: u64) -> i64 {
        let by_project = 50 + (mix(self.seed, salt) % 351) as i64;
        let by_slot = 50 + (mix(self.seed, slot as u64 ^ (salt << 40)) % 101) as i64;
        middle * by_project * by_slot / 10_000
    }
}

fn moment(seconds: i64) -> Instant {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A well-mixed number out of two (SplitMix64).
pub fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(n);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What two spans have in common.
pub fn overlap(a: (Instant, Instant), b: (Instant, Instant)) -> Option<(Instant, Instant)> {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    (from < to).then_some((from, to))
}
