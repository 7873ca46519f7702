//! What can be wrong with the files of a storage, whatever is stored in them: rule F14.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::directory::Directory;

/// What others may do: nothing, if all is well.
const OTHERS: u32 = 0o077;

/// More than this nobody reads; the rest is counted.
const MOST: usize = 1000;

/// A storage in files.
pub(crate) trait Files: Send + Sync {
    /// Looks at every file there is. With `findings.repairs`, puts right what can be put right
    /// without losing anything.
    fn check(&self, findings: &mut Findings) -> io::Result<()>;
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) repairs: bool,
    pub(crate) list: Vec<Finding>,
    /// How many are not in the list.
    pub(crate) more: usize,
    /// How many of all are as they were.
    pub(crate) left: usize,
}

/// One thing that is not as it should be.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Where, counted from the folder of the storage.
    pub(crate) path: PathBuf,
    pub(crate) fault: Fault,
    pub(crate) repaired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Others may read or write it.
    Mode(u32),
    /// It is nothing that the storage makes.
    Foreign,
    /// A writer that died has left it.
    Leftover,
    /// It is not what the storage has written.
    Damaged,
}

impl Fault {
    /// Whether it can be put right without losing anything.
    pub(crate) fn is_repairable(self) -> bool {
        matches!(self, Self::Mode(_) | Self::Leftover)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => {
                write!(f, "mode {mode:03o}: it should be for the site's user alone")
            }
            Self::Foreign => f.write_str("nothing that this storage makes"),
            Self::Leftover => f.write_str("left by a writer that died"),
            Self::Damaged => f.write_str("damaged: it holds nothing that can be read"),
        }
    }
}

impl Findings {
    /// Notes something; `repair` puts it right, where that is wanted and possible.
    pub(crate) fn add(
        &mut self,
        path: impl AsRef<Path>,
        fault: Fault,
        repair: impl FnOnce() -> io::Result<()>,
    ) {
        let repaired = self.repairs && fault.is_repairable() && repair().is_ok();
        self.left += usize::from(!repaired);
        if self.list.len() == MOST {
            self.more += 1;
            return;
        }
        self.list.push(Finding {
            path: path.as_ref().to_owned(),
            fault,
            repaired,
        });
    }

    /// Notes something that nobody but its owner can put right.
    pub(crate) fn add_irreparable(&mut self, path: impl AsRef<Path>, fault: Fault) {
        self.add(path, fault, || Ok(()));
    }

    /// Looks at who may use a folder. Its files come after it: when their turn comes, nobody else
    /// can put something in their place.
    pub(crate) fn check_folder(
        &mut self,
        path: impl AsRef<Path>,
        folder: &Directory,
    ) -> io::Result<()> {
        let mode = folder.mode()?;
        if mode & OTHERS != 0 {
            self.add(path, Fault::Mode(mode), || folder.narrow());
        }
        Ok(())
    }

    /// Looks at what stands under a name where a file should, and says whether it is one.
    pub(crate) fn check_file(
        &mut self,
        path: impl AsRef<Path>,
        folder: &Directory,
        name: &str,
    ) -> io::Result<bool> {
        let stat = match folder.stat(name) {
            // Sessions come and go.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            stat => stat?,
        };
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            self.add_irreparable(path, Fault::Foreign);
            return Ok(false);
        }
        let mode = stat.st_mode & 0o777;
        if mode & OTHERS != 0 {
            self.add(path, Fault::Mode(mode), || folder.narrow_file(name));
        }
        Ok(true)
    }
}
