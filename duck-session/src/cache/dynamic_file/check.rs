//! What is in the folder besides shards that are as they should be.

use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::DynamicFileCache;
use super::folder::{self, Folder};
use super::lock::{self, FolderLock};
use super::reserve;
use super::shard::Shard;
use crate::cache::directory::Directory;
use crate::cache::files::{Fault, Files, Findings};
use crate::cache::leftover::is_leftover;

/// What SQLite puts beside a shard.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Files for DynamicFileCache {
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        let folder = &*self.0.folder;
        let directory = Directory::open(folder.path())?;
        let now = self.now().unsigned_abs();
        findings.check_folder(".", &directory)?;
        for name in directory.all_names()? {
            match name.to_str().map_or(Kind::Foreign, Kind::of) {
                Kind::Ours(name) => drop(findings.check_file(name, &directory, name)?),
                Kind::Beside(shard, name) if directory.has_file(shard).unwrap_or(true) => {
                    findings.check_file(name, &directory, name)?;
                }
                Kind::Draft(name) | Kind::Beside(_, name) => {
                    check_leftover((folder, &directory), name, now, findings)?;
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
enum Kind<'a> {
    Ours(&'a str),
    /// The shard it belongs to, and the name.
    Beside(&'a str, &'a str),
    /// A shard that was never finished.
    Draft(&'a str),
    Foreign,
}

impl<'a> Kind<'a> {
    fn of(name: &'a str) -> Self {
        let main = BESIDE.iter().find_map(|suffix| name.strip_suffix(suffix));
        let draft = main.unwrap_or(name).strip_suffix(".draft");
        let is_shard = |name: &str| folder::number(Path::new(name)).is_some();
        match main {
            _ if draft.is_some_and(|stem| is_shard(&format!("{stem}.sqlite"))) => Self::Draft(name),
            Some(shard) if is_shard(shard) => Self::Beside(shard, name),
            None if is_shard(name) || name == lock::NAME || name == reserve::NAME => {
                Self::Ours(name)
            }
            _ => Self::Foreign,
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
            assert!(matches!(Kind::of(name), Kind::Ours(_)), "{name}");
        }
        for name in ["shard-000001.sqlite-wal", "shard-000001.sqlite-shm"] {
            assert!(
                matches!(Kind::of(name), Kind::Beside("shard-000001.sqlite", _)),
                "{name}"
            );
        }
        for name in [
            "shard-000001.draft",
            "shard-000001.draft-wal",
            "shard-000001.draft-journal",
        ] {
            assert!(matches!(Kind::of(name), Kind::Draft(_)), "{name}");
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
            assert!(matches!(Kind::of(name), Kind::Foreign), "{name}");
        }
    }
}
