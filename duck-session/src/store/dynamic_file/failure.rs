use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

/// Why the storage could not do what it was asked, with SQLite's or the system's error as source.
///
/// Cheap to clone: when a transaction fails, everybody whose change was part of it hears of it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    what: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
        }
    }

    /// For `map_err`: `path` could not be `what` ("read", "written", …).
    pub(super) fn at<E>(path: &Path, what: &str) -> impl FnOnce(E) -> Self
    where
        E: StdError + Send + Sync + 'static,
    {
        move |error| Self {
            what: format!("{} could not be {what}", path.display()),
            source: Some(Arc::new(error)),
        }
    }

    /// Whether what is on the disk is not what SQLite wrote there.
    pub(super) fn is_corruption(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    pub(super) fn is_disk_full(&self) -> bool {
        let has_no_room = |error: &ffi::Error| {
            // The second is what SQLite says when the index of a log has no room.
            error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE
        };
        self.sqlite_error().is_some_and(has_no_room)
            || self.io_kind() == Some(io::ErrorKind::StorageFull)
    }

    fn sqlite_code(&self) -> Option<ErrorCode> {
        Some(self.sqlite_error()?.code)
    }

    fn sqlite_error(&self) -> Option<&ffi::Error> {
        self.source
            .as_ref()?
            .downcast_ref::<rusqlite::Error>()?
            .sqlite_error()
    }

    fn io_kind(&self) -> Option<io::ErrorKind> {
        let error = self.source.as_ref()?.downcast_ref::<io::Error>()?;
        Some(error.kind())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}
