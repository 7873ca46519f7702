//! What a site does besides answering requests.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::detached;
use crate::app::setup::Work;
use crate::app::site::Site;

/// For work that is cut off to be dropped, and for what requests that were cut off have left to finish.
pub(crate) const LAST_MOMENT: Duration = Duration::from_secs(1);

pub(crate) struct Beside {
    /// Runs until the site has stopped.
    background: JoinSet<()>,
    /// Comes to an end of its own when the site is asked to stop.
    work: JoinSet<()>,
}

impl Beside {
    pub(crate) fn start(site: &Site) -> Self {
        let start = |work: &Work| work(site.0.context.clone());
        Self {
            background: site.0.hooks.background.iter().map(start).collect(),
            work: site.0.hooks.work.iter().map(start).collect(),
        }
    }

    /// Waits for the work that has an end, and for what goes on although its request is gone.
    pub(crate) async fn finish(&mut self) {
        while self.work.join_next().await.is_some() {}
        detached::ended().await;
    }

    /// How much of that work is left.
    pub(crate) fn left(&self) -> usize {
        self.work.len()
    }

    /// Cuts off what is left, and does what components do at the end.
    pub(crate) async fn end(mut self, site: &Site) {
        // Work that blocks its thread does not hear of it.
        let _ = timeout(LAST_MOMENT, self.work.shutdown()).await;
        if timeout(LAST_MOMENT, detached::ended()).await.is_err() {
            let left = detached::left();
            tracing::warn!(target: "duck", left, "the site stops while sessions of clients that have gone are being saved: they may be lost");
        }
        let _ = timeout(LAST_MOMENT, self.background.shutdown()).await;
        site.stop().await;
    }
}
