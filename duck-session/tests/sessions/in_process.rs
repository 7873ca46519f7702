//! A store in the memory of this process answers at once, and its sessions are written at once.

use std::sync::Arc;

use duck::{Request, Result, path};
use duck_session::SessionMiddleware;
use duck_session::store::{
    Durability, InMemoryCache, Page, SessionKey, SessionStore, StoredSession, UserKey, Version,
};

use crate::support::{read, settings, visit};

async fn visits(request: Request) -> Result<String> {
    let visits = request.session.update("visits", |n: &mut u32| *n += 1);
    Ok(visits.await?.to_string())
}

/// Waits at each load.
struct Waiting(InMemoryCache);

impl SessionStore for Waiting {
    const IN_PROCESS: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        tokio::task::yield_now().await;
        self.0.load(key).await
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        self.0.create(session, durability).await
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        self.0.replace(expected, session, durability).await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        self.0.remove(key, expected, durability).await
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        self.0.of_user(user, limit).await
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        self.0.remove_expired(now, limit).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        self.0.page(after, limit).await
    }

    async fn clear(&self) -> Result<()> {
        SessionStore::clear(&self.0).await
    }
}

#[tokio::test]
async fn a_store_in_process_that_waits_is_an_error_and_not_half_a_session() {
    let open = |_| async { Ok(Waiting(InMemoryCache::default())) };
    let sessions = SessionMiddleware::new().store("Waiting", open);
    let settings = settings().with("SESSION_STORAGE", "Waiting");
    let client = visit(settings, sessions, [path("/visit", visits)]).await;
    // The first visit loads nothing.
    assert_eq!(read(&client, "/visit").await, "1");
    assert_eq!(client.get("/visit").await.status(), 500);
}

/// Threads that meet at one session wait for each other: what then begins again is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_of_several_threads_to_one_session_in_memory_count_once_each() {
    let urls = [path("/visit", visits)];
    let client = Arc::new(visit(settings(), SessionMiddleware::new(), urls).await);
    read(&client, "/visit").await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    assert_eq!(client.get("/visit").await.status(), 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(read(&client, "/visit").await, "802");
}
