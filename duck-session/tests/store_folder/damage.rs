//! Files that are torn, damaged, cut short or grown.

use std::fs::{self, File};

use duck_session::store::SessionStore;

use crate::site::*;

const SLOT: usize = 1024;
const HEADER: usize = 72;

/// Three states: the first in slot 0, the second in 1, the third in 2.
async fn three_states(site: &Site) {
    site.create(KEY, "first").await;
    save(&site.store, KEY, "second", Crash).await;
    save(&site.store, KEY, "third", Crash).await;
}

#[tokio::test]
async fn a_torn_slot_leaves_the_state_before_it() {
    let site = Site::new().await;
    three_states(&site).await;
    let whole = fs::read(site.record(KEY)).unwrap();
    for byte in (0..8).chain(16..HEADER + 5) {
        let mut torn = whole.clone();
        torn[2 * SLOT + byte] ^= 0x40;
        fs::write(site.record(KEY), &torn).unwrap();
        assert_eq!(site.text().await.as_deref(), Some("second"), "byte {byte}");
        torn[SLOT + byte] ^= 0x40;
        fs::write(site.record(KEY), &torn).unwrap();
        assert_eq!(site.text().await.as_deref(), Some("first"), "byte {byte}");
        // What is torn is written over first, and then all is well again.
        save(&site.store, KEY, "fourth", Crash).await;
        assert_eq!(site.text().await.as_deref(), Some("fourth"));
        let healed = fs::read(site.record(KEY)).unwrap();
        assert_eq!(healed[..SLOT], whole[..SLOT]);
    }
}

/// A writer was killed half-way, or is at it.
#[tokio::test]
async fn a_half_written_slot_is_no_state_of_the_session() {
    let site = Site::new().await;
    three_states(&site).await;
    let before = fs::read(site.record(KEY)).unwrap();
    save(
        &site.store,
        KEY,
        "fourth, which is longer than the others",
        Crash,
    )
    .await;
    let after = fs::read(site.record(KEY)).unwrap();
    for byte in 0..SLOT {
        let half = [&after[..byte], &before[byte..]].concat();
        fs::write(site.record(KEY), &half).unwrap();
        let found = site.text().await.unwrap();
        let is_whole = half == after;
        let expected = if is_whole {
            "fourth, which is longer than the others"
        } else {
            "third"
        };
        assert_eq!(found, expected, "{byte} bytes");
    }
}

#[tokio::test]
async fn what_is_no_record_counts_as_absent_and_is_kept_until_the_key_is_created() {
    let site = Site::new().await;
    three_states(&site).await;
    let whole = fs::read(site.record(KEY)).unwrap();
    let short = (0..whole.len())
        .step_by(37)
        .map(|len| whole[..len].to_vec());
    let longer = [&whole[..], b"x"].concat();
    for bytes in short.chain([b"garbage".to_vec(), vec![0; 4096], vec![0; 3072], longer]) {
        fs::write(site.record(KEY), &bytes).unwrap();
        assert_eq!(site.text().await, None);
        assert_eq!(site.store.remove_expired(u64::MAX, 10).await.unwrap(), 0);
        let lost = session(KEY, "lost");
        assert!(
            !site
                .store
                .replace(lost.version(), &lost, Crash)
                .await
                .unwrap()
        );
        assert!(
            !site
                .store
                .remove(&KEY, Some(lost.version()), Crash)
                .await
                .unwrap()
        );
        assert_eq!(fs::read(site.record(KEY)).unwrap(), bytes);
        let page = site.store.page(None, 10).await.unwrap();
        assert_eq!(page.unreadable, usize::from(!bytes.is_empty()));
        create(&site.store, &session(KEY, "new"), Crash).await;
        assert_eq!(site.text().await.as_deref(), Some("new"));
    }
    fs::write(site.record(KEY), "garbage").unwrap();
    assert!(!site.store.remove(&KEY, None, Crash).await.unwrap());
    assert!(!site.record(KEY).exists());
}

#[tokio::test]
async fn a_huge_file_is_not_read() {
    let site = Site::new().await;
    three_states(&site).await;
    for len in [1 << 30, 1 << 40, u64::MAX >> 16] {
        let file = File::options().write(true).open(site.record(KEY)).unwrap();
        if file.set_len(len / 1536 * 1536).is_ok() {
            assert_eq!(site.text().await, None);
        }
    }
}

/// Left by a writer that died while it made a larger file.
#[tokio::test]
async fn what_was_left_beside_a_record_is_in_nobodys_way() {
    let site = Site::new().await;
    site.create(KEY, "small").await;
    let beside = site.record(KEY).with_file_name("record.new");
    fs::write(&beside, "half of a record").unwrap();
    let large = "x".repeat(5000);
    save(&site.store, KEY, &large, Crash).await;
    assert_eq!(site.text().await, Some(large));
    assert!(!beside.exists());
    fs::write(&beside, "half of a record").unwrap();
    assert!(site.store.remove(&KEY, None, Crash).await.unwrap());
    assert!(!beside.parent().unwrap().exists());
}
