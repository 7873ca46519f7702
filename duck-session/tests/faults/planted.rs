//! Links that somebody put where the storages keep their files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duck_session::cache::{Cache, KeyAsFolderCache};

use crate::site::Place;
use crate::storage::{Folder, Storage};

const HOUR: Option<Duration> = Some(Duration::from_hours(1));

/// Keys that name their own folder: one in bucket 00, one in bucket ff.
fn keys() -> [String; 2] {
    ["0".repeat(64), "f".repeat(64)]
}

/// A file that belongs to somebody else.
struct Victim(PathBuf);

impl Victim {
    fn new(place: &Place) -> Self {
        let path = place.outside().join("precious");
        fs::write(&path, "precious").unwrap();
        Self(path)
    }

    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(fs::read(&self.0).unwrap(), b"precious");
    }
}

/// Puts a link to `target` in place of a file.
fn plant(path: &Path, target: &Path) {
    fs::remove_file(path).unwrap();
    symlink(target, path).unwrap();
}

#[tokio::test]
async fn a_link_as_the_lock_of_a_bucket_stops_its_writers_only() {
    let place = Place::new();
    let victim = Victim::new(&place);
    let [zero, last] = keys();
    let cache = Folder::open(&place.dir());
    cache.set(&zero, b"1", HOUR).await.unwrap();
    for target in [victim.0.clone(), place.outside().join("dangling")] {
        plant(&place.dir().join("v1/locks/00"), &target);
        cache.set(&zero, b"2", HOUR).await.unwrap_err();
        cache.delete(&zero).await.unwrap_err();
        cache.clear().await.unwrap_err();
        assert_eq!(cache.get(&zero).await.unwrap().as_deref(), Some(&b"1"[..]));
        cache.set(&last, b"1", HOUR).await.unwrap();
        cache.delete(&last).await.unwrap();
        KeyAsFolderCache::open(place.dir()).unwrap_err();
    }
    victim.is_untouched();
    assert!(!place.outside().join("dangling").exists());
}

#[tokio::test]
async fn a_link_as_the_lock_of_the_sweep_is_not_followed() {
    let place = Place::new();
    let victim = Victim::new(&place);
    let cache = Folder::open(&place.dir());
    plant(&place.dir().join("v1/sweep.lock"), &victim.0);
    cache.remove_expired(10).await.unwrap_err();
    let error = KeyAsFolderCache::open(place.dir()).unwrap_err().chain();
    assert!(error.contains(place.dir().to_str().unwrap()), "{error}");
    victim.is_untouched();
}

#[tokio::test]
async fn a_link_as_a_folder_of_the_frame_is_refused_at_the_start() {
    for folder in ["v1", "v1/locks", "v1/00"] {
        let (place, elsewhere) = (Place::new(), Place::new());
        drop(Folder::open(&elsewhere.dir()));
        fs::create_dir_all(place.dir().join(folder).parent().unwrap()).unwrap();
        let target = elsewhere.dir().join(folder);
        symlink(&target, place.dir().join(folder)).unwrap();
        let before = fs::read_dir(&target).unwrap().count();
        let opened = KeyAsFolderCache::open(place.dir());
        if let Ok(cache) = &opened {
            // A bucket is looked at when it is used.
            assert_eq!(folder, "v1/00");
            cache.set(&keys()[0], b"1", HOUR).await.unwrap_err();
        }
        assert_eq!(fs::read_dir(&target).unwrap().count(), before, "{folder}");
    }
}

/// Leftovers of writers that died are links: they go, not what they lead to.
#[tokio::test]
async fn a_link_as_a_temporary_file_goes_itself() {
    let place = Place::new();
    let victim = Victim::new(&place);
    let [zero, _] = keys();
    let cache = Folder::open(&place.dir());
    cache.set(&zero, b"1", HOUR).await.unwrap();
    let folder = place.dir().join("v1/00").join(&zero);
    symlink(&victim.0, folder.join(".tmp-link")).unwrap();
    fs::hard_link(&victim.0, folder.join(".tmp-hard")).unwrap();
    cache.set(&zero, b"2", HOUR).await.unwrap();
    cache.clear().await.unwrap();
    assert!(!folder.exists());
    victim.is_untouched();
}

