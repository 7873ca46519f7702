//! Work that goes on when the request that began it is gone, such as saving a session. A site that stops waits for it.

use std::sync::LazyLock;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How many such tasks this process has. One of several sites in it may wait for those of another.
static LEFT: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// Runs a future to its end, in a task that nobody waits for but [`ended`]. Without a runtime it is dropped.
pub(crate) fn spawn(future: impl Future + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        let counted = Counted::new();
        let counting = async move {
            let _counted = counted;
            future.await;
        };
        // In a box, as it is rare: tokio's code of a task is in the program once for each type of future.
        runtime.spawn(counting.boxed());
    }
}

/// Returns when there are no such tasks.
pub(crate) async fn ended() {
    let mut left = LEFT.subscribe();
    // The sender is never dropped.
    let _ = left.wait_for(|left| *left == 0).await;
}

pub(crate) fn left() -> usize {
    *LEFT.borrow()
}

/// A task that counts until it is dropped.
struct Counted(());

impl Counted {
    fn new() -> Self {
        LEFT.send_modify(|left| *left += 1);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LEFT.send_modify(|left| *left -= 1);
    }
}
