//! The keys that seal credentials: which one seals, what each still seals, and which can go.

use serde::{Deserialize, Serialize};

use super::{Time, grouped};

/// Every key that seals something or that a running replica holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// The one that seals what is new comes first.
    pub keys: Vec<KeyUse>,
    /// That run now.
    pub replicas: i64,
    /// Each of them seals with the same key.
    pub is_settled: bool,
    pub as_of: Time,
}

/// One key. Its id tells nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub id: String,
    /// Databases whose credentials are sealed with it.
    pub sealed: i64,
    /// It seals what is new.
    pub seals: bool,
    /// Replicas that hold it.
    pub held_by: i64,
    /// Replicas that have it as their `FLOTILLA_SECRET_KEY`.
    pub first_of: i64,
}

/// What is to be said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// Seals what is new.
    Seals,
    /// Takes over when each replica has it as its first.
    Awaited,
    /// What it seals is being sealed anew.
    BeingReplaced,
    /// Seals something, until each replica has the same new key.
    Waits,
    /// Seals nothing any more.
    MayGo,
    /// Seals something, and no running replica holds it.
    Missing,
}

impl KeyReport {
    /// Databases whose credentials are sealed.
    #[must_use]
    pub fn sealed(&self) -> i64 {
        self.keys.iter().map(|key| key.sealed).sum()
    }

    /// What is sealed with the key that seals now.
    #[must_use]
    pub fn sealed_with_current(&self) -> i64 {
        self.keys.iter().filter(|key| key.seals).map(|key| key.sealed).sum()
    }

    #[must_use]
    pub fn status(&self, key: &KeyUse) -> KeyStatus {
        match (key.seals, key.sealed, key.held_by) {
            (true, ..) => KeyStatus::Seals,
            (false, 1.., 0) if self.replicas > 0 => KeyStatus::Missing,
            (false, ..) if key.first_of > 0 => KeyStatus::Awaited,
            (false, ..) if !self.is_settled => KeyStatus::Waits,
            (false, 1.., _) => KeyStatus::BeingReplaced,
            (false, ..) => KeyStatus::MayGo,
        }
    }

    /// In a sentence, with what is to be done.
    #[must_use]
    pub fn sentence(&self, key: &KeyUse) -> String {
        match self.status(key) {
            KeyStatus::Seals => String::from("Seals everything new."),
            KeyStatus::Awaited => format!(
                "Takes over when it is the FLOTILLA_SECRET_KEY of every running replica; it is that of {} of {}.",
                key.first_of, self.replicas
            ),
            KeyStatus::BeingReplaced => format!(
                "Still needed: {} of {} credentials are re-sealed with the current key.",
                grouped(self.sealed_with_current()),
                grouped(self.sealed())
            ),
            KeyStatus::Waits => String::from("Still needed, until every running replica seals with the same new key."),
            KeyStatus::MayGo => String::from(
                "Seals nothing any more: take it out of FLOTILLA_PREVIOUS_SECRET_KEYS, and keep it with older backups.",
            ),
            KeyStatus::Missing => String::from(
                "No running replica holds it: what it seals cannot be opened. Add it to FLOTILLA_PREVIOUS_SECRET_KEYS.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, sealed: i64, seals: bool, held_by: i64, first_of: i64) -> KeyUse {
        KeyUse { id: id.to_owned(), sealed, seals, held_by, first_of }
    }

    fn report(is_settled: bool, keys: [KeyUse; 2]) -> KeyReport {
        KeyReport { keys: keys.to_vec(), replicas: 2, is_settled, as_of: chrono::Utc::now() }
    }

    #[test]
    fn a_change_of_keys_is_told_step_by_step() {
        use KeyStatus::{Awaited, BeingReplaced, MayGo, Missing, Seals, Waits};
        let cases = [
            // One replica has the new key already.
            ([key("old", 9, true, 2, 1), key("new", 0, false, 1, 1)], true, [Seals, Awaited]),
            // Both have it; one does not know yet that it seals.
            ([key("new", 0, true, 2, 2), key("old", 9, false, 2, 0)], false, [Seals, Waits]),
            ([key("new", 4, true, 2, 2), key("old", 5, false, 2, 0)], true, [Seals, BeingReplaced]),
            ([key("new", 9, true, 2, 2), key("old", 0, false, 2, 0)], false, [Seals, Waits]),
            ([key("new", 9, true, 2, 2), key("old", 0, false, 2, 0)], true, [Seals, MayGo]),
            ([key("new", 8, true, 2, 2), key("old", 1, false, 0, 0)], true, [Seals, Missing]),
        ];
        for (keys, is_settled, expected) in cases {
            let report = report(is_settled, keys);
            assert_eq!([report.status(&report.keys[0]), report.status(&report.keys[1])], expected, "{report:?}");
        }
    }

    #[test]
    fn progress_names_both_numbers() {
        let report = report(true, [key("new", 12_000, true, 2, 2), key("old", 288_000, false, 2, 0)]);
        assert!(report.sentence(&report.keys[1]).contains("12,000 of 300,000"));
    }
}
