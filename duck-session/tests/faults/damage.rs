//! Record files that are damaged, swapped, taken back or replaced, and visitors with the cookie.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use duck::testing::TestClient;
use duck_session::store::SessionStore;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::site::{Place, assert_unavailable, id, read, visitor, with_id};
use crate::storage::{Folder, Storage, on_each_storage};

/// A site, a visitor who is logged in as 7, and the cookie.
struct Visited {
    place: Place,
    client: TestClient,
    cookie: String,
}

impl Visited {
    async fn new<S: Storage>() -> Self {
        let place = Place::new();
        let client = visitor::<S>(&place.dir()).await;
        read(&client, "/login/7").await;
        read(&client, "/add/n").await;
        let cookie = id(&client);
        Self {
            place,
            client,
            cookie,
        }
    }

    fn records<S: Storage>(&self) -> Vec<PathBuf> {
        S::records(&self.place.dir())
    }

    async fn record(&self) -> PathBuf {
        self.record_of(&self.client).await
    }

    /// The file of a visitor: the one that is another after a change.
    async fn record_of(&self, visitor: &TestClient) -> PathBuf {
        let dir = self.place.dir();
        let read_all = || -> Vec<_> {
            let files = Folder::records(&dir).into_iter();
            files
                .map(|path| (path.clone(), fs::read(path).unwrap()))
                .collect()
        };
        let before = read_all();
        read(visitor, "/add/mark").await;
        let mut changed = read_all();
        changed.retain(|file| !before.contains(file));
        let [(record, _)] = changed.try_into().unwrap();
        record
    }

    /// What the visitor reads, who may be anybody or an error, but nobody else.
    async fn look(&self) -> Option<String> {
        look(&with_id(&self.client, &self.cookie)).await
    }
}

/// What a visitor finds who was 7: who they are, or none for an error.
async fn look(client: &TestClient) -> Option<String> {
    let response = client.get("/user").await;
    if response.status() != 200 {
        assert_unavailable(&response);
        return None;
    }
    let text = response.text().to_owned();
    assert!(text == "7" || text == "nobody", "{text}");
    Some(text)
}

