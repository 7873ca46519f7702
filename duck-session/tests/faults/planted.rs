//! Links and other things that somebody put where `DynamicFileCache` keeps its files. (Those of `KeyAsFolderCache`
//! are in `store_folder/planted.rs`.)

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use duck_session::store::{Cache, SessionStore};

use crate::site::{Place, id, read, visitor, with_id};
use crate::storage::{DynamicFile, Storage};

/// The files that SQLite and the storage keep beside a shard.
fn beside(shard: &std::path::Path) -> Vec<PathBuf> {
    let dir = shard.parent().unwrap();
    let name = shard.file_name().unwrap().to_str().unwrap();
    let ends = ["-wal", "-shm", "-journal"].map(|end| format!("{name}{end}"));
    let others = [
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
    for number in 0..8 {
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
