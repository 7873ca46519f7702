//! Links and other things that somebody put where the store keeps its files.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use duck_session::store::{KeyAsFolderCache, SessionStore};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::site::*;

/// A file that belongs to somebody else.
struct Victim(PathBuf);

impl Victim {
    fn new(site: &Site) -> Self {
        let path = site.temp.path().join("precious");
        fs::write(&path, "precious").unwrap();
        Self(path)
    }

    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(fs::read(&self.0).unwrap(), b"precious");
    }
}

async fn every_operation_fails(store: &KeyAsFolderCache) {
    let new = session(KEY, "new");
    for durability in [Crash, PowerCut] {
        store.create(&new, durability).await.unwrap_err();
        store
            .replace(new.version(), &new, durability)
            .await
            .unwrap_err();
        store.remove(&KEY, None, durability).await.unwrap_err();
    }
    store.load(&KEY).await.unwrap_err();
    store.clear().await.unwrap_err();
    assert_eq!(store.remove_expired(u64::MAX, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_planted_in_place_of_a_record_is_an_error_and_not_touched() {
    let plants: [fn(&Path); 4] = [
        |path| symlink("/etc/hostname", path).unwrap(),
        |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| drop(UnixListener::bind(path).unwrap()),
    ];
    for plant in plants {
        let site = Site::new().await;
        site.create(KEY, "old").await;
        fs::remove_file(site.record(KEY)).unwrap();
        // Moved in, since the path of a socket may not be as long as a record's.
        let seed = site.temp.path().join("plant");
        plant(&seed);
        fs::rename(seed, site.record(KEY)).unwrap();
        let planted = fs::symlink_metadata(site.record(KEY)).unwrap().file_type();
        every_operation_fails(&site.store).await;
        let left = fs::symlink_metadata(site.record(KEY)).unwrap().file_type();
        assert_eq!(planted, left);
        let folder = fs::read_dir(site.record(KEY).parent().unwrap());
        assert_eq!(folder.unwrap().count(), 1);
    }
}

#[tokio::test]
async fn a_link_in_place_of_a_folder_is_not_followed() {
    let site = Site::new().await;
    let outside = site.temp.path().join("outside");
    let record = outside.join(KEY.to_hex()).join("record");
    site.create(KEY, "old").await;
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    fs::rename(site.record(KEY), &record).unwrap();
    let before = fs::read(&record).unwrap();
    let links = [
        (
            site.record(KEY).parent().unwrap().to_owned(),
            outside.join(KEY.to_hex()),
        ),
        (site.dir().join("v2/00"), outside.clone()),
    ];
    for (planted, target) in links {
        fs::remove_dir(&planted).unwrap();
        symlink(target, &planted).unwrap();
        every_operation_fails(&site.store).await;
        fs::remove_file(&planted).unwrap();
    }
    assert_eq!(fs::read(record).unwrap(), before);
    assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
}

/// Its owner may lose nothing by it, neither what is in it nor by what is added.
#[tokio::test]
async fn a_link_among_the_users_is_not_followed() {
    let site = Site::new().await;
    let (victim, outside) = (Victim::new(&site), site.temp.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    let theirs = site.dir().join("v2/by-user").join(user(1).to_hex());
    symlink(&outside, &theirs).unwrap();
    let new = with_user(KEY, user(1));
    site.store.create(&new, Crash).await.unwrap_err();
    site.store.of_user(&user(1), 9).await.unwrap_err();
    assert_eq!(
        site.text().await,
        None,
        "a session that is not among theirs"
    );
    fs::remove_file(&theirs).unwrap();
    fs::create_dir(&theirs).unwrap();
    let entry = theirs.join(KEY.to_hex());
    symlink(outside.join("dangling"), &entry).unwrap();
    let _ = site.store.create(&new, Crash).await;
    fs::remove_file(&entry).unwrap();
    fs::hard_link(&victim.0, &entry).unwrap();
    let _ = site.store.create(&with_user(KEY, user(1)), Crash).await;
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    victim.is_untouched();
}

/// A second name of a record, made by whoever may: it is never written through.
#[tokio::test]
async fn a_hard_link_is_replaced_and_not_written_to() {
    let site = Site::new().await;
    let victim = Victim::new(&site);
    site.create(KEY, "old").await;
    fs::remove_file(site.record(KEY)).unwrap();
    fs::hard_link(&victim.0, site.record(KEY)).unwrap();
    assert_eq!(site.text().await, None);
    site.create(KEY, "new").await;
    victim.is_untouched();

    let copy = site.temp.path().join("copy");
    fs::hard_link(site.record(KEY), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    save(&site.store, KEY, "newer", Crash).await;
    save(&site.store, KEY, "newest", PowerCut).await;
    assert!(fs::read(&copy).unwrap() == before);
    site.store.remove(&KEY, None, Crash).await.unwrap();
    assert!(fs::read(&copy).unwrap() == before);
}

#[tokio::test]
async fn a_link_as_a_leftover_goes_itself() {
    let site = Site::new().await;
    let victim = Victim::new(&site);
    site.create(KEY, "small").await;
    let beside = site.record(KEY).with_file_name("record.new");
    for link in [symlink, |target: &PathBuf, path: &PathBuf| {
        fs::hard_link(target, path)
    }] {
        link(&victim.0, &beside).unwrap();
        let large = "x".repeat(site.text().await.unwrap().len() * 2 + 2000);
        save(&site.store, KEY, &large, Crash).await;
        assert!(!beside.exists());
    }
    symlink(&victim.0, &beside).unwrap();
    site.store.clear().await.unwrap();
    assert!(!beside.parent().unwrap().exists());
    victim.is_untouched();
}

#[tokio::test]
async fn a_link_as_the_lock_of_the_sweep_is_not_followed() {
    let site = Site::new().await;
    let victim = Victim::new(&site);
    let lock = site.dir().join("v2/sweep.lock");
    fs::remove_file(&lock).unwrap();
    symlink(&victim.0, &lock).unwrap();
    site.store.remove_expired(1, 10).await.unwrap_err();
    let error = try_open(&site.dir()).await.unwrap_err().chain();
    assert!(error.contains("symbolic link"), "{error}");
    victim.is_untouched();
}

#[tokio::test]
async fn a_link_as_a_folder_of_the_frame_is_refused_at_the_start() {
    for folder in ["v2", "v2/by-user", "v2/00"] {
        let (site, elsewhere) = (Site::new().await, Site::new().await);
        let (planted, target) = (site.dir().join(folder), elsewhere.dir().join(folder));
        fs::remove_dir_all(&planted).unwrap();
        symlink(&target, &planted).unwrap();
        let before = fs::read_dir(&target).unwrap().count();
        try_open(&site.dir()).await.unwrap_err();
        assert_eq!(fs::read_dir(&target).unwrap().count(), before, "{folder}");
    }
}
