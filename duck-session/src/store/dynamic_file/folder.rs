use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::draft::{self, Draft};
use super::failure::Failure;
use super::lock::FolderLock;
use super::names::{DAMAGED, DRAFT, SHARD, log_of, prefix_of};
use super::place::{Place, Prefix};
use super::reserve::Reserve;
use super::rows::{self, Fate};
use super::shard::{FileId, Read, Shard};
use crate::store::directory::Directory;

/// The folder, and the shards known to be in it.
///
/// A shard says itself when it is over, so that nobody has to ask whether the list is still right: who
/// finds nothing in a shard that is over lists the folder again.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    shards: RwLock<Arc<Shards>>,
}

/// What was found in the shard of a place, and which one that is.
#[derive(Debug)]
pub(super) struct ShardRead<T> {
    pub(super) shard: Arc<Shard>,
    pub(super) found: Result<Option<T>, Failure>,
}

/// Shards in the order of their places, a longer prefix after a shorter one.
#[derive(Debug, Default)]
pub(super) struct Shards(Vec<Arc<Shard>>);

impl Shards {
    pub(super) fn all(&self) -> &[Arc<Shard>] {
        &self.0
    }

    /// The shard that holds a place. While a shard is split, that may be the half of it or the whole: the
    /// half has its name only when it is the right one.
    pub(super) fn at(&self, place: Place) -> Option<&Arc<Shard>> {
        let before = self
            .0
            .partition_point(|shard| shard.prefix().first() <= place);
        let mut before = self.0[..before].iter().rev();
        before.find(|shard| shard.prefix().contains(place))
    }

    /// The shard that holds a place, or the next one after it.
    pub(super) fn from(&self, place: Place) -> Option<&Arc<Shard>> {
        self.at(place).or_else(|| {
            let next = self
                .0
                .partition_point(|shard| shard.prefix().first() <= place);
            self.0.get(next)
        })
    }

    fn holds(&self, path: &Path, file: FileId) -> Option<Arc<Shard>> {
        self.0.iter().find(|shard| shard.is(path, file)).cloned()
    }
}

