//! What stands in the form of the quotas, and how it follows the page: what somebody is writing stays.

use leptos::prelude::*;

use fleet_types::{AppError, DatabaseDetail, QuotaChange};

/// One field as it is being written.
#[derive(Clone, Copy)]
pub struct Field {
    pub text: RwSignal<String>,
    /// What it was filled with.
    filled: RwSignal<String>,
}

impl Field {
    fn new() -> Self {
        Self { text: RwSignal::new(String::new()), filled: RwSignal::new(String::new()) }
    }

    pub fn is_touched(self) -> bool {
        self.text.get() != self.filled.get()
    }

    /// What is written, if it differs from what the field was filled with.
    fn touched(self) -> Option<String> {
        self.is_touched().then(|| self.text.get())
    }

    fn fill(self, text: String, keep_what_is_touched: bool) {
        if !keep_what_is_touched || self.text.get_untracked() == self.filled.get_untracked() {
            self.text.try_set(text.clone());
        }
        self.filled.try_set(text);
    }
}

/// The five fields, and the revision of the quota that they were filled from. Only what somebody has touched is sent.
#[derive(Clone, Copy)]
pub struct Draft {
    pub storage: Field,
    pub active_hours: Field,
    pub compute_hours: Field,
    pub written: Field,
    pub transfer: Field,
    pub revision: RwSignal<i64>,
    /// The next reading fills the form anew: all of it, or around what is touched.
    refill: RwSignal<Option<Refill>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refill {
    /// It was saved.
    Everything,
    /// It was refused because somebody else had changed the quota: they have been told, and may save again.
    AroundWhatIsTouched,
}

impl Draft {
    pub fn new() -> Self {
        Self {
            storage: Field::new(),
            active_hours: Field::new(),
            compute_hours: Field::new(),
            written: Field::new(),
            transfer: Field::new(),
            revision: RwSignal::new(0),
            refill: RwSignal::new(None),
        }
    }

    pub fn fill(self, detail: &DatabaseDetail) {
        self.fill_with(detail, false);
    }

    /// The next reading is the new ground.
    pub fn refill(self, how: Refill) {
        self.refill.try_set(Some(how));
    }

    /// The page was read anew: an untouched form follows it; one that is being filled in stays as it is, unless it was answered.
    pub fn follow(self, detail: &DatabaseDetail) {
        let is_touched = untrack(|| self.fields().into_iter().any(Field::is_touched));
        match self.refill.get_untracked() {
            // Read before the other change was committed: the next reading has it.
            Some(Refill::AroundWhatIsTouched) if self.revision.get_untracked() == detail.quota_revision => {}
            Some(how) => self.fill_with(detail, how == Refill::AroundWhatIsTouched),
            None if !is_touched && self.revision.get_untracked() != detail.quota_revision => {
                self.fill_with(detail, false)
            }
            None => {}
        }
    }

    fn fill_with(self, detail: &DatabaseDetail, keep_what_is_touched: bool) {
        let quota = &detail.quota;
        self.storage.fill(size_text(quota.logical_size_bytes), keep_what_is_touched);
        self.active_hours.fill(hours_text(quota.active_time_seconds), keep_what_is_touched);
        self.compute_hours.fill(hours_text(quota.compute_time_seconds), keep_what_is_touched);
        self.written.fill(size_text(quota.written_data_bytes), keep_what_is_touched);
        self.transfer.fill(size_text(quota.data_transfer_bytes), keep_what_is_touched);
        self.revision.try_set(detail.quota_revision);
        self.refill.try_set(None);
    }

    fn fields(self) -> [Field; 5] {
        [self.storage, self.active_hours, self.compute_hours, self.written, self.transfer]
    }

    pub fn parse(self) -> Result<QuotaChange, AppError> {
        let [storage, active, compute, written, transfer] = self.fields().map(Field::touched);
        QuotaChange::parse(
            storage.as_deref(),
            active.as_deref(),
            compute.as_deref(),
            written.as_deref(),
            transfer.as_deref(),
        )
    }
}

/// A size that reads back as exactly the same number: in the largest unit that divides it.
fn size_text(limit: Option<i64>) -> String {
    const UNITS: [(&str, i64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some(limit) = limit else { return String::from("unlimited") };
    match UNITS.into_iter().find(|(_, size)| limit % size == 0) {
        Some((unit, size)) => format!("{} {unit}", limit / size),
        None => format!("{limit} B"),
    }
}

/// Hours that read back as exactly the same number of seconds.
fn hours_text(limit: Option<i64>) -> String {
    limit.map_or_else(|| String::from("unlimited"), |seconds| (seconds as f64 / 3600.0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_types::parse_bytes;

    #[test]
    fn what_the_form_shows_reads_back_as_what_is_set() {
        for size in [1, 1023, 536_870_912, 536_870_913, 1 << 30, 3 << 40] {
            assert_eq!(parse_bytes(&size_text(Some(size))), Ok(Some(size)));
        }
        for seconds in [1, 59, 60, 100, 1_000, 3_599, 3_600, 360_000, 1_234_567] {
            let change =
                QuotaChange::parse(None, Some(&hours_text(Some(seconds))), None, None, None).expect("readable");
            assert_eq!(change.active_time_seconds, Some(Some(seconds)));
        }
        assert_eq!(parse_bytes(&size_text(None)), Ok(None));
    }
}
