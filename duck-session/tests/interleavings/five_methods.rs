//! The same over a site's own cache, whose five methods are the steps: `OverCache` makes a store of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::testing::TestClient;
use duck::{Bytes, Result};
use duck_session::SessionMiddleware;
use duck_session::store::Cache;

use crate::scheduler::{Order, Scheduler, Steps};
use crate::support::{id, read, settings, visit, with_id};

#[derive(Clone)]
struct FiveMethods {
    scheduler: Scheduler,
    entries: Arc<Mutex<HashMap<String, Bytes>>>,
}

impl FiveMethods {
    async fn step<T>(&self, work: impl FnOnce(&mut HashMap<String, Bytes>) -> T) -> T {
        self.scheduler.step().await;
        let done = work(&mut self.entries.lock().unwrap());
        self.scheduler.half_step().await;
        done
    }
}

impl Cache for FiveMethods {
    async fn set(&self, key: &str, value: &[u8], _: Option<Duration>) -> Result<()> {
        let value = Bytes::copy_from_slice(value);
        self.step(|entries| drop(entries.insert(key.to_owned(), value)))
            .await;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.step(|entries| entries.get(key).cloned()).await)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.step(|entries| drop(entries.remove(key))).await;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        unreachable!("nobody clears the cache")
    }
}

/// Two pages asked for with one id, in every order, and what another one shows then.
async fn every_order(steps: Steps, pages: [&'static str; 2], check: impl AsyncFn(&TestClient)) {
    let cache = FiveMethods {
        scheduler: Scheduler::new(steps),
        entries: Arc::default(),
    };
    let settings = settings()
        .with("SESSION_STORAGE", "FiveMethods")
        .with("SESSION_STORE_TIMEOUT", "1 day");
    let same = cache.clone();
    let sessions = SessionMiddleware::new().cache("FiveMethods", move |_| Ok(same.clone()));
    let client = visit(settings, sessions, []).await;
    let (mut orders, mut next) = (0, Some(Order::default()));
    while let Some(mut order) = next {
        let visitor = client.another();
        read(&visitor, "/set/old/0").await;
        let actors = pages.map(|page| {
            let tab = with_id(&client, &id(&visitor));
            async move { read(&tab, page).await }
        });
        cache.scheduler.run(actors, &mut order).await;
        check(&visitor).await;
        orders += 1;
        next = order.next();
    }
    assert!(orders > 1, "{pages:?}");
}

pub(crate) async fn keep_what_both_write(steps: Steps) {
    every_order(
        steps,
        ["/set/a/1", "/set/b/2"],
        async |visitor: &TestClient| {
            assert_eq!(read(visitor, "/get/old").await, "\"0\"");
            assert_eq!(read(visitor, "/get/a").await, "\"1\"");
            assert_eq!(read(visitor, "/get/b").await, "\"2\"");
        },
    )
    .await;
    every_order(steps, ["/add/n", "/add/n"], async |visitor: &TestClient| {
        assert_eq!(read(visitor, "/get/n").await, "2");
    })
    .await;
    every_order(
        steps,
        ["/logout", "/set/a/1"],
        async |visitor: &TestClient| {
            assert_eq!(read(visitor, "/get/old").await, "nothing");
        },
    )
    .await;
}