/// What a changed byte makes invalid is one of the last three states of the session, and the others stay.
#[tokio::test]
async fn no_changed_byte_of_a_record_opens_or_removes_it() {
    let visited = Visited::new::<Folder>().await;
    let record = visited.record().await;
    let whole = fs::read(&record).unwrap();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= [1, 0x80, 0xff][place % 3];
        fs::write(&record, &changed).unwrap();
        let found = visited.look().await.expect("garbage is no error");
        assert_eq!(found, "7", "byte {place}");
        assert!(record.exists(), "byte {place}");
    }
    let garbage = |byte: &u8| byte ^ 0x55;
    let changed: Vec<_> = whole.iter().map(garbage).collect();
    fs::write(&record, &changed).unwrap();
    assert_eq!(visited.look().await.as_deref(), Some("nobody"));
    assert!(fs::read(&record).unwrap() == changed);
    fs::write(&record, whole).unwrap();
    assert_eq!(visited.look().await.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_record_cut_short_or_grown_opens_nothing_and_stays() {
    let visited = Visited::new::<Folder>().await;
    let record = visited.record().await;
    let whole = fs::read(&record).unwrap();
    for len in 0..whole.len() {
        fs::write(&record, &whole[..len]).unwrap();
        assert_eq!(
            visited.look().await.as_deref(),
            Some("nobody"),
            "{len} bytes"
        );
        assert!(fs::read(&record).unwrap() == whole[..len], "{len} bytes");
    }
    for len in [whole.len() as u64 + 1, 1 << 24, 1 << 40] {
        fs::write(&record, &whole).unwrap();
        File::options()
            .write(true)
            .open(&record)
            .unwrap()
            .set_len(len)
            .unwrap();
        assert_eq!(
            visited.look().await.as_deref(),
            Some("nobody"),
            "{len} bytes"
        );
        assert_eq!(fs::metadata(&record).unwrap().len(), len);
    }
    // Whoever writes then is a new visitor.
    let visitor = with_id(&visited.client, &visited.cookie);
    assert_eq!(read(&visitor, "/add/n").await, "1");
    assert_ne!(id(&visitor), visited.cookie);
    fs::write(&record, whole).unwrap();
    assert_eq!(visited.look().await.as_deref(), Some("7"));
}

/// W19: in the original, copying a file over another was to be that visitor.
#[tokio::test]
async fn records_swapped_between_visitors_open_for_neither() {
    let visited = Visited::new::<Folder>().await;
    let record = visited.record().await;
    let stranger = visited.client.another();
    read(&stranger, "/add/other").await;
    let other = visited.record_of(&stranger).await;
    let (own, others) = (fs::read(&record).unwrap(), fs::read(&other).unwrap());

    fs::write(&record, &others).unwrap();
    fs::write(&other, &own).unwrap();
    assert_eq!(visited.look().await.as_deref(), Some("nobody"));
    let visitor = with_id(&visited.client, &visited.cookie);
    assert_eq!(read(&visitor, "/get/other").await, "nothing");
    assert_eq!(read(&stranger, "/user").await, "nobody");
    assert_eq!(read(&stranger, "/get/n").await, "nothing");
    assert!(fs::read(&other).unwrap() == own && fs::read(&record).unwrap() == others);

    fs::write(&record, own).unwrap();
    fs::write(&other, others).unwrap();
    assert_eq!(visited.look().await.as_deref(), Some("7"));
    assert_eq!(read(&stranger, "/get/other").await, "1");
}

/// Whoever may write the files can take a session back to what it was, and to nothing else.
#[tokio::test]
async fn an_older_copy_of_a_record_is_an_older_state_of_the_same_visitor() {
    let visited = Visited::new::<Folder>().await;
    let record = visited.record().await;
    let older = fs::read(&record).unwrap();
    let visitor = with_id(&visited.client, &visited.cookie);
    assert_eq!(read(&visitor, "/add/n").await, "2");
    fs::write(&record, &older).unwrap();
    assert_eq!(read(&visitor, "/get/n").await, "1");
    assert_eq!(read(&visitor, "/add/n").await, "2");
    // Of before a login it has another id, and opens for nobody who came later.
    read(&visitor, "/login/7").await;
    assert_eq!(visited.record_of(&visitor).await, record);
    fs::write(record, older).unwrap();
    assert_eq!(read(&visitor, "/user").await, "nobody");
}

/// Replaces a file by what `plant` makes.
fn replace(file: &Path, outside: &Path, plant: fn(&Path)) {
    if file.is_dir() {
        fs::remove_dir(file).unwrap();
    } else {
        fs::remove_file(file).unwrap();
    }
    // Moved in, since the path of a socket may not be as long as a record's.
    let seed = outside.join("plant");
    plant(&seed);
    fs::rename(seed, file).unwrap();
}

fn special(path: &Path, kind: FileType, device: u64) {
    mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device).unwrap();
}

fn plants() -> Vec<fn(&Path)> {
    let mut plants: Vec<fn(&Path)> = vec![
        |path| fs::create_dir(path).unwrap(),
        |path| special(path, FileType::Fifo, 0),
        |path| drop(UnixListener::bind(path).unwrap()),
    ];
    let probe = tempfile::tempdir().unwrap();
    let zero = makedev(1, 5);
    let node = probe.path().join("zero");
    if mknodat(CWD, node, FileType::CharacterDevice, Mode::RUSR, zero).is_ok() {
        plants.push(|path| special(path, FileType::CharacterDevice, makedev(1, 5)));
    } else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI runs as root"
        );
        eprintln!("NOT TESTED: a device as a record, because only root can make one");
    }
    plants
}

/// A visitor whose sessions are kept where something else stands now gets an answer, and soon.
async fn what_is_no_file_is_refused_and_stays<S: Storage>() {
    let visited = Visited::new::<S>().await;
    let stranger = visited.client.another();
    read(&stranger, "/add/other").await;
    for plant in plants() {
        let mut records = visited.records::<S>();
        records.sort();
        for file in &records {
            replace(file, visited.place.outside(), plant);
        }
        let planted = || -> Vec<_> {
            let kind = |file: &PathBuf| fs::symlink_metadata(file).unwrap().file_type();
            records.iter().map(kind).collect()
        };
        let before = planted();
        // What it has open it may still read.
        visited.look().await;
        for page in ["/add/n", "/login/8", "/logout"] {
            let visitor = with_id(&visited.client, &visited.cookie);
            let response = visitor.get(page).await;
            assert!([200, 503].contains(&response.status().as_u16()), "{page}");
        }
        assert_ne!(visited.look().await.as_deref(), Some("7"), "{before:?}");
        if let Ok(store) = S::try_open(&visited.place.dir()).await {
            let _ = store.remove_expired(u64::MAX >> 1, 10).await;
        }
        let after = planted();
        assert_eq!(before, after);
        let odd = |kind: &fs::FileType| {
            kind.is_dir() || kind.is_fifo() || kind.is_socket() || kind.is_char_device()
        };
        assert!(after.iter().all(odd));
    }
}

