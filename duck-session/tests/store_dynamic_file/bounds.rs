//! What happens when there are as many sessions as there may be, and when the disk is nearly full.

use duck::session::SessionError;
use duck_session::store::{Durability, DynamicFileCache, SessionStore, StoredSession, Version};

use super::disk::Disk;
use super::{Dir, create, expiring, grow, has, key, left, next, of, options, replace, sized, user};

fn is_full(result: duck::Result<bool>) -> bool {
    result.is_err_and(|error| {
        matches!(
            error.downcast_ref::<SessionError>(),
            Some(SessionError::Full)
        )
    })
}

async fn open(dir: &Dir, max: u64) -> DynamicFileCache {
    options().max_sessions(max).open(dir.path()).await.unwrap()
}

#[tokio::test]
async fn sessions_whose_cookie_never_came_back_go_first_and_those_of_users_never() {
    let dir = Dir::new();
    let store = open(&dir, 6).await;
    for number in 0..2 {
        create(&store, &of(number, 1)).await;
    }
    // These came back.
    for number in 2..4 {
        let new = expiring(number, 500 + number);
        create(&store, &new).await;
        assert!(replace(&store, &new, &next(&new, "back")).await);
    }
    for number in [5, 4] {
        create(&store, &expiring(number, 2000 + number)).await;
    }
    let create_another = async |number: u64| {
        create(&store, &expiring(number, 3000 + number)).await;
        left(&store, 0..20).await
    };
    assert_eq!(
        create_another(6).await,
        [0, 1, 2, 3, 5, 6],
        "the oldest goes first"
    );
    assert_eq!(create_another(7).await, [0, 1, 2, 3, 6, 7]);
    for number in 6..8 {
        let old = store.load(&key(number)).await.unwrap().unwrap();
        assert!(replace(&store, &old, &next(&old, "back")).await);
    }
    assert_eq!(create_another(8).await, [0, 1, 3, 6, 7, 8]);
    // A login is stored whatever there is.
    for number in 10..16 {
        create(&store, &of(number, 2)).await;
    }
    assert_eq!(left(&store, 0..10).await, [0, 1]);
    assert!(is_full(
        store.create(&expiring(9, 1), Durability::Crash).await
    ));
    create(&store, &of(16, 2)).await;
    assert_eq!(left(&store, 0..20).await.len(), 9);
    for number in 10..15 {
        assert!(
            store
                .remove(&key(number), None, Durability::Crash)
                .await
                .unwrap()
        );
    }
    create(&store, &expiring(9, 1)).await;
    assert!(has(&store, 9).await);
}

#[tokio::test]
async fn what_is_given_up_first_goes_first_in_whatever_shard_it_is() {
    let dir = Dir::new();
    let store = options()
        .max_sessions(300)
        .shard_bytes(0)
        .open(dir.path())
        .await
        .unwrap();
    grow(&store, &dir, 2).await;
    for number in 0..300 {
        let new = sized(number, 1000);
        create(&store, &new).await;
        if number >= 20 {
            assert!(replace(&store, &new, &next(&new, vec![1; 1000])).await);
        }
    }
    // Some more than needed may go at once: a hundredth of the bound.
    for number in 300..304 {
        create(&store, &of(number, 1)).await;
    }
    assert_eq!(left(&store, 20..304).await.len(), 284);
    assert!(left(&store, 0..20).await.len() <= 16);
}

#[tokio::test]
async fn several_processes_keep_the_bound_about() {
    let dir = Dir::new();
    let stores = [open(&dir, 1000).await, open(&dir, 1000).await];
    for number in 0..3000 {
        create(&stores[usize::from(number % 2 == 0)], &sized(number, 10)).await;
        if number % 100 == 0 {
            let count = left(&stores[0], 0..number).await.len();
            assert!(count <= 1020, "{count}");
        }
    }
    assert!(left(&stores[0], 0..3000).await.len() >= 980);
}

#[tokio::test]
async fn a_group_of_new_sessions_keeps_the_bound_exactly() {
    let dir = Dir::new();
    let store = open(&dir, 50).await;
    let new: Vec<_> = (0..200).map(|number| sized(number, 10)).collect();
    let creates = new.iter().map(|it| store.create(it, Durability::Crash));
    futures_util::future::join_all(creates).await;
    assert_eq!(left(&store, 0..200).await.len(), 50);
}

/// What is in the log (4 MiB) takes its room in the shard later.
#[tokio::test]
async fn a_nearly_full_disk_takes_a_new_session_for_an_old_one() {
    for bytes in [1000, 3000, 40_000] {
        let Some(disk) = Disk::mount("size=48m") else {
            return;
        };
        let low = DynamicFileCache::options().min_free(40);
        let store = low.open(disk.dir()).await.unwrap();
        let mut number = 0;
        let free = || {
            let disk = rustix::fs::statvfs(disk.dir().as_path()).unwrap();
            disk.f_bavail * 100 / disk.f_blocks
        };
        while free() >= 40 {
            create(&store, &sized(number, bytes)).await;
            number += 1;
        }
        let (held, before) = (left(&store, 0..number).await.len(), free());
        assert_eq!(held as u64, number);
        for _ in 0..2 * number {
            create(&store, &sized(number, bytes)).await;
            number += 1;
        }
        // As many as before, about, and the disk is no fuller.
        let now = left(&store, 0..number).await.len();
        assert!(now * 3 >= held, "{now} of {held} sessions of {bytes} bytes");
        assert!(free() + 10 >= before.min(40), "{} % of {before} %", free());
        // A login takes the room that there is.
        let user = StoredSession::new(
            key(number),
            Version::first(),
            Some(user(1)),
            1,
            vec![7; bytes],
        );
        create(&store, &user).await;
        assert!(has(&store, number).await);
    }
}

#[tokio::test]
async fn a_nearly_full_disk_without_anything_to_give_up_is_full() {
    let Some(disk) = Disk::mount("size=4m") else {
        return;
    };
    let low = DynamicFileCache::options().min_free(99);
    let store = low.open(disk.dir()).await.unwrap();
    for number in 0..10 {
        create(&store, &of(number, 1)).await;
    }
    assert!(is_full(
        store.create(&sized(100, 100), Durability::Crash).await
    ));
    create(&store, &of(100, 1)).await;
    assert_eq!(left(&store, 0..200).await.len(), 11);
    let old = of(100, 1);
    let held = store.load(&key(100)).await.unwrap().unwrap();
    assert!(replace(&store, &held, &next(&old, "still written")).await);
}

#[tokio::test]
async fn inodes_are_counted_as_well() {
    let Some(disk) = Disk::mount("size=4m,nr_inodes=12") else {
        return;
    };
    let low = DynamicFileCache::options().min_free(90);
    let store = low.open(disk.dir()).await.unwrap();
    assert!(is_full(
        store.create(&sized(1, 10), Durability::Crash).await
    ));
    create(&store, &of(2, 1)).await;
}
