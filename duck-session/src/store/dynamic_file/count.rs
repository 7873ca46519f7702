use std::time::{Duration, Instant};

use super::request::{Answer, Change};

/// How often the sessions are counted again while the store is full.
const AGAIN: Duration = Duration::from_secs(10);

/// How many sessions there are, as far as this process knows: it counts its own changes, and all from time
/// to time.
#[derive(Debug, Default)]
pub(super) struct Count(Option<Known>);

#[derive(Debug)]
struct Known {
    sessions: u64,
    at: Instant,
    created: u64,
}

impl Count {
    /// How many more sessions there may be; `count` counts them all.
    pub(super) fn free<E>(
        &mut self,
        max: u64,
        count: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, E> {
        let is_good = |known: &Known| {
            // Other processes create about as many as this one.
            let is_full = known.sessions >= max && known.at.elapsed() >= AGAIN;
            !is_full && known.created <= max / 100
        };
        let known = match self.0.take().filter(is_good) {
            Some(known) => known,
            None => Known {
                sessions: count()?,
                at: Instant::now(),
                created: 0,
            },
        };
        Ok(max.saturating_sub(self.0.insert(known).sessions))
    }

    /// What became of a change.
    pub(super) fn note(&mut self, change: &Change, answer: Answer) {
        match (change, answer) {
            (Change::Create(_), Answer::Made) => self.created(),
            (Change::Remove(..), Answer::Made) => self.removed(1),
            _ => {}
        }
    }

    fn created(&mut self) {
        if let Some(known) = &mut self.0 {
            known.sessions += 1;
            known.created += 1;
        }
    }

    pub(super) fn removed(&mut self, sessions: usize) {
        if let Some(known) = &mut self.0 {
            known.sessions = known.sessions.saturating_sub(sessions as u64);
        }
    }

    /// Has the sessions counted again when it matters.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_anew_after_each_hundredth_of_the_bound() {
        let mut count = Count::default();
        assert_eq!(count.free(1000, || Ok::<_, ()>(100)), Ok(900));
        let unasked = || -> Result<u64, ()> { panic!("counted again") };
        (0..10).for_each(|_| count.created());
        count.removed(4);
        assert_eq!(count.free(1000, unasked), Ok(894));
        count.created();
        assert_eq!(count.free(1000, || Ok::<_, ()>(500)), Ok(500));
    }

    #[test]
    fn a_failed_count_is_tried_again() {
        let mut count = Count::default();
        assert_eq!(count.free(10, || Err("no")), Err("no"));
        assert_eq!(count.free(10, || Ok::<_, ()>(7)), Ok(3));
    }
}
