//! When the work that waits for calls will be done, as the budget allows it: the fair queue's own rules, run ahead.
//!
//! Urgent work first; then classes that have work left share the rate by their weights, and whoever is done leaves its part to
//! the others. What else a job waits for (a compute that starts, a duty that takes one page a second) is not known here, so
//! each end is the earliest.

use neon_client::Class;

/// Work of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Work {
    pub class: Class,
    pub calls: f64,
}

/// Minutes until the calls of each class are made, at this rate; the jobs of one class end together.
pub(super) fn minutes_until_done(work: &[Work], calls_per_minute: f64) -> Vec<f64> {
    let left = |class| work.iter().filter(|work| work.class == class).map(|work| work.calls).sum::<f64>();
    let mut open: Vec<(Class, f64)> =
        Class::ALL.into_iter().map(|class| (class, left(class))).filter(|(_, left)| *left > 0.0).collect();
    let (mut now, mut ends) = (0.0, Vec::new());
    // Every round ends a class, so there are as many as classes at most.
    while !open.is_empty() {
        let urgent = open.iter().any(|(class, _)| class.is_urgent());
        let served = |class: Class| class.is_urgent() == urgent;
        let weights: f64 =
            open.iter().filter(|(class, _)| served(*class)).map(|(class, _)| f64::from(class.weight())).sum();
        let speed =
            |class: Class| if served(class) { calls_per_minute * f64::from(class.weight()) / weights } else { 0.0 };
        let step = open
            .iter()
            .filter(|(class, _)| served(*class))
            .map(|(class, left)| left / speed(*class))
            .fold(f64::MAX, f64::min);
        now += step;
        for (class, left) in &mut open {
            *left -= speed(*class) * step;
        }
        let done = open.extract_if(.., |(_, left)| *left < 1e-6);
        ends.extend(done.map(|(class, _)| (class, now)));
    }
    let end = |class| ends.iter().find(|(of, _)| *of == class).map_or(0.0, |(_, end)| *end);
    work.iter().map(|work| end(work.class)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(work: &[(Class, f64)]) -> Vec<f64> {
        let work: Vec<Work> = work.iter().map(|(class, calls)| Work { class: *class, calls: *calls }).collect();
        minutes_until_done(&work, 100.0).iter().map(|end| (end * 1_000.0).round() / 1_000.0).collect()
    }

    #[test]
    fn alone_a_job_has_the_whole_rate() {
        assert_eq!(ends(&[(Class::Sync, 750.0)]), [7.5]);
        assert_eq!(ends(&[(Class::Sync, 0.0)]), [0.0]);
    }

    #[test]
    fn jobs_share_by_weight_and_leave_their_part_when_they_end() {
        // Refill 40 : Sync 10 of Reconcile's weight: 80 and 20 a minute, then all.
        assert_eq!(ends(&[(Class::Refill, 80.0), (Class::Reconcile, 120.0)]), [1.0, 2.0]);
    }

    #[test]
    fn background_work_begins_when_the_urgent_is_done() {
        assert_eq!(ends(&[(Class::Bulk, 100.0), (Class::WaitingClaim, 100.0)]), [2.0, 1.0]);
    }

    #[test]
    fn jobs_of_one_class_end_together() {
        assert_eq!(ends(&[(Class::Apply, 30.0), (Class::Apply, 70.0)]), [1.0, 1.0]);
    }
}
