//! A small site, a cache that obeys a script, and a way to hold things up at a chosen moment.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::testing::TestClient;
use duck::{
    App, BoxFuture, Bytes, Error, Request, Response, Result, Settings, UrlPattern, path, text,
};
use duck_session::cache::{Cache, Entry};
use duck_session::{Clock, SessionMiddleware};
use tokio::sync::Semaphore;
use tracing::field::{Field, Visit};

pub(crate) const KEY: &str = "a key for tests of more than thirty-two bytes";

/// Settings with a key and the storage in memory.
pub(crate) fn settings() -> Settings {
    Settings::default()
        .with("SECRET_KEY", KEY)
        .with("SESSION_STORAGE", "InMemoryCache")
}

/// A visitor of a site with the pages of [`urls`], and `more`.
pub(crate) async fn visit(
    settings: Settings,
    sessions: SessionMiddleware,
    more: impl IntoIterator<Item = UrlPattern>,
) -> TestClient {
    let app = App::new(settings).with(sessions);
    TestClient::start(app.urls(urls()).urls(more)).await
}

/// The same over a cache that does as the test says.
pub(crate) async fn scripted(
    more: impl IntoIterator<Item = UrlPattern>,
) -> (TestClient, ScriptedCache) {
    let cache = ScriptedCache::default();
    (visit_cache(settings(), &cache, more).await, cache)
}

pub(crate) async fn visit_cache<C: Cache + Clone>(
    settings: Settings,
    cache: &C,
    more: impl IntoIterator<Item = UrlPattern>,
) -> TestClient {
    visit(
        settings.with("SESSION_STORAGE", "TestCache"),
        over(cache),
        more,
    )
    .await
}

/// Session middleware that knows this cache as `TestCache`.
pub(crate) fn over<C: Cache + Clone>(cache: &C) -> SessionMiddleware {
    let cache = cache.clone();
    SessionMiddleware::new().cache("TestCache", move |_| Ok(cache.clone()))
}

/// A page for every thing one can do with a session.
pub(crate) fn urls() -> [UrlPattern; 10] {
    [
        path("/plain", plain),
        path("/get/<key>", get),
        path("/set/<key>/<value>", set),
        path("/add/<key>", add),
        path("/remove/<key>", remove),
        path("/user", user),
        path("/login/<user>", login),
        path("/logout", logout),
        path("/cycle", cycle),
        path("/clear", clear),
    ]
}

async fn plain(_request: Request) -> &'static str {
    "plain"
}

async fn get(request: Request, key: String) -> Result<Response> {
    let value: Option<serde_json::Value> = request.session.get(&key).await?;
    Ok(text(value.map_or_else(
        || "nothing".to_owned(),
        |value| value.to_string(),
    )))
}

async fn set(request: Request, key: String, value: String) -> Result<Response> {
    request.session.set(&key, value).await?;
    Ok(text("set"))
}

async fn add(request: Request, key: String) -> Result<Response> {
    let sum = request
        .session
        .update(&key, |number: &mut u64| *number += 1)
        .await?;
    Ok(text(sum.to_string()))
}

async fn remove(request: Request, key: String) -> Result<Response> {
    Ok(text(request.session.remove(&key).await?.to_string()))
}

async fn user(request: Request) -> Result<Response> {
    let user = request.session.user().await?;
    Ok(text(user.unwrap_or_else(|| "nobody".to_owned())))
}

async fn login(request: Request, user: String) -> Result<Response> {
    request.session.login(user).await?;
    Ok(text("in"))
}

async fn logout(request: Request) -> Result<Response> {
    request.session.logout().await?;
    Ok(text("out"))
}

async fn cycle(request: Request) -> Result<Response> {
    request.session.cycle_id().await?;
    Ok(text("cycled"))
}

async fn clear(request: Request) -> Result<Response> {
    request.session.clear().await?;
    Ok(text("cleared"))
}

