//! Clients that never send a cookie back, and each begin a session with each request.

use duck::testing::TestClient;
use duck_session::Clock;
use duck_session::store::SessionStore;

use crate::disk::Disk;
use crate::site::{Place, app, read, settings};
use crate::storage::{Storage, on_each_storage};

/// Who came before the bots: a visitor who came back, and one who is logged in.
struct Guests {
    returned: TestClient,
    member: TestClient,
}

impl Guests {
    async fn of(site: &TestClient) -> Self {
        let (returned, member) = (site.another(), site.another());
        assert_eq!(read(&returned, "/add/n").await, "1");
        assert_eq!(read(&returned, "/add/n").await, "2");
        read(&member, "/login/7").await;
        Self { returned, member }
    }

    async fn are_served_as_before(&self) {
        assert_eq!(read(&self.returned, "/add/n").await, "3");
        assert_eq!(read(&self.member, "/user").await, "7");
        let newcomer = self.member.another();
        read(&newcomer, "/login/8").await;
        assert_eq!(read(&newcomer, "/user").await, "8");
        assert_eq!(read(&self.member, "/user").await, "7");
    }
}

async fn count(store: &impl SessionStore) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.page(after.as_deref(), 100).await.unwrap();
        count += page.sessions.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return count,
        }
    }
}

fn free_percent(disk: &Disk) -> u64 {
    let disk = rustix::fs::statvfs(disk.dir()).unwrap();
    disk.f_bavail * 100 / disk.f_blocks
}

async fn bots_fill_a_site_to_its_bound_and_push_nobody_out<S: Storage>() {
    let place = Place::new();
    let settings = settings::<S>(&place.dir()).with("SESSION_MAX_SESSIONS", 40);
    let site = TestClient::start(app(settings, Clock::default())).await;
    let guests = Guests::of(&site).await;
    let store = S::open(&place.dir()).await;
    for number in 0..200 {
        assert_eq!(read(&site.another(), "/add/n").await, "1");
        if number % 50 == 49 {
            assert_eq!(count(&store).await, 40, "after {number} bots");
        }
    }
    guests.are_served_as_before().await;
    assert_eq!(count(&store).await, 40);
}

/// What `DynamicFileCache` has in its log, 4 MiB at most, takes its room later: the bound is kept about.
async fn bots_leave_the_disk_free_space_and_push_nobody_out<S: Storage>() {
    const BOTS: usize = 500;
    let Some(disk) = Disk::mount("size=16m") else {
        return;
    };
    let settings = settings::<S>(&disk.dir()).with("SESSION_MIN_FREE", 40);
    let site = TestClient::start(app(settings, Clock::default())).await;
    let guests = Guests::of(&site).await;
    let mut least_free = 100;
    for _ in 0..BOTS {
        read(&site.another(), "/large/a/20000").await;
        least_free = least_free.min(free_percent(&disk));
    }
    assert!(least_free >= 10, "{least_free} %");
    let count = count(&S::open(&disk.dir()).await).await;
    assert!((50..BOTS).contains(&count), "{count}");
    guests.are_served_as_before().await;
}

on_each_storage!(
    bots_fill_a_site_to_its_bound_and_push_nobody_out,
    bots_leave_the_disk_free_space_and_push_nobody_out,
);
