//! Whether the site is ready, as load balancers and Prometheus's side are told.

use http::StatusCode;

use crate::app::context::Context;
use crate::app::readiness::Failed;

pub(crate) struct ReadyState {
    stopping: bool,
    failed: Failed,
}

impl ReadyState {
    pub(crate) async fn of(context: &Context) -> Self {
        let stopping = context.stopping.has_begun();
        let failed = context.readiness.failed().await;
        Self { stopping, failed }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.stopping && self.failed.is_empty()
    }

    pub(crate) fn status(&self) -> StatusCode {
        if self.is_ready() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let (ready, failed) = (self.is_ready(), &*self.failed);
        serde_json::json!({"ready": ready, "failed": failed, "stopping": self.stopping})
    }
}