/// A page from a closure.
pub(crate) fn page<F>(at: &str, view: impl Fn(Request) -> F + Send + Sync + 'static) -> UrlPattern
where
    F: Future<Output = Result<Response>> + Send + 'static,
{
    path(at, move |request: Request| -> BoxFuture<'static, _> {
        Box::pin(view(request))
    })
}

/// The page's text, once its status is known to be 200.
pub(crate) async fn read(client: &TestClient, path: &str) -> String {
    let response = client.get(path).await;
    assert_eq!(response.status(), 200, "{path}: {}", response.text());
    response.text().to_owned()
}

pub(crate) fn id(client: &TestClient) -> String {
    client.cookie("session_id").expect("there is no cookie")
}

/// Another browser that presents this id.
pub(crate) fn with_id(client: &TestClient, id: &str) -> TestClient {
    let other = client.another();
    other.set_cookie("session_id", id);
    other
}

/// A place where something waits until the test lets it go on.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Semaphore, Semaphore)>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new((Semaphore::new(0), Semaphore::new(0))))
    }

    /// Says that it is here, and waits.
    pub(crate) async fn pass(&self) {
        self.0.0.add_permits(1);
        self.0.1.acquire().await.unwrap().forget();
    }

    /// Waits until somebody is there, but not for ever.
    pub(crate) async fn reached(&self) {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.0.0.acquire());
        wait.await.expect("nobody came").unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.0.1.add_permits(1);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Delete,
    Swap,
    Save,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// Counts what is asked of it, and fails, hangs or waits where the test says so.
#[derive(Clone, Default)]
pub(crate) struct ScriptedCache(Arc<Script>);

#[derive(Default)]
struct Script {
    entries: Mutex<HashMap<String, Bytes>>,
    calls: Mutex<Vec<Op>>,
    failing: Mutex<Vec<Op>>,
    hanging: Mutex<Vec<Op>>,
    panicking: Mutex<Vec<Op>>,
    gates: Mutex<Vec<(Op, When, Gate)>>,
    refuses_replacing: AtomicBool,
    refuses_creating: AtomicUsize,
}

/// What a broken storage says, and no visitor may read.
pub(crate) const SECRET_PATH: &str = "/srv/secret/path";

impl ScriptedCache {
    /// What was asked for since the last time.
    pub(crate) fn calls(&self) -> Vec<Op> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    /// The next such operation waits at the gate.
    pub(crate) fn hold(&self, op: Op, when: When) -> Gate {
        let gate = Gate::new();
        self.0.gates.lock().unwrap().push((op, when, gate.clone()));
        gate
    }

    pub(crate) fn fail(&self, ops: &[Op]) {
        *self.0.failing.lock().unwrap() = ops.to_vec();
    }

    pub(crate) fn panic(&self, ops: &[Op]) {
        *self.0.panicking.lock().unwrap() = ops.to_vec();
    }

    pub(crate) fn hang(&self, ops: &[Op]) {
        *self.0.hanging.lock().unwrap() = ops.to_vec();
    }

    /// From now on somebody else is always faster.
    pub(crate) fn refuse_replacing(&self) {
        self.0.refuses_replacing.store(true, Ordering::Relaxed);
    }

    /// So many times the key of a new record is there already.
    pub(crate) fn refuse_creating(&self, times: usize) {
        self.0.refuses_creating.store(times, Ordering::Relaxed);
    }

    pub(crate) fn entries(&self) -> HashMap<String, Bytes> {
        self.0.entries.lock().unwrap().clone()
    }

    /// What is stored of sessions: them, and what is left where they were. Not users' lists.
    pub(crate) fn sessions(&self) -> HashMap<String, Bytes> {
        let mut entries = self.entries();
        // Neither lists of users nor notes of locks.
        entries.retain(|key, record| key.len() == 64 && record.get(4) != Some(&2));
        entries
    }