impl Folder {
    /// Opens the folder: finishes what a process that died had begun, and sees to it that there is a shard.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let folder = Self {
            path,
            shards: RwLock::default(),
        };
        let lock = FolderLock::acquire(&folder.path)?;
        if statvfs(&folder.path).is_ok_and(|it| it.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            let path = folder.path.display();
            return Err(Failure::new(format!(
                "the file system of {path} is read-only"
            )));
        }
        // What is wrong with a shard is said when it is used.
        let _ = folder.remove_leftovers(&lock);
        folder.list()?;
        if folder.shards().all().is_empty() {
            folder.make_shard(Place(0), &lock)?;
        }
        Ok(folder)
    }

    /// Opens every shard, and finishes those that are over. They stay open: SQLite takes some room beside a
    /// shard for that, without which nobody reads it either. On a full disk it gets the reserve.
    pub(super) fn open_shards(&self, lock: &FolderLock) -> Result<(), Failure> {
        let shards = self.list()?;
        let finish = |shard: &Arc<Shard>| self.finish(shard, lock);
        let mut opened: Vec<_> = shards.all().iter().map(finish).collect();
        let has_no_room = |it: &Result<(), Failure>| matches!(it, Err(it) if it.is_disk_full());
        if opened.iter().any(has_no_room) {
            Reserve::new(&self.path).release();
            opened = shards.all().iter().map(finish).collect();
        }
        opened.into_iter().collect()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the shard of a place, or the next one after it, and says which it was; `None` after the last.
    /// Waits where one is being split.
    pub(super) fn read_from<T>(
        &self,
        place: Place,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<Option<T>>,
    ) -> Result<Option<ShardRead<T>>, Failure> {
        let mut shards = self.shards();
        if shards.at(place).is_none() {
            shards = self.list()?;
        }
        loop {
            let Some(shard) = shards.from(place) else {
                return Ok(None);
            };
            let found = match shard.read(&mut work) {
                Ok(Read::Replaced) => {
                    shards = self.replaced(shard)?;
                    continue;
                }
                Ok(Read::Found(found)) => Ok(Some(found)),
                Ok(Read::Nothing) => Ok(None),
                Err(failure) => Err(failure),
            };
            return Ok(Some(ShardRead {
                shard: Arc::clone(shard),
                found,
            }));
        }
    }

    /// The list without a shard that is over.
    pub(super) fn replaced(&self, shard: &Shard) -> Result<Arc<Shards>, Failure> {
        let lock = FolderLock::acquire(&self.path)?;
        self.finish(shard, &lock)?;
        self.list()
    }

    /// How many sessions there are, but for those in shards that cannot be read.
    pub(super) fn count(&self) -> Result<u64, Failure> {
        let (mut sessions, mut from) = (0, Some(Place(0)));
        while let Some(place) = from {
            // Nothing in a shard may mean that it is over, and then its halves count.
            let count = |connection: &_| Ok(Some(rows::count(connection)?).filter(|it| *it > 0));
            let Some(ShardRead { shard, found }) = self.read_from(place, count)? else {
                break;
            };
            match found {
                Ok(count) => sessions += count.unwrap_or_default(),
                Err(failure) if failure.is_corruption() => shard.warn(&failure),
                Err(failure) => return Err(failure),
            }
            from = shard.prefix().after();
        }
        Ok(sessions)
    }

    /// Finishes the shards that are over and held these places: a draft for them that is begun now would be
    /// taken for one of theirs.
    pub(super) fn finish_around(&self, places: Prefix, lock: &FolderLock) -> Result<(), Failure> {
        let shards = self.list()?;
        let mut around = shards.all().iter().filter(|it| it.prefix().covers(places));
        around.try_for_each(|shard| self.finish(shard, lock))
    }

    /// Does for a shard that is over what is left to be done: those that hold its sessions get their names, and
    /// it goes.
    fn finish(&self, shard: &Shard, lock: &FolderLock) -> Result<(), Failure> {
        if !shard.is_current() {
            return Ok(());
        }
        match shard.with_reader(rows::fate)? {
            Fate::Live => return Ok(()),
            Fate::Split => self.place_drafts(shard.prefix(), lock)?,
            Fate::Cleared => {}
        }
        draft::remove(shard.path())
    }

    /// Puts a shard aside of which nothing can be read, so that new sessions find a place; gives whether it did.
    /// Its file stays for whoever can do more with it.
    pub(super) fn set_aside(&self, shard: &Shard) -> Result<bool, Failure> {
        let lock = FolderLock::acquire(&self.path)?;
        let is_lost = |failure: Failure| failure.is_corruption();
        if !shard.is_current() || !shard.with_reader(rows::probe).is_err_and(is_lost) {
            return Ok(false);
        }
        let aside = shard.path().with_extension(DAMAGED);
        fs::rename(shard.path(), &aside).map_err(Failure::at(shard.path(), "renamed"))?;
        draft::remove(shard.path())?;
        self.make_shard(shard.prefix().first(), &lock)?;
        tracing::error!(
            target: "duck_session",
            "nothing in {} can be read: its sessions are lost, and new ones are kept elsewhere",
            aside.display()
        );
        Ok(true)
    }

    /// Gives the drafts for these places their names.
    pub(super) fn place_drafts(&self, places: Prefix, _lock: &FolderLock) -> Result<(), Failure> {
        for draft in self.drafts(|prefix| places.covers(prefix))? {
            give_name(&draft)?;
        }
        self.sync()
    }

    /// The drafts of shards with such a prefix.
    fn drafts(&self, wanted: impl Fn(Prefix) -> bool) -> Result<Vec<PathBuf>, Failure> {
        let is_wanted = |path: &PathBuf| prefix_of(path, DRAFT).is_some_and(&wanted);
        Ok(self.files()?.into_iter().filter(is_wanted).collect())
    }

    /// Removes the drafts of shards with such a prefix: they were not finished.
    pub(super) fn remove_drafts(
        &self,
        wanted: impl Fn(Prefix) -> bool,
        _lock: &FolderLock,
    ) -> Result<(), Failure> {
        self.drafts(wanted)?
            .iter()
            .try_for_each(|draft| draft::remove(draft))
    }

    /// A name for a new shard that no other ever had: a process that has a removed shard open removes its
    /// log by name when it closes it.
    pub(super) fn draft(&self, prefix: Prefix) -> PathBuf {
        let number = fastrand::u32(..);
        self.path
            .join(format!("shard-{}-{number:08x}.{DRAFT}", prefix.name()))
    }

    /// Makes the shard of a place that is in none.
    pub(super) fn make_shard(
        &self,
        place: Place,
        lock: &FolderLock,
    ) -> Result<Arc<Shards>, Failure> {
        let shards = self.list()?;
        if shards.at(place).is_some() {
            return Ok(shards);
        }
        let taken = |prefix: Prefix| shards.0.iter().any(|it| prefix.covers(it.prefix()));
        let prefix = Prefix::free(place, taken);
        self.remove_drafts(|other| other == prefix, lock)?;
        let draft = self.draft(prefix);
        Draft::empty(draft.clone())
            .and_then(Draft::finish)
            .inspect_err(|_| drop(draft::remove(&draft)))?;
        give_name(&draft)?;
        self.sync()?;
        self.list()
    }

    /// Lists the folder.
    pub(super) fn list(&self) -> Result<Arc<Shards>, Failure> {
        // It may be another one than at the start.
        Directory::open_existing(&self.path).map_err(Failure::at(&self.path, "listed"))?;
        let known = self.shards();
        let shard = |path: PathBuf| {
            let (prefix, file) = (prefix_of(&path, SHARD)?, FileId::at(&path)?);
            let known = known.holds(&path, file);
            Some(known.unwrap_or_else(|| Arc::new(Shard::new(prefix, path, file))))
        };
        let mut list: Vec<_> = self.files()?.into_iter().filter_map(shard).collect();
        list.sort_by_key(|shard| shard.prefix());
        let shards = Arc::new(Shards(list));
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&shards);
        Ok(shards)
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let files = fs::read_dir(&self.path).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<_>>()
        });
        files.map_err(Failure::at(&self.path, "listed"))
    }

    pub(super) fn sync(&self) -> Result<(), Failure> {
        draft::sync(&self.path)
    }

    /// Removes drafts, and the logs of shards that are gone: who made or removed one was killed.
    ///
    /// Where a shard cannot be read, nothing goes: it may be over, and a draft one of its halves.
    fn remove_leftovers(&self, lock: &FolderLock) -> Result<(), Failure> {
        self.open_shards(lock)?;
        self.remove_drafts(|_| true, lock)?;
        for path in self.files()? {
            if log_of(&path).is_some_and(|of| !of.exists()) {
                draft::remove_file(&path).map_err(Failure::at(&path, "removed"))?;
            }
        }
        Ok(())
    }
}

/// Gives a draft the name of a shard.
fn give_name(draft: &Path) -> Result<(), Failure> {
    let placed = draft.with_extension(SHARD);
    fs::rename(draft, &placed).map_err(Failure::at(&placed, "made"))
}
