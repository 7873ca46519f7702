//! Those who write one session, one after the other.

use std::time::Duration;

use tokio::sync::MutexGuard;

use super::CacheEngine;
use crate::cache::Cache;
use crate::locks::KeyedLocks;
use crate::seal::Handle;

/// A place among those who write under one handle, from the moment on that one has to wait.
pub(super) struct Line<'a> {
    pub(super) handle: Handle,
    pub(super) turn: Option<MutexGuard<'a, ()>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(handle: Handle, turn: Option<MutexGuard<'a, ()>>) -> Self {
        Self { handle, turn }
    }
}

impl<C: Cache> CacheEngine<C> {
    /// A cache that cannot compare and swap in one step is kept to one writer a key. Users' lists have
    /// locks of their own: a list is written in the turn of a session.
    pub(super) async fn lock_unless_atomic<'a>(
        &self,
        locks: &'a KeyedLocks,
        handle: &Handle,
    ) -> Option<MutexGuard<'a, ()>> {
        if C::ATOMIC {
            return None;
        }
        Some(locks.lock(handle.as_str()).await)
    }

    /// Those who lost wait for each other, and then a little, by chance: two processes must not
    /// keep in step.
    pub(super) async fn stand_in_line<'a>(
        &self,
        locks: &'a KeyedLocks,
        line: &mut Line<'a>,
        attempt: u32,
    ) {
        if line.turn.is_none() {
            line.turn = Some(locks.lock(line.handle.as_str()).await);
        } else {
            let pause = fastrand::u64(50..500 << attempt.min(6));
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }
}
