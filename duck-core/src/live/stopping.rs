//! Tells responses that have no end of their own that the server stops.

use std::future::Future;

use tokio::sync::watch;

/// Whether the server has begun to stop.
#[derive(Default)]
pub(crate) struct Stopping(watch::Sender<bool>);

impl Stopping {
    /// From now on, what has no end of its own comes to one.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits for that.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stops = self.0.subscribe();
        async move {
            // An error says that the site is gone, which is an end too.
            let _ = stops.wait_for(|stops| *stops).await;
        }
    }
}
