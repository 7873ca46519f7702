//! What is in the folder besides shards that are as they should be.

use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::DynamicFileCache;
use super::folder::{self, Folder, Part};
use super::lock::{self, FolderLock};
use super::reserve;
use super::shard::Shard;
use crate::cache::directory::Directory;
use crate::cache::files::{Fault, Files, Findings};
use crate::cache::leftover::is_leftover;

impl Files for DynamicFileCache {
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        let folder = &*self.0.folder;
        let directory = Directory::open(folder.path())?;
        let now = self.now().unsigned_abs();
        findings.check_folder(".", &directory)?;
        for name in directory.all_names()? {
            // Whatever is ours is called something in ASCII.
            let text = name.to_str().unwrap_or_default();
            match Kind::of(text) {
                Kind::Ours => drop(findings.check_file(text, &directory, text)?),
                Kind::Beside(shard) if directory.has_file(&shard).unwrap_or(true) => {
                    findings.check_file(text, &directory, text)?;
                }
                Kind::Draft | Kind::Beside(_) => {
                    check_leftover((folder, &directory), text, now, findings)?;
                }
                Kind::Foreign => findings.add_irreparable(&name, Fault::Foreign),
            }
        }
        let shards = folder.refresh().map_err(io::Error::other)?;
        for shard in shards.newest_first() {
            check_shard(shard, findings);
        }
        Ok(())
    }
}

/// What a name stands for.
#[derive(Debug, PartialEq)]
enum Kind {
    Ours,
    /// What SQLite keeps for the shard of this name.
    Beside(String),
    /// A shard that was never finished.
    Draft,
    Foreign,
}

impl Kind {
    fn of(name: &str) -> Self {
        if name == lock::NAME || name == reserve::NAME {
            return Self::Ours;
        }
        let path = Path::new(name);
        match (folder::number(path), folder::part_of(path)) {
            (Some(_), _) => Self::Ours,
            (None, Some((number, Part::Log))) => Self::Beside(folder::file_name(number)),
            (None, Some((_, Part::Draft))) => Self::Draft,
            (None, None) => Self::Foreign,
        }
    }
}

/// A shard that is being made, or removed, is so for milliseconds.
fn check_leftover(
    (folder, directory): (&Folder, &Directory),
    name: &str,
    now: u64,
    findings: &mut Findings,
) -> io::Result<()> {
    let stat = match directory.stat(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        stat => stat?,
    };
    if is_leftover(&stat, now) {
        findings.add(name, Fault::Leftover, || {
            let mut lock = FolderLock::open(folder.path()).map_err(io::Error::other)?;
            let _locked = lock.acquire().map_err(io::Error::other)?;
            directory.remove_file(name)
        });
    }
    Ok(())
}

/// Reads a shard from end to end, past the writers.
fn check_shard(shard: &Shard, findings: &mut Findings) {
    if !matches!(shard.with_reader(is_sound), Ok(None | Some(true))) {
        let name = shard.path().file_name().unwrap_or_default();
        findings.add_irreparable(name, Fault::Damaged);
    }
}

fn is_sound(connection: &Connection) -> rusqlite::Result<bool> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(said == "ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_ours_is_known() {
        for name in ["shard-000001.sqlite", "shards.lock", "shards.reserve"] {
            assert_eq!(Kind::of(name), Kind::Ours, "{name}");
        }
        let beside = Kind::Beside("shard-000001.sqlite".to_owned());
        for name in ["shard-000001.sqlite-wal", "shard-000001.sqlite-shm"] {
            assert_eq!(Kind::of(name), beside, "{name}");
        }
        for name in [
            "shard-000001.draft",
            "shard-000001.draft-wal",
            "shard-000001.draft-journal",
        ] {
            assert_eq!(Kind::of(name), Kind::Draft, "{name}");
        }
        for name in [
            "",
            "v1",
            "shard-1.sqlite",
            "shard-1.draft",
            "shards.lock-wal",
            "x.sqlite-wal",
            ".draft",
        ] {
            assert_eq!(Kind::of(name), Kind::Foreign, "{name}");
        }
    }
}
