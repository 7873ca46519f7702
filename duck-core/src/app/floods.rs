//! How often lines of one kind come: a log that an attack can fill hides what else there is to see.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// Lines of one kind that are written in one window; what comes on top is counted.
const MOST: u32 = 10;

/// How long that is.
const WINDOW: Duration = Duration::from_secs(1);

/// Kinds that are remembered. Beyond that, the windows of kinds that came slowly are forgotten.
const MOST_KINDS: usize = 1000;

/// Limits how many lines of one kind are written to the log: ten a second. The others are counted, and one
/// line at the end of the second says how many there were.
///
/// It is for lines that a client can cause as often as it likes, such as the errors of requests. `K` says what
/// makes two lines one kind. It has to be of the program's making: a status, a line of its code, the name of
/// an operation. With a path or a header in it, each of an attacker's lines is a kind of its own.
///
/// Clones count together. At most a thousand kinds are remembered at a time; lines of others are all written.
///
/// ```
/// use duck::app::Floods;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// # runtime.block_on(async {
/// let floods = Floods::default();
/// let mut written = 0;
/// for _ in 0..500 {
///     let count = |kind: &&str, more: u64| eprintln!("{more} more: {kind}");
///     if floods.admit(&"the storage failed", count) {
///         written += 1;
///     }
/// }
/// assert_eq!(written, 10);
/// # });
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct Floods<K>(Arc<Mutex<HashMap<K, Window>>>);

struct Window {
    began: Instant,
    written: u32,
    held_back: u64,
}

impl<K: Clone + Eq + Hash + Send + 'static> Floods<K> {
    /// Whether to write a line of this kind now. The first that is not written has `tell` called when its second
    /// is over, with how many there were until then. Where no tokio runtime waits for that, all lines are written.
    pub fn admit(&self, kind: &K, tell: impl FnOnce(&K, u64) + Send + 'static) -> bool {
        let mut windows = self.windows();
        let now = Instant::now();
        if windows.len() >= MOST_KINDS && !windows.contains_key(kind) {
            windows.retain(|_, window| window.held_back > 0 || !window.is_over(now));
            if windows.len() >= MOST_KINDS {
                return true;
            }
        }
        let window = windows.entry(kind.clone());
        let window = window.or_insert_with(|| Window::begin(now));
        if window.held_back == 0 && window.is_over(now) {
            *window = Window::begin(now);
        }
        if window.written < MOST {
            window.written += 1;
            return true;
        }
        if window.held_back > 0 {
            window.held_back += 1;
            return false;
        }
        let Ok(runtime) = Handle::try_current() else {
            return true;
        };
        window.held_back = 1;
        drop(windows);
        let (floods, kind) = (self.clone(), kind.clone());
        let told = async move {
            sleep(WINDOW).await;
            let window = floods.windows().remove(&kind);
            tell(&kind, window.map_or(0, |window| window.held_back));
        };
        // In a box: tokio's code of a task is in the program once for each type of future, and for each runtime.
        runtime.spawn(told.boxed());
        false
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<K, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn begin(now: Instant) -> Self {
        Self {
            began: now,
            written: 0,
            held_back: 0,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= WINDOW
    }
}

impl<K> Default for Floods<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for Floods<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for Floods<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Floods").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was told of each kind.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<(u32, u64)>>>);

    impl Told {
        fn admit(&self, floods: &Floods<u32>, kind: u32) -> bool {
            let told = self.0.clone();
            floods.admit(&kind, move |kind, more| {
                told.lock().unwrap().push((*kind, more));
            })
        }

        fn take(&self) -> Vec<(u32, u64)> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_kind_is_counted_and_other_kinds_are_written() {
        let (floods, told) = (Floods::default(), Told::default());
        for second in 0..3 {
            let written = (0..1000).filter(|_| told.admit(&floods, 503)).count();
            assert_eq!(written, MOST as usize, "in second {second}");
            assert!(told.admit(&floods, 500));
            sleep(WINDOW * 2).await;
            assert_eq!(told.take(), [(503, 990)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_come_slowly_are_all_written() {
        let (floods, told) = (Floods::default(), Told::default());
        for _ in 0..100 {
            assert!(told.admit(&floods, 500));
            sleep(WINDOW / 5).await;
        }
        assert!(told.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_without_end_take_no_memory_without_end_and_hide_no_line() {
        let (floods, told) = (Floods::default(), Told::default());
        for _ in 0..100 {
            told.admit(&floods, 0);
        }
        for kind in 1..5000 {
            assert!(told.admit(&floods, kind), "the first of its kind");
        }
        assert_eq!(floods.windows().len(), MOST_KINDS);
        sleep(WINDOW * 2).await;
        assert_eq!(told.take(), [(0, 90)]);
        assert!(told.admit(&floods, 5000));
        assert!(told.admit(&floods, 5001));
        assert_eq!(floods.windows().len(), 2, "the others are over");
    }

    #[test]
    fn where_nobody_could_tell_of_them_all_lines_are_written() {
        let (floods, told) = (Floods::default(), Told::default());
        assert!((0..100).all(|_| told.admit(&floods, 500)));
    }
}
