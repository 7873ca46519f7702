//! That a site was asked to stop, for whoever has to know it before the last request is answered.

use std::future::Future;

use tokio::sync::watch;

/// How far the end of the site has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Default)]
enum Phase {
    #[default]
    Serving,
    /// It was asked to stop, and still takes connections for `SHUTDOWN_DELAY`.
    Asked,
    /// It takes no more: what has no end of its own comes to one.
    Closed,
}

/// Said by the server.
#[derive(Debug, Default)]
pub(crate) struct Stopping(watch::Sender<Phase>);

impl Stopping {
    pub(crate) fn begin(&self) {
        self.0.send_replace(Phase::Asked);
    }

    pub(crate) fn close(&self) {
        self.0.send_replace(Phase::Closed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow() > Phase::Serving
    }

    /// Returns when the site was asked to stop.
    #[cfg_attr(
        not(feature = "tasks"),
        expect(dead_code, reason = "only tasks wait for it")
    )]
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reached(Phase::Asked)
    }

    /// Returns when the site takes no more connections.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reached(Phase::Closed)
    }

    fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let mut phases = self.0.subscribe();
        async move {
            // An error says that the site is gone, which is an end too.
            let _ = phases.wait_for(|now| *now >= phase).await;
        }
    }
}
