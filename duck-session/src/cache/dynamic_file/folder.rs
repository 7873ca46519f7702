use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::connection;
use super::failure::Failure;
use super::lock::{Locked, Stamp};
use super::shard::{FileId, Found, Shard};
use crate::cache::directory::Directory;

/// The folder and the shards known to be in it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    shards: RwLock<Arc<Shards>>,
    listing: Mutex<()>,
}

/// The shards as they were listed, the newest first.
#[derive(Debug, Default)]
pub(super) struct Shards {
    list: Vec<Arc<Shard>>,
    /// The highest number there ever was, as far as this process knows.
    highest: u32,
    /// What the lock file said just before; none when the list is known to be wrong.
    stamp: Option<Stamp>,
}

impl Shards {
    pub(super) fn newest_first(&self) -> &[Arc<Shard>] {
        &self.list
    }

    /// The entry under `key`. A corrupt shard is passed over, but then a key that is nowhere else
    /// is an error and not absent.
    fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        let mut unreadable = None;
        for shard in &self.list {
            match shard.read(key) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(failure) => {
                    shard.warn(&failure);
                    unreadable = Some(failure);
                }
            }
        }
        unreadable.map_or(Ok(None), Err)
    }

    fn holds(&self, number: u32, file: FileId) -> Option<Arc<Shard>> {
        let known = self.list.iter().find(|shard| shard.is(number, file));
        known.map(Arc::clone)
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            shards: RwLock::default(),
            listing: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The entry under `key`, in whatever shard, expired or not.
    pub(super) fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        let shards = self.shards();
        let found = shards.read(key);
        if let Ok(Some(_)) = found {
            return found;
        }
        // Another process may have put it into a shard that is not on the list yet.
        let fresh = self.refresh()?;
        if Arc::ptr_eq(&shards, &fresh) {
            found
        } else {
            fresh.read(key)
        }
    }

    /// Lists the folder again if shards came or went since it was listed.
    pub(super) fn refresh(&self) -> Result<Arc<Shards>, Failure> {
        let known = self.shards();
        if known.stamp == Some(Stamp::of(&self.path)?) {
            return Ok(known);
        }
        let _one_at_a_time = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        // The stamp is taken before the listing: a change in between shows the next time.
        let stamp = Stamp::of(&self.path)?;
        let known = self.shards();
        if known.stamp == Some(stamp) {
            return Ok(known);
        }
        let list = self
            .list(&known)
            .map_err(Failure::at(&self.path, "listed"))?;
        let newest = list.first().map_or(0, |shard| shard.number());
        Ok(self.publish(Shards {
            list,
            highest: newest.max(known.highest),
            stamp: Some(stamp),
        }))
    }

    /// Has the folder listed again by the next [`refresh`](Self::refresh), whatever the stamp.
    pub(super) fn distrust(&self) {
        let _one_at_a_time = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.shards();
        self.publish(Shards {
            list: known.list.clone(),
            stamp: None,
            ..*known
        });
    }

    fn publish(&self, shards: Shards) -> Arc<Shards> {
        let shards = Arc::new(shards);
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&shards);
        shards
    }

    fn list(&self, known: &Shards) -> std::io::Result<Vec<Arc<Shard>>> {
        // It may be another one than at the start.
        Directory::open_existing(&self.path)?;
        let mut list = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if let Some(number) = number(&path)
                && let Some(file) = FileId::at(&path)
            {
                let shard = known.holds(number, file);
                list.push(shard.unwrap_or_else(|| Arc::new(Shard::new(number, path, file))));
            }
        }
        list.sort_by_key(|shard| std::cmp::Reverse(shard.number()));
        Ok(list)
    }

    /// Makes the next shard. Numbers are not used twice: a process may still have a removed shard
    /// open, and removes its log by name when it closes it.
    pub(super) fn add_shard(&self, lock: &Locked) -> Result<Arc<Shards>, Failure> {
        // A process that died may have left a shard it told nobody of.
        self.distrust();
        let shards = self.refresh()?;
        let path = self.path.join(file_name(shards.highest + 1));
        connection::create(&path)?;
        self.changed(lock)
    }

    /// Removes a shard that holds nothing any more.
    pub(super) fn remove_shard(&self, shard: &Shard, lock: &Locked) -> Result<(), Failure> {
        connection::remove(shard.path()).map_err(Failure::at(shard.path(), "removed"))?;
        self.changed(lock)?;
        Ok(())
    }

    /// Removes what is left of shards that are gone: whoever removed one may have been killed
    /// before its log went, and whoever made one before it had its name. What cannot be removed is
    /// in nobody's way.
    pub(super) fn remove_leftovers(&self, _lock: &Locked) {
        let shards = self.shards();
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_leftover = match part_of(&path) {
                Some((number, Part::Log)) => !shards.list.iter().any(|it| it.number() == number),
                Some((_, Part::Draft)) => true,
                None => false,
            };
            if is_leftover {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Lists the folder again, and has every other process do so.
    pub(super) fn changed(&self, lock: &Locked) -> Result<Arc<Shards>, Failure> {
        lock.announce_change()
            .map_err(Failure::at(&self.path, "written"))?;
        self.refresh()
    }
}

pub(super) fn file_name(number: u32) -> String {
    format!("shard-{number:06}.sqlite")
}

/// The number in the name of a shard; other files have none.
pub(super) fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("shard-")?.strip_suffix(".sqlite")?;
    let number = digits.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

/// What stands beside a shard, or in its place until it is one.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    Log,
    Draft,
}

/// Which part a file is, and of which shard; other files are none.
pub(super) fn part_of(path: &Path) -> Option<(u32, Part)> {
    let name = path.file_name()?.to_str()?;
    let end = ["-wal", "-shm", "-journal"]
        .into_iter()
        .find(|end| name.ends_with(end))
        .unwrap_or_default();
    let file = Path::new(name.strip_suffix(end)?);
    if file.extension()? == "draft" {
        Some((number(&file.with_extension("sqlite"))?, Part::Draft))
    } else {
        (!end.is_empty()).then_some((number(file)?, Part::Log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shards_have_numbers() {
        assert_eq!(number(Path::new("/x/shard-000012.sqlite")), Some(12));
        assert_eq!(number(Path::new("shard-1000000.sqlite")), Some(1_000_000));
        for name in [
            "shard-12.sqlite",
            "shard-+00012.sqlite",
            "shard-000012.sqlite-wal",
            "shard-000012.draft",
            "shards.lock",
        ] {
            assert_eq!(number(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn a_shard_is_no_part_of_one() {
        let part = |name| part_of(Path::new(name));
        assert_eq!(part("/x/shard-000012.sqlite-wal"), Some((12, Part::Log)));
        assert_eq!(part("shard-000012.sqlite-shm"), Some((12, Part::Log)));
        assert_eq!(part("shard-000012.draft"), Some((12, Part::Draft)));
        assert_eq!(part("shard-000012.draft-wal"), Some((12, Part::Draft)));
        for name in [
            "shard-000012.sqlite",
            "shards.lock",
            "note-wal",
            "x.draft",
            "shard-000012",
        ] {
            assert_eq!(part(name), None, "{name}");
        }
    }
}