    /// How many [`sessions`](Self::sessions) there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions().len()
    }

    pub(crate) fn remove(&self, key: &str) {
        self.0.entries.lock().unwrap().remove(key);
    }

    pub(crate) fn put(&self, key: &str, value: Bytes) {
        self.0.entries.lock().unwrap().insert(key.into(), value);
    }

    async fn run<T>(
        &self,
        op: Op,
        work: impl FnOnce(&mut HashMap<String, Bytes>) -> T,
    ) -> Result<T> {
        self.0.calls.lock().unwrap().push(op);
        self.wait(op, When::Before).await;
        if self.0.hanging.lock().unwrap().contains(&op) {
            std::future::pending::<()>().await;
        }
        let panics = self.0.panicking.lock().unwrap().contains(&op);
        assert!(!panics, "the cache panics, on purpose");
        if self.0.failing.lock().unwrap().contains(&op) {
            return Err(Error::internal(format!("{SECRET_PATH} is broken")));
        }
        let done = work(&mut self.0.entries.lock().unwrap());
        self.wait(op, When::After).await;
        Ok(done)
    }

    async fn wait(&self, op: Op, when: When) {
        let gate = {
            let mut gates = self.0.gates.lock().unwrap();
            let place = gates.iter().position(|gate| (gate.0, gate.1) == (op, when));
            place.map(|place| gates.remove(place).2)
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }
}

impl Cache for ScriptedCache {
    const ATOMIC: bool = true;

    async fn set(&self, _key: &str, _value: &[u8], _ttl: Option<Duration>) -> Result<()> {
        unreachable!("the engine swaps")
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.run(Op::Get, |entries| entries.get(key).cloned()).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.run(Op::Delete, |entries| entries.remove(key)).await?;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.0.entries.lock().unwrap().clear();
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        self.run(Op::Save, |_| ()).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        let refuses = self.0.refuses_replacing.load(Ordering::Relaxed);
        self.run(Op::Swap, |entries| {
            if refuses && expected.is_some() {
                return false;
            }
            let left = self.0.refuses_creating.load(Ordering::Relaxed);
            if expected.is_none() && left > 0 {
                self.refuse_creating(left - 1);
                return false;
            }
            if entries.get(key).map(|value| &value[..]) != expected {
                return false;
            }
            match new {
                Some(entry) => {
                    entries.insert(key.into(), Bytes::copy_from_slice(entry.value));
                }
                None => {
                    entries.remove(key);
                }
            }
            true
        })
        .await
    }
}

/// A cache with the five methods and no more.
#[derive(Clone, Default)]
pub(crate) struct FiveMethods(Arc<Mutex<HashMap<String, Bytes>>>);

impl Cache for FiveMethods {
    async fn set(&self, key: &str, value: &[u8], _ttl: Option<Duration>) -> Result<()> {
        let value = Bytes::copy_from_slice(value);
        self.0.lock().unwrap().insert(key.to_owned(), value);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        tokio::task::yield_now().await;
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.0.lock().unwrap().clear();
        Ok(())
    }
}

/// A site on one kind of storage, as a visitor who has not been there.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) client: TestClient,
    /// Removed with it.
    #[expect(dead_code, reason = "the folder lasts as long as the site")]
    dir: tempfile::TempDir,
}

/// The same site on every kind of storage; the clock is `clock`.
pub(crate) async fn on_every_storage(
    settings: &Settings,
    clock: &Clock,
    more: impl Fn() -> Vec<UrlPattern>,
) -> Vec<Kind> {
    let names = [
        "InMemoryCache",
        "KeyAsFolderCache",
        #[cfg(feature = "dynamic-file")]
        "DynamicFileCache",
        "FiveMethods",
    ];
    let mut kinds = Vec::new();
    for name in names {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings
            .clone()
            .with("SESSION_STORAGE", name)
            .with("SESSION_DIR", dir.path().join("sessions").to_str().unwrap());
        let sessions = SessionMiddleware::new()
            .clock(clock.clone())
            .cache("FiveMethods", |_| Ok(FiveMethods::default()));
        let client = visit(settings, sessions, more()).await;
        kinds.push(Kind { name, client, dir });
    }
    kinds
}

/// What the log of this thread has heard.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<String>>);

impl Heard {
    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Heard {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "duck_session"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}
