//! The storages that keep files, and what differs between them.

use std::fs;
use std::path::{Path, PathBuf};

use duck_session::cache::{Cache, KeyAsFolderCache};

/// Runs each test of a module once for every storage that keeps files.
macro_rules! on_each_storage {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod folder {
            crate::storage::on_each_storage!(@ crate::storage::Folder: $($(#[$attribute])* $test),*);
        }
        #[cfg(feature = "dynamic-file")]
        mod dynamic_file {
            crate::storage::on_each_storage!(@ crate::storage::DynamicFile: $($(#[$attribute])* $test),*);
        }
    };
    (@ $storage:ty: $($(#[$attribute:meta])* $test:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $test() {
            super::$test::<$storage>().await;
        }
    )*};
}

pub(crate) use on_each_storage;

pub(crate) trait Storage: 'static {
    /// What `SESSION_STORAGE` calls it.
    const NAME: &str;
    /// Whether a power cut can take what was stored without waiting for the disk altogether, with
    /// what was there before.
    const MAY_LOSE_UNSYNCED: bool;
    type Cache: Cache + Clone + std::fmt::Debug;

    /// Opened so that little is enough for it to do all that it ever does.
    fn try_open(dir: &Path) -> duck::Result<Self::Cache>;

    fn open(dir: &Path) -> Self::Cache {
        Self::try_open(dir).unwrap()
    }

    /// The files that hold sessions.
    fn records(dir: &Path) -> Vec<PathBuf>;

    /// What is in the folder and should not be, once nobody is writing.
    fn leftovers(dir: &Path) -> Vec<PathBuf>;
}

pub(crate) struct Folder;

impl Storage for Folder {
    const NAME: &str = "KeyAsFolderCache";
    /// A file system may know of a new file in the place of the old one before it has its bytes:
    /// ext4 does about once in five hundred cuts. It is no record then, and counts as absent.
    const MAY_LOSE_UNSYNCED: bool = true;
    type Cache = KeyAsFolderCache;

    fn try_open(dir: &Path) -> duck::Result<Self::Cache> {
        KeyAsFolderCache::open(dir)
    }

    fn records(dir: &Path) -> Vec<PathBuf> {
        files(dir, |path| path.ends_with("record"))
    }

    fn leftovers(dir: &Path) -> Vec<PathBuf> {
        let mut left = files(dir, |path| name(path).starts_with(".tmp-"));
        left.extend(
            folders(&dir.join("v1")).filter(|path| {
                name(path).len() == 64 && fs::read_dir(path).unwrap().next().is_none()
            }),
        );
        left
    }
}

#[cfg(feature = "dynamic-file")]
pub(crate) struct DynamicFile;

#[cfg(feature = "dynamic-file")]
impl Storage for DynamicFile {
    const NAME: &str = "DynamicFileCache";
    const MAY_LOSE_UNSYNCED: bool = false;
    type Cache = duck_session::cache::DynamicFileCache;

    fn try_open(dir: &Path) -> duck::Result<Self::Cache> {
        Self::Cache::options().shard_bytes(48 << 10).open(dir)
    }

    fn records(dir: &Path) -> Vec<PathBuf> {
        files(dir, |path| {
            path.extension().is_some_and(|it| it == "sqlite")
        })
    }

    fn leftovers(dir: &Path) -> Vec<PathBuf> {
        let shards = Self::records(dir);
        files(dir, |path| {
            let name = name(path);
            let of_a_shard = |shard: &PathBuf| name.starts_with(self::name(shard));
            name.starts_with("shard-") && !shards.iter().any(of_a_shard)
        })
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Everything below `dir` that is a folder, at any depth.
fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let mut found = Vec::new();
    walk(dir, &mut |path| {
        found.extend(path.is_dir().then(|| path.to_owned()));
    });
    found.into_iter()
}

/// The files below `dir`, of whatever type, in order.
pub(crate) fn files(dir: &Path, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(dir, &mut |path| {
        if is_wanted(path) {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

fn walk(dir: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        see(&path);
        if path.symlink_metadata().unwrap().is_dir() {
            walk(&path, see);
        }
    }
}
