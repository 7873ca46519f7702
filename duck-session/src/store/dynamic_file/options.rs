use crate::store::bounds::Bounds;

/// How large a shard grows where nothing else is said.
const SHARD_BYTES: u64 = 64 << 20;

/// A smaller one has hardly any session.
const LEAST_SHARD_BYTES: u64 = 64 << 10;

/// Options of a [`DynamicFileCache`](super::DynamicFileCache);
/// [`options`](super::DynamicFileCache::options) gives the usual ones.
#[derive(Debug, Clone)]
pub struct DynamicFileOptions {
    pub(super) shard_bytes: u64,
    pub(super) bounds: Bounds,
}

impl Default for DynamicFileOptions {
    fn default() -> Self {
        Self {
            shard_bytes: SHARD_BYTES,
            bounds: Bounds::default(),
        }
    }
}

impl DynamicFileOptions {
    /// How large a shard may grow before it is split into two; 64 MiB where nothing is said, 64 KiB at least.
    ///
    /// A shard is split by copying it; those who write to it wait while what was written meanwhile is copied
    /// again, with 64 MiB for about a tenth of a second. Each shard takes five open files or more.
    ///
    /// ```
    /// use duck_session::store::DynamicFileCache;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> duck::Result<()> {
    /// # let parent = tempfile::tempdir()?;
    /// # let dir = parent.path().join("sessions");
    /// let cache = DynamicFileCache::options().shard_bytes(16 << 20).open(&dir).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn shard_bytes(mut self, shard_bytes: u64) -> Self {
        self.shard_bytes = shard_bytes.max(LEAST_SHARD_BYTES);
        self
    }

    /// How many sessions there may be; 1,000,000 where nothing is said.
    ///
    /// At this bound a new session takes the place of an old one: first of those without a user that were
    /// never written again after they began (their cookie may never have come back), the oldest first; then
    /// of others without a user. Sessions with a user are never given up. Where nothing can go, a session
    /// without a user is [`Full`](duck::session::SessionError::Full), and one with a user is stored all the
    /// same.
    ///
    /// One process keeps the bound exactly. Each of several counts its own changes, and all sessions again
    /// whenever it has created a hundredth of the bound: together they may exceed it by a hundredth each.
    #[must_use]
    pub fn max_sessions(mut self, max_sessions: u64) -> Self {
        self.bounds.max_sessions = max_sessions;
        self
    }

    /// How many percent of the disk's bytes and inodes are left to others; 5 where nothing is said, 0 for
    /// no such bound.
    ///
    /// Below that, a new session takes the place of old ones as at [`max_sessions`](Self::max_sessions), but
    /// of those in its own shard: what is removed from a shard gives its room to sessions in the same shard. The
    /// disk gets it back when a shard that is mostly empty is swept.
    #[must_use]
    pub fn min_free(mut self, percent: u8) -> Self {
        self.bounds.min_free = percent.min(100);
        self
    }
}
