//! Who may read and write the files of a storage.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::store::directory::{Directory, present};

/// What others may do: nothing, if all is well.
const OTHERS: u32 = 0o077;

/// More than this nobody reads; the rest is counted.
pub(super) const MOST: usize = 1000;

/// What was found in a folder.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    pub(super) count: usize,
    /// How many of them are as they were.
    pub(super) left: usize,
}

/// One thing that is not as it should be.
#[derive(Debug)]
pub(super) struct Finding {
    /// Where, counted from the folder.
    pub(super) path: PathBuf,
    pub(super) fault: Fault,
    pub(super) is_mended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Others may read or write it.
    Mode(u32),
    /// A link, a pipe, or something else that no storage makes.
    Foreign,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => {
                write!(f, "mode {mode:03o}: it should be for the site's user alone")
            }
            Self::Foreign => f.write_str("neither a file nor a folder"),
        }
    }
}

/// Looks at everything in a folder, and with `repair` takes the rights of others away.
pub(super) fn check(folder: &Path, repair: bool) -> io::Result<Findings> {
    let root = Directory::open_existing(folder)?;
    let mut findings = Findings::default();
    findings.check_folder(Path::new("."), &root, repair)?;
    let mut folders = findings.check_names(Path::new(""), &root, repair)?;
    while let Some(path) = folders.pop() {
        let Some(folder) = present(root.folder(&path))? else {
            continue;
        };
        findings.check_folder(Path::new(&path), &folder, repair)?;
        folders.extend(findings.check_names(Path::new(&path), &folder, repair)?);
    }
    Ok(findings)
}

impl Findings {
    fn add(&mut self, path: PathBuf, fault: Fault, is_mended: bool) {
        self.count += 1;
        self.left += usize::from(!is_mended);
        if self.list.len() < MOST {
            self.list.push(Finding {
                path,
                fault,
                is_mended,
            });
        }
    }

    /// Comes before what is in the folder: when that has its turn, nobody else can put something in its place.
    fn check_folder(&mut self, path: &Path, folder: &Directory, repair: bool) -> io::Result<()> {
        let mode = folder.mode()?;
        if mode & OTHERS != 0 {
            let is_mended = repair && folder.narrow().is_ok();
            self.add(path.to_owned(), Fault::Mode(mode), is_mended);
        }
        Ok(())
    }

    /// Looks at what is in a folder, and returns the folders in it.
    fn check_names(
        &mut self,
        path: &Path,
        folder: &Directory,
        repair: bool,
    ) -> io::Result<Vec<String>> {
        let mut folders = Vec::new();
        for name in folder.all_names()? {
            let path = path.join(&name);
            let Some(name) = name.to_str() else {
                self.add(path, Fault::Foreign, false);
                continue;
            };
            // Sessions come and go.
            let Some(stat) = present(folder.stat(name))? else {
                continue;
            };
            let (kind, mode) = (FileType::from_raw_mode(stat.st_mode), stat.st_mode & 0o777);
            if kind.is_dir() {
                folders.extend(path.to_str().map(str::to_owned));
            } else if !kind.is_file() {
                self.add(path, Fault::Foreign, false);
            } else if mode & OTHERS != 0 {
                let is_mended = repair && folder.narrow_file(name).is_ok();
                self.add(path, Fault::Mode(mode), is_mended);
            }
        }
        Ok(folders)
    }
}