/// A second name of a record, made by whoever may: it is never written through.
#[tokio::test]
async fn a_hard_link_is_replaced_and_not_written_to() {
    let place = Place::new();
    let victim = Victim::new(&place);
    let [zero, last] = keys();
    let cache = Folder::open(&place.dir());
    for key in [&zero, &last] {
        cache.set(key, b"1", HOUR).await.unwrap();
    }
    let record = |key: &str| {
        place
            .dir()
            .join("v1")
            .join(&key[..2])
            .join(key)
            .join("record")
    };
    fs::remove_file(record(&zero)).unwrap();
    fs::hard_link(&victim.0, record(&zero)).unwrap();
    assert_eq!(cache.get(&zero).await.unwrap(), None);
    cache.set(&zero, b"2", HOUR).await.unwrap();
    victim.is_untouched();

    let copy = place.outside().join("copy");
    fs::hard_link(record(&last), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    cache.set(&last, b"2", HOUR).await.unwrap();
    cache.delete(&last).await.unwrap();
    assert!(fs::read(&copy).unwrap() == before);

    let lock = place.dir().join("v1/locks/00");
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&victim.0, &lock).unwrap();
    cache.set(&zero, b"3", HOUR).await.unwrap();
    assert_eq!(cache.get(&zero).await.unwrap().as_deref(), Some(&b"3"[..]));
    victim.is_untouched();
}

#[cfg(feature = "dynamic-file")]
mod shards {
    use duck_session::cache::DynamicFileCache;

    use super::*;
    use crate::storage::DynamicFile;

    /// In turn each file that SQLite and the storage keep beside the first shard.
    #[tokio::test]
    async fn a_link_beside_a_shard_is_not_followed() {
        for name in [
            "shards.lock",
            "shards.reserve",
            "shard-000001.sqlite-wal",
            "shard-000001.sqlite-shm",
            "shard-000001.sqlite-journal",
            "shard-000002.draft",
            "shard-000002.sqlite-wal",
        ] {
            let place = Place::new();
            let victim = Victim::new(&place);
            let cache = DynamicFile::open(&place.dir());
            cache.set("a", b"1", HOUR).await.unwrap();
            drop(cache);
            let path = place.dir().join(name);
            let _ = fs::remove_file(&path);
            symlink(&victim.0, &path).unwrap();
            if let Ok(cache) = DynamicFileCache::options().shard_bytes(1).open(place.dir()) {
                let _ = cache.get("a").await;
                let _ = cache.set("a", &[7; 9000], HOUR).await;
                let _ = cache.set("b", b"2", HOUR).await;
                let _ = cache.delete("a").await;
                let _ = cache.save().await;
            }
            victim.is_untouched();
            let dangling = place.outside().join("dangling");
            let _ = fs::remove_file(&path);
            symlink(&dangling, &path).unwrap();
            if let Ok(cache) = DynamicFileCache::options().shard_bytes(1).open(place.dir()) {
                let _ = cache.set("c", b"2", HOUR).await;
            }
            assert!(!dangling.exists(), "{name}");
        }
    }

    /// Something that nobody reads from would make a site wait for ever.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_fifo_as_the_lock_is_an_error_and_not_a_hang() {
        let place = Place::new();
        let cache = DynamicFile::open(&place.dir());
        cache.set("a", b"1", HOUR).await.unwrap();
        let lock = place.dir().join("shards.lock");
        fs::remove_file(&lock).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &lock,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let set = cache.set("a", b"2", HOUR);
        let answer = tokio::time::timeout(Duration::from_secs(10), set).await;
        let answered = answer.is_ok_and(|result| result.is_err());
        if !answered {
            // Lets the thread that waits go, or the test would not end.
            drop(fs::File::options().read(true).write(true).open(&lock));
        }
        assert!(answered);
        let dir = place.dir();
        let opening = tokio::task::spawn_blocking(move || DynamicFile::try_open(&dir));
        let opened = tokio::time::timeout(Duration::from_secs(10), opening).await;
        opened.expect("it hangs").unwrap().unwrap_err();
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    }
}
