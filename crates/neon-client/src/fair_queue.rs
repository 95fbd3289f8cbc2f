//! Who waits for a permit in the budget, and who is next: the urgent before all others, and within each of the two levels the
//! classes by their weights (start-time fair queueing), each class first come, first served.
//!
//! A class that has waited for nothing gets no credit for it: it joins where the others are. So what idle classes leave is
//! shared by those that wait, and nobody who comes late pushes the others aside.

use std::collections::BTreeMap;

use super::Class;

/// Which permits may be taken: urgent calls may also use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Urgent,
    Background,
}

impl Level {
    pub fn of(class: Class) -> Self {
        if class.is_urgent() { Self::Urgent } else { Self::Background }
    }
}

/// One's position in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    class: Class,
    number: u64,
}

pub(super) struct FairQueue<T> {
    queues: BTreeMap<Class, Queue<T>>,
    /// The time of each level, counted in service per weight.
    reached: BTreeMap<Level, f64>,
    next_number: u64,
}

struct Queue<T> {
    waiting: BTreeMap<u64, T>,
    /// When, in the time of its level, its next call is due.
    due: f64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), reached: BTreeMap::new(), next_number: 0 }
    }
}

impl<T> FairQueue<T> {
    pub fn join(&mut self, class: Class, who: T) -> Ticket {
        let reached = self.reached.get(&Level::of(class)).copied().unwrap_or_default();
        let queue = self.queues.entry(class).or_insert_with(|| Queue { waiting: BTreeMap::new(), due: 0.0 });
        if queue.waiting.is_empty() {
            queue.due = queue.due.max(reached);
        }
        let ticket = Ticket { class, number: self.next_number };
        self.next_number += 1;
        queue.waiting.insert(ticket.number, who);
        ticket
    }

    pub fn leave(&mut self, ticket: Ticket) {
        if let Some(queue) = self.queues.get_mut(&ticket.class) {
            queue.waiting.remove(&ticket.number);
        }
    }

    /// Takes out who is next for a permit of this level.
    pub fn next(&mut self, level: Level) -> Option<T> {
        let class = self.next_class().filter(|class| Level::of(*class) <= level)?;
        let queue = self.queues.get_mut(&class)?;
        let (_, who) = queue.waiting.pop_first()?;
        self.reached.insert(Level::of(class), queue.due);
        queue.due += 1.0 / f64::from(class.weight());
        Some(who)
    }

