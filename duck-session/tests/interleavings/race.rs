//! Two requests of one visitor, and what is left when both are over.

use std::sync::Arc;
use std::time::Duration;

use duck::testing::{TestClient, TestResponse};
use duck::{Request, Settings, text};
use duck_session::Clock;
use duck_session::cache::Cache;

use crate::cache::{Event, FiveMethods, OneStep, Store, What};
use crate::scheduler::{Order, Steps, actor};
use crate::support::{id, over, page, read, settings, visit, with_id};

/// `SESSION_COOKIE_AGE` of the site, in seconds; without a visit a session ends after half of it.
const AGE: i64 = 3600;

/// What one of the two does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Asks for this page.
    Visit(&'static str),
    /// Deletes the session from the storage, as a revocation does.
    Delete,
    /// Lets the session's time pass.
    Expire,
}

/// A race that is over.
pub(crate) struct Race {
    pub(crate) client: Arc<TestClient>,
    pub(crate) store: Store,
    /// The id both came with, and the storage's name for it.
    pub(crate) old: String,
    key: String,
    acts: [Act; 2],
    responses: Vec<Option<TestResponse>>,
    events: Vec<Event>,
    /// For messages.
    pub(crate) order: String,
}

/// The session cookie of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    None,
    Same,
    New(String),
    Removal,
}

/// Runs a race in every order there is over both kinds of storages, and looks at each end. Says
/// how many orders there were.
pub(crate) async fn every_order(steps: Steps, acts: [Act; 2], check: impl AsyncFn(&Race)) -> usize {
    every_order_on(&settings(), steps, acts, check).await
}

/// The same on a site that gives sessions a new id in time, where that is due for both.
pub(crate) async fn every_order_renewing(
    steps: Steps,
    acts: [Act; 2],
    check: impl AsyncFn(&Race),
) -> usize {
    let settings = settings()
        .with("SESSION_RENEWAL_INTERVAL", "5 min")
        .with("SESSION_RENEWAL_GRACE", "1 min");
    every_order_on(&settings, steps, acts, check).await
}

async fn every_order_on(
    settings: &Settings,
    steps: Steps,
    acts: [Act; 2],
    check: impl AsyncFn(&Race),
) -> usize {
    let store = Store::new(steps);
    let mut orders =
        every_order_over(&OneStep(store.clone()), &store, settings, acts, &check).await;
    // Who deletes from such a storage past the engine is outside of what it promises.
    if !acts.contains(&Act::Delete) {
        let store = Store::new(steps);
        orders +=
            every_order_over(&FiveMethods(store.clone()), &store, settings, acts, &check).await;
    }
    orders
}

async fn every_order_over<C: Cache + Clone>(
    cache: &C,
    store: &Store,
    settings: &Settings,
    acts: [Act; 2],
    check: &impl AsyncFn(&Race),
) -> usize {
    let clock = Clock::manual();
    let client = site(settings.clone(), cache, &clock).await;
    let mut orders = 0;
    let mut next = Some(Order::default());
    while let Some(mut order) = next {
        let race = run(&client, store, &clock, acts, &mut order).await;
        check(&race).await;
        race.is_sound();
        orders += 1;
        next = order.next();
    }
    orders
}

async fn site<C: Cache + Clone>(settings: Settings, cache: &C, clock: &Clock) -> Arc<TestClient> {
    let settings = settings
        .with("SESSION_STORAGE", "TestCache")
        .with("SESSION_COOKIE_AGE", AGE)
        .with("SESSION_IDLE_TIMEOUT", AGE / 2)
        // The scheduler's seconds are not the storage's.
        .with("SESSION_STORE_TIMEOUT", "1 day");
    let pages = [
        page("/expiry", async |request: Request| {
            request.session.set_expiry(Duration::from_mins(10)).await?;
            Ok(text(""))
        }),
        page("/left", async |request: Request| {
            let left = request.session.expiry_age().await?;
            Ok(text(left.as_secs().to_string()))
        }),
    ];
    Arc::new(visit(settings, over(cache).clock(clock.clone()), pages).await)
}