on_each_storage!(what_is_no_file_is_refused_and_stays);

#[cfg(feature = "dynamic-file")]
mod shards {
    use rusqlite::Connection;

    use super::*;
    use crate::storage::DynamicFile;

    /// The one shard, whole, with no log beside it.
    async fn shard() -> (Place, String, PathBuf, Vec<u8>) {
        let Visited {
            place,
            client,
            cookie,
        } = Visited::new::<DynamicFile>().await;
        drop(client);
        let [shard] = DynamicFile::records(&place.dir()).try_into().unwrap();
        let whole = fs::read(&shard).unwrap();
        assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 2);
        (place, cookie, shard, whole)
    }

    /// What the visitor finds in a site that starts now; none where it does not start.
    async fn found(place: &Place, cookie: &str) -> Option<String> {
        DynamicFile::try_open(&place.dir()).await.ok()?;
        look(&with_id(
            &visitor::<DynamicFile>(&place.dir()).await,
            cookie,
        ))
        .await
    }

    async fn change_bytes(places: impl Iterator<Item = usize>) {
        let (place, cookie, shard, whole) = shard().await;
        for byte in places.take_while(|byte| *byte < whole.len()) {
            let mut changed = whole.clone();
            changed[byte] ^= if byte % 2 == 0 { 1 } else { 0xff };
            fs::write(&shard, changed).unwrap();
            found(&place, &cookie).await;
            assert!(shard.exists(), "byte {byte}");
        }
        fs::write(&shard, &whole).unwrap();
        assert_eq!(found(&place, &cookie).await.as_deref(), Some("7"));
    }

    #[tokio::test]
    async fn changed_bytes_show_nobody_else() {
        change_bytes((0..100).chain((100..).step_by(127))).await;
    }

    #[ignore = "takes a minute"]
    #[tokio::test]
    async fn every_changed_byte_shows_nobody_else() {
        change_bytes(0..).await;
    }

    #[tokio::test]
    async fn a_shard_cut_short_shows_nobody_else() {
        let (place, cookie, shard, whole) = shard().await;
        let lens = [0, 1, 15, 16, 99, 100, 511, 512, 513, 4095];
        for len in lens.into_iter().chain((4096..whole.len()).step_by(509)) {
            fs::write(&shard, &whole[..len]).unwrap();
            found(&place, &cookie).await;
            assert!(shard.exists(), "{len} bytes");
        }
        fs::write(&shard, &whole).unwrap();
        assert_eq!(found(&place, &cookie).await.as_deref(), Some("7"));
    }

    #[tokio::test]
    async fn values_swapped_or_changed_open_for_nobody_and_stay() {
        let visited = Visited::new::<DynamicFile>().await;
        let stranger = visited.client.another();
        read(&stranger, "/add/other").await;
        // A session is written once more when its cookie first comes back.
        read(&stranger, "/get/other").await;
        let [shard] = visited.records::<DynamicFile>().try_into().unwrap();
        let run = |sql: &str| {
            Connection::open(&shard)
                .unwrap()
                .execute_batch(sql)
                .unwrap();
        };
        run("CREATE TABLE kept AS SELECT key, bytes FROM sessions;");
        let restore =
            "UPDATE sessions SET bytes = (SELECT bytes FROM kept WHERE kept.key = sessions.key);";
        let damages = [
            "UPDATE sessions SET bytes = (SELECT bytes FROM kept WHERE kept.key <> sessions.key
                ORDER BY length(kept.bytes) DESC LIMIT 1);",
            "UPDATE sessions SET bytes = substr(bytes, 1, length(bytes) - 1);",
            "UPDATE sessions SET bytes = zeroblob(1 << 20);",
            "UPDATE sessions SET bytes = x'';",
        ];
        for damage in damages {
            run(damage);
            assert_eq!(visited.look().await.as_deref(), Some("nobody"), "{damage}");
            assert_eq!(read(&stranger, "/get/n").await, "nothing");
            assert_eq!(read(&stranger, "/user").await, "nobody");
            run(restore);
            assert_eq!(visited.look().await.as_deref(), Some("7"), "{damage}");
            assert_eq!(read(&stranger, "/get/other").await, "1");
        }
        // What is no blob at all was not written by the storage.
        run("UPDATE sessions SET bytes = 'text';");
        assert_eq!(visited.look().await, None);
        run(restore);
        assert_eq!(visited.look().await.as_deref(), Some("7"));
    }
}
