//! Links and other things that somebody put where `DynamicFileCache` keeps its files. (Those of `KeyAsFolderCache`
//! are in `store_folder/planted.rs`.)

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use duck_session::store::{Cache, SessionStore};

use crate::site::{Place, id, read, visitor, with_id};
use crate::storage::{DynamicFile, Storage};

/// The files that SQLite and the storage keep beside a shard.
fn beside(shard: &std::path::Path) -> Vec<PathBuf> {
    let dir = shard.parent().unwrap();
    let name = shard.file_name().unwrap().to_str().unwrap();
    let ends = ["-wal", "-shm", "-journal"].map(|end| format!("{name}{end}"));
    let others = [
        "shards.lock",
        "shards.reserve",
        "data.sqlite",
        "data.sqlite-wal",
        "data.sqlite-shm",
        "data.sqlite-journal",
    ];
    let names = ends.into_iter().chain(others.map(str::to_owned));
    names.map(|name| dir.join(name)).collect()
}

/// What a site and its visitors do, whatever becomes of it.
async fn use_the_site(place: &Place, cookie: &str) {
    let settings = crate::site::settings::<DynamicFile>(&place.dir());
    let app = || crate::site::app(settings.clone(), duck_session::Clock::default());
    if app().start().await.is_err() {
        return;
    }
    let client = duck::testing::TestClient::start(app()).await;
    let visitor = with_id(&client, cookie);
    for page in ["/user", "/add/n", "/large/a/9000", "/login/8", "/logout"] {
        let _ = visitor.get(page).await;
        let _ = client.another().get(page).await;
    }
    if let Ok(store) = DynamicFile::try_open(&place.dir()).await {
        let _ = store.set("a", &[7; 9000], None).await;
        let _ = store.get("a").await;
        let _ = store.save().await;
        let _ = store.flush().await;
    }
}

#[tokio::test]
async fn a_link_beside_a_shard_is_not_followed() {
    for number in 0..9 {
        let place = Place::new();
        let victim = place.outside().join("precious");
        fs::write(&victim, "precious").unwrap();
        let client = visitor::<DynamicFile>(&place.dir()).await;
        read(&client, "/login/7").await;
        let cookie = id(&client);
        drop(client);
        let path = beside(&DynamicFile::records(&place.dir())[0]).remove(number);
        let dangling = place.outside().join("dangling");
        for target in [&victim, &dangling] {
            let _ = fs::remove_file(&path);
            symlink(target, &path).unwrap();
            use_the_site(&place, &cookie).await;
            let untouched = fs::read(&victim).unwrap() == b"precious";
            assert!(untouched && !dangling.exists(), "{}", path.display());
        }
    }
}

/// Something that nobody reads from would make a site wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_as_the_lock_is_an_error_and_not_a_hang() {
    let place = Place::new();
    let client = visitor::<DynamicFile>(&place.dir()).await;
    read(&client, "/login/7").await;
    let store = DynamicFile::open(&place.dir()).await;
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
    // Whoever waits is let go in the end, or the test would not end.
    let release = || drop(fs::File::options().read(true).write(true).open(&lock));
    let limit = Duration::from_secs(10);
    let cleared = tokio::time::timeout(limit, SessionStore::clear(&store)).await;
    let opened = tokio::time::timeout(limit, DynamicFile::try_open(&place.dir())).await;
    release();
    cleared.expect("it hangs").unwrap_err();
    opened.expect("it hangs").unwrap_err();
    assert_eq!(read(&client, "/user").await, "7");
}