async fn run(
    client: &Arc<TestClient>,
    store: &Store,
    clock: &Clock,
    acts: [Act; 2],
    order: &mut Order,
) -> Race {
    store.forget_all();
    let visitor = client.another();
    read(&visitor, "/login/7").await;
    read(&visitor, "/set/old/0").await;
    let old = id(&visitor);
    let [key] = &store.keys()[..] else {
        panic!("there is one session")
    };
    // A read is due to move the end of the session; a write may.
    clock.advance(Duration::from_mins(10));
    let actors = acts.map(|act| {
        let (tab, store, clock) = (with_id(client, &old), store.clone(), clock.clone());
        let key = key.clone();
        async move {
            match act {
                Act::Visit(path) => return Some(tab.get(path).await),
                Act::Delete => store.remove(&key).await,
                Act::Expire => {
                    store.scheduler.step().await;
                    clock.advance(Duration::from_secs(AGE.unsigned_abs()));
                    store.note(What::Removed, &key);
                }
            }
            None
        }
    });
    let responses = store.scheduler.run(actors, order).await;
    assert_eq!(actor(), None);
    Race {
        client: client.clone(),
        store: store.clone(),
        old,
        key: key.clone(),
        acts,
        responses,
        events: store.events(),
        order: order.to_string(),
    }
}

impl Race {
    /// What holds whatever raced: no page fails, and what it says depends on the cookie.
    fn is_sound(&self) {
        for response in self.responses.iter().flatten() {
            assert_eq!(response.status(), 200, "{self}: {}", response.text());
            assert!(response.set_cookies().len() <= 1, "{self}");
            assert_eq!(response.header("vary"), Some("Cookie"), "{self}");
        }
    }

    /// The cookie that an actor got.
    pub(crate) fn sent(&self, actor: usize) -> Sent {
        let Some(response) = &self.responses[actor] else {
            return Sent::None;
        };
        let Some(cookie) = response.set_cookies().pop() else {
            return Sent::None;
        };
        let (value, rest) = cookie
            .strip_prefix("session_id=")
            .and_then(|cookie| cookie.split_once(';'))
            .unwrap();
        match value {
            "" => {
                assert!(rest.contains("Max-Age=0"), "{rest}");
                Sent::Removal
            }
            same if same == self.old => Sent::Same,
            new => Sent::New(new.to_owned()),
        }
    }

    /// The id that an actor got in place of the old one.
    pub(crate) fn new_id(&self, actor: usize) -> String {
        match self.sent(actor) {
            Sent::New(id) => id,
            other => panic!("{self}: {other:?}"),
        }
    }

    /// What a visitor with this id sees now.
    pub(crate) async fn see(&self, id: &str, path: &str) -> String {
        read(&with_id(&self.client, id), path).await
    }

    /// Where in the course of events an actor last changed the record both came for.
    fn last_change(&self, actor: usize) -> Option<usize> {
        let changes = |event: &Event| {
            event.actor == actor
                && event.key == self.key
                && matches!(event.what, What::Put | What::Removed)
        };
        self.events.iter().rposition(changes)
    }

    /// Whether an actor changed the record both came for.
    pub(crate) fn wrote(&self, actor: usize) -> bool {
        self.last_change(actor).is_some()
    }

    /// Which actor changed the record last.
    pub(crate) fn last_writer(&self) -> usize {
        usize::from(self.last_change(1) > self.last_change(0))
    }

    /// Whether an actor came when the other one had already made its last change.
    pub(crate) fn is_late(&self, actor: usize) -> bool {
        // Who looks at a record looks at the clock when it is there.
        let load = match self.acts[1 - actor] {
            Act::Expire => What::Heard,
            _ => What::Got,
        };
        let loads = |event: &Event| event.actor == actor && event.what == load;
        let loaded = self.events.iter().position(loads);
        self.last_change(1 - actor)
            .is_some_and(|end| loaded.is_some_and(|loaded| loaded > end))
    }
}

impl std::fmt::Display for Race {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "order {}", self.order)?;
        for event in &self.events {
            let key = if event.key == self.key { "old" } else { "new" };
            write!(f, ", {} {:?} {key}", event.actor, event.what)?;
        }
        Ok(())
    }
}
