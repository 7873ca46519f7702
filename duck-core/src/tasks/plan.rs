//! A task of a site: what it does, and when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::schedule::Schedule;
use super::task::Task;
use crate::BoxFuture;
use crate::app::lease::LeaseSlot;
use crate::error::Result;

/// What a task does.
pub(super) type Run = Box<dyn Fn(Task) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A task of a site that starts.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) schedule: Schedule,
    pub(super) run: Run,
    pub(super) leases: LeaseSlot,
}

/// Since 1970, UTC.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
