//! A server that runs beside a test.

use std::time::Duration;

use duck::Site;
use duck::server::{Listener, serve};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(listener: impl Listener, site: Site) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, site, async {
            // Dropping the sender stops the server too.
            let _ = stopped.await;
        }));
        Self {
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        drop(self.stop);
        timeout(PATIENCE, self.task)
            .await
            .expect("the server stops")
            .expect("without a panic");
    }
}
