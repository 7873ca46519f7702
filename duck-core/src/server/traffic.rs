//! What goes over the sockets of this process: counted with the feature `metrics`, and not at all without.

#[cfg(feature = "metrics")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[cfg(feature = "metrics")]
static RECEIVED: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "metrics")]
static SENT: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "metrics")]
static OPEN: AtomicU64 = AtomicU64::new(0);

/// Bytes came.
pub(super) fn received(bytes: usize) {
    #[cfg(feature = "metrics")]
    RECEIVED.fetch_add(bytes as u64, Relaxed);
    let _ = bytes;
}

/// Bytes went.
pub(super) fn sent(bytes: usize) {
    #[cfg(feature = "metrics")]
    SENT.fetch_add(bytes as u64, Relaxed);
    let _ = bytes;
}

/// An open connection, until it is dropped.
pub(super) struct Open(());

impl Open {
    pub(super) fn new() -> Self {
        #[cfg(feature = "metrics")]
        OPEN.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        OPEN.fetch_sub(1, Relaxed);
    }
}

/// What was counted since the process began.
#[cfg(feature = "metrics")]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// How many connections there are now.
    pub(crate) open: u64,
}

#[cfg(feature = "metrics")]
impl Traffic {
    pub(crate) fn now() -> Self {
        Self {
            received: RECEIVED.load(Relaxed),
            sent: SENT.load(Relaxed),
            open: OPEN.load(Relaxed),
        }
    }
}