    fn next_class(&self) -> Option<Class> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.waiting.is_empty());
        let next = waiting.min_by(|(a, one), (b, other)| {
            Level::of(**a).cmp(&Level::of(**b)).then(one.due.total_cmp(&other.due)).then(a.cmp(b))
        });
        next.map(|(class, _)| *class)
    }

    /// The level of whoever is next, and how many wait at it.
    pub fn head(&self) -> Option<(Level, usize)> {
        let level = Level::of(self.next_class()?);
        let waiting = self.queues.iter().filter(|(class, _)| Level::of(**class) == level);
        Some((level, waiting.map(|(_, queue)| queue.waiting.len()).sum()))
    }

    /// Takes out all of this level and below for whom it holds.
    pub fn take_out(&mut self, level: Level, gives_up: impl Fn(&T) -> bool) -> Vec<T> {
        let queues = self.queues.iter_mut().filter(|(class, _)| Level::of(**class) >= level);
        let out =
            queues.flat_map(|(_, queue)| queue.waiting.extract_if(.., |_, who| gives_up(who)).map(|(_, who)| who));
        out.collect()
    }

    pub fn len(&self) -> usize {
        self.queues.values().map(|queue| queue.waiting.len()).sum()
    }

    /// How many of each class wait.
    pub fn by_class(&self) -> impl Iterator<Item = (Class, usize)> {
        self.queues.iter().map(|(class, queue)| (*class, queue.waiting.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Serves `permits` from a queue in which `busy` always wait; tells how many each class got.
    fn served(queue: &mut FairQueue<Class>, busy: &[Class], permits: usize) -> BTreeMap<Class, usize> {
        let mut got = BTreeMap::new();
        for class in busy {
            queue.join(*class, *class);
        }
        for _ in 0..permits {
            let class = queue.next(Level::Background).unwrap();
            *got.entry(class).or_default() += 1;
            queue.join(class, class);
        }
        got
    }

    #[test]
    fn classes_that_wait_share_by_their_weights() {
        let busy = [Class::Refill, Class::Apply, Class::Sync, Class::Reconcile, Class::Bulk];
        let got = served(&mut FairQueue::default(), &busy, 1_000);
        for class in busy {
            let fair = class.weight() as usize * 10;
            assert!(got[&class].abs_diff(fair) <= 2, "{class} got {} of 1,000, not {fair}", got[&class]);
        }
    }

    #[test]
    fn what_idle_classes_leave_is_shared_by_the_others() {
        let got = served(&mut FairQueue::default(), &[Class::Sync, Class::Bulk], 1_000);
        assert!(got[&Class::Sync].abs_diff(750) <= 2 && got[&Class::Bulk].abs_diff(250) <= 2, "{got:?}");
        assert_eq!(
            served(&mut FairQueue::default(), &[Class::Bulk], 100)[&Class::Bulk],
            100,
            "alone it has everything"
        );
    }

    #[test]
    fn who_was_idle_has_no_credit_when_it_comes_back() {
        let mut queue = FairQueue::default();
        served(&mut queue, &[Class::Sync], 10_000);
        let got = served(&mut queue, &[Class::Refill], 55);
        assert!(got[&Class::Sync].abs_diff(15) <= 2, "the sweep goes on beside the refill: {got:?}");
    }

    #[test]
    fn the_urgent_go_first_and_share_evenly() {
        let mut queue = FairQueue::default();
        for class in [Class::Refill, Class::WaitingClaim, Class::WaitingClaim, Class::WaitingClaim, Class::Support] {
            queue.join(class, class);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next(Level::Background)).collect();
        assert_eq!(order[..2], [Class::WaitingClaim, Class::Support], "a person does not wait behind all signups");
        assert_eq!(order[4], Class::Refill);
    }

    #[test]
    fn a_place_of_the_reserve_is_not_given_to_background_calls() {
        let mut queue = FairQueue::default();
        queue.join(Class::Refill, 1);
        assert_eq!(queue.next(Level::Urgent), None);
        queue.join(Class::Support, 2);
        assert_eq!(queue.head(), Some((Level::Urgent, 1)));
        assert_eq!((queue.next(Level::Urgent), queue.next(Level::Urgent), queue.len()), (Some(2), None, 1));
    }

    proptest! {
        /// Whoever joins is served or leaves, once, and each class in the order of its coming.
        #[test]
        fn nobody_is_lost_served_twice_or_overtaken_within_a_class(steps in prop::collection::vec((0..7usize, 0..4u8), 1..200)) {
            let mut queue = FairQueue::default();
            let (mut tickets, mut left, mut got) = (Vec::new(), Vec::new(), Vec::new());
            for (class, action) in steps {
                match action {
                    0 => got.extend(queue.next(Level::Background)),
                    1 if !tickets.is_empty() => {
                        let (ticket, number) = tickets.swap_remove(class % tickets.len());
                        queue.leave(ticket);
                        left.push(number);
                    }
                    _ => {
                        let number = queue.next_number;
                        tickets.push((queue.join(Class::ALL[class], (Class::ALL[class], number)), number));
                    }
                }
            }
            while let Some(who) = queue.next(Level::Background) {
                got.push(who);
            }
            prop_assert_eq!(queue.len(), 0);
            for class in Class::ALL {
                let order: Vec<u64> = got.iter().filter(|(of, _)| *of == class).map(|(_, number)| *number).collect();
                prop_assert!(order.is_sorted());
            }
            let served: std::collections::BTreeSet<u64> = got.iter().map(|(_, number)| *number).collect();
            prop_assert_eq!(served.len(), got.len());
            let seen: std::collections::BTreeSet<u64> = served.union(&left.into_iter().collect()).copied().collect();
            prop_assert_eq!(seen.len() as u64, queue.next_number);
        }
    }
}
