//! The storages that keep files, and what differs between them.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

use duck_session::store::{KeyAsFolderCache, SessionStore};

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
    type Store: SessionStore + Clone + std::fmt::Debug;

    /// Opens the store without a bound of free space: the disk of a test may be nearly full.
    fn try_open(dir: &Path) -> impl Future<Output = duck::Result<Self::Store>> + Send;

    fn open(dir: &Path) -> impl Future<Output = Self::Store> + Send {
        async { Self::try_open(dir).await.unwrap() }
    }

    /// The files that hold sessions.
    fn records(dir: &Path) -> Vec<PathBuf>;

    /// What is in the folder and should not be, once there are no sessions and nobody is writing.
    fn leftovers(dir: &Path) -> Vec<PathBuf>;
}

pub(crate) struct Folder;

impl Storage for Folder {
    const NAME: &str = "KeyAsFolderCache";
    type Store = KeyAsFolderCache;

    async fn try_open(dir: &Path) -> duck::Result<Self::Store> {
        Ok(KeyAsFolderCache::open(dir).await?.min_free(0))
    }

    fn records(dir: &Path) -> Vec<PathBuf> {
        files(dir, |path| path.ends_with("record"))
    }

    fn leftovers(dir: &Path) -> Vec<PathBuf> {
        files(&dir.join("v2"), |path| {
            let is_of_a_session = name(path).len() == 32;
            let is_entry = path.components().any(|part| part.as_os_str() == "by-user");
            (is_of_a_session && !is_entry) || name(path).starts_with("record")
        })
    }
}

#[cfg(feature = "dynamic-file")]
pub(crate) struct DynamicFile;

#[cfg(feature = "dynamic-file")]
impl Storage for DynamicFile {
    const NAME: &str = "DynamicFileCache";
    type Store = duck_session::store::DynamicFileCache;

    /// With the smallest shards, so that they are split.
    async fn try_open(dir: &Path) -> duck::Result<Self::Store> {
        let options = Self::Store::options().shard_bytes(0).min_free(0);
        options.open(dir).await
    }

    fn records(dir: &Path) -> Vec<PathBuf> {
        files(dir, |path| {
            name(path).starts_with("shard-") && path.extension().is_some_and(|it| it == "sqlite")
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

/// The files and folders below `dir`, of whatever type, in order.
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
