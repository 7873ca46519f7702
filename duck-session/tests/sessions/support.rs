//! A small site, a store that obeys a script, and a way to hold things up at a chosen moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::session::SessionError;
use duck::testing::TestClient;
use duck::{
    App, BoxFuture, Bytes, Error, Request, Response, Result, Settings, UrlPattern, path, text,
};
use duck_session::store::{
    Cache, Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version,
};
use duck_session::{Clock, SessionMiddleware};
use tokio::sync::Semaphore;

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

/// The same over a store that does as the test says.
pub(crate) async fn scripted(
    more: impl IntoIterator<Item = UrlPattern>,
) -> (TestClient, ScriptedStore) {
    let store = ScriptedStore::default();
    (visit_store(settings(), &store, more).await, store)
}

pub(crate) async fn visit_store<S: SessionStore + Clone>(
    settings: Settings,
    store: &S,
    more: impl IntoIterator<Item = UrlPattern>,
) -> TestClient {
    let settings = settings.with("SESSION_STORAGE", "TestStore");
    visit(settings, over(store), more).await
}

/// Session middleware that knows this store as `TestStore`.
pub(crate) fn over<S: SessionStore + Clone>(store: &S) -> SessionMiddleware {
    let store = store.clone();
    SessionMiddleware::new().store("TestStore", move |_| std::future::ready(Ok(store.clone())))
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

/// The same, from one that has something of the test's.
pub(crate) fn page_with<T, F>(
    at: &str,
    with: &T,
    view: impl Fn(Request, T) -> F + Send + Sync + 'static,
) -> UrlPattern
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response>> + Send + 'static,
{
    let with = with.clone();
    page(at, move |request| view(request, with.clone()))
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

    /// Does `slow`, and `fast` while it waits here.
    pub(crate) async fn beside<T>(
        &self,
        slow: impl IntoFuture<Output = T>,
        fast: impl Future,
    ) -> T {
        let fast = async {
            self.reached().await;
            fast.await;
            self.open();
        };
        tokio::join!(slow.into_future(), fast).0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Load,
    /// The sessions of a user are asked for.
    List,
    Create,
    Replace,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// Counts what is asked of it, and fails, hangs or waits where the test says so.
#[derive(Clone, Default)]
pub(crate) struct ScriptedStore(Arc<Script>);

/// What is said of a write that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Misreport {
    /// The driver has sent it twice, and says what became of the second time.
    Refused,
    /// The answer was lost.
    Failed,
}

type Sessions = HashMap<SessionKey, StoredSession>;

#[derive(Default)]
struct Script {
    sessions: Mutex<Sessions>,
    calls: Mutex<Vec<Op>>,
    writes: Mutex<Vec<Durability>>,
    failing: Mutex<Vec<Op>>,
    hanging: Mutex<Vec<Op>>,
    panicking: Mutex<Vec<Op>>,
    gates: Mutex<Vec<(Op, When, Gate)>>,
    misreporting: Mutex<Option<Misreport>>,
    is_full: AtomicBool,
    refuses_replacing: AtomicBool,
    refuses_creating: AtomicUsize,
    flushes: AtomicUsize,
}

/// What a broken storage says, and no visitor may read.
pub(crate) const SECRET_PATH: &str = "/srv/secret/path";

impl ScriptedStore {
    /// What was asked for since the last time.
    pub(crate) fn calls(&self) -> Vec<Op> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    /// What each write since the last time has to survive.
    pub(crate) fn writes(&self) -> Vec<Durability> {
        std::mem::take(&mut *self.0.writes.lock().unwrap())
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

    /// The next write that is made is not said to be.
    pub(crate) fn misreport(&self, what: Misreport) {
        *self.0.misreporting.lock().unwrap() = Some(what);
    }

    pub(crate) fn hang(&self, ops: &[Op]) {
        *self.0.hanging.lock().unwrap() = ops.to_vec();
    }

    /// From now on there is no room for another session.
    pub(crate) fn fill(&self) {
        self.0.is_full.store(true, Ordering::Relaxed);
    }

    /// From now on somebody else is always faster.
    pub(crate) fn refuse_replacing(&self) {
        self.0.refuses_replacing.store(true, Ordering::Relaxed);
    }

    /// So many times the key of a new session is there already.
    pub(crate) fn refuse_creating(&self, times: usize) {
        self.0.refuses_creating.store(times, Ordering::Relaxed);
    }

    /// What is stored.
    pub(crate) fn sessions(&self) -> Sessions {
        self.0.sessions.lock().unwrap().clone()
    }

    /// How many [`sessions`](Self::sessions) there are.
    pub(crate) fn len(&self) -> usize {
        self.0.sessions.lock().unwrap().len()
    }

    /// In which version each session is: whatever is written makes another one.
    pub(crate) fn versions(&self) -> HashMap<SessionKey, Version> {
        let versions = |(key, session): (_, StoredSession)| (key, session.version());
        self.sessions().into_iter().map(versions).collect()
    }

    /// The only session there is.
    pub(crate) fn only(&self) -> StoredSession {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "there is one session");
        sessions.into_values().next().unwrap()
    }

    pub(crate) fn put(&self, session: StoredSession) {
        let mut sessions = self.0.sessions.lock().unwrap();
        sessions.insert(*session.key(), session);
    }

    /// Puts other bytes in the place of a session's.
    pub(crate) fn put_bytes(&self, session: &StoredSession, bytes: impl Into<Bytes>) {
        let (key, user) = (*session.key(), session.user().copied());
        let (version, expires) = (session.version(), session.expires());
        self.put(StoredSession::new(key, version, user, expires, bytes));
    }

    /// How often the store was to write what it holds back.
    pub(crate) fn flushes(&self) -> usize {
        self.0.flushes.load(Ordering::Relaxed)
    }

    async fn write(
        &self,
        op: Op,
        durability: Durability,
        work: impl FnOnce(&mut Sessions) -> bool,
    ) -> Result<bool> {
        self.0.writes.lock().unwrap().push(durability);
        let done = self.run(op, work).await?;
        match self.0.misreporting.lock().unwrap().take() {
            Some(Misreport::Refused) => Ok(false),
            Some(Misreport::Failed) => Err(Error::internal("the answer was lost")),
            None => Ok(done),
        }
    }

    async fn run<T>(&self, op: Op, work: impl FnOnce(&mut Sessions) -> T) -> Result<T> {
        self.0.calls.lock().unwrap().push(op);
        self.wait(op, When::Before).await;
        if self.0.hanging.lock().unwrap().contains(&op) {
            std::future::pending::<()>().await;
        }
        let panics = self.0.panicking.lock().unwrap().contains(&op);
        assert!(!panics, "the store panics, on purpose");
        if self.0.failing.lock().unwrap().contains(&op) {
            return Err(Error::internal(format!("{SECRET_PATH} is broken")));
        }
        let done = work(&mut self.0.sessions.lock().unwrap());
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

impl SessionStore for ScriptedStore {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        self.run(Op::Load, |sessions| sessions.get(key).cloned())
            .await
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        if self.0.is_full.load(Ordering::Relaxed) {
            return Err(SessionError::Full.into());
        }
        self.write(Op::Create, durability, |sessions| {
            let left = self.0.refuses_creating.load(Ordering::Relaxed);
            if left > 0 {
                self.refuse_creating(left - 1);
                return false;
            }
            let is_free = !sessions.contains_key(session.key());
            if is_free {
                sessions.insert(*session.key(), session.clone());
            }
            is_free
        })
        .await
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        let refuses = self.0.refuses_replacing.load(Ordering::Relaxed);
        self.write(Op::Replace, durability, |sessions| {
            match sessions.get_mut(session.key()) {
                Some(stored) if stored.version() == expected && !refuses => {
                    *stored = session.clone();
                    true
                }
                _ => false,
            }
        })
        .await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        self.write(Op::Remove, durability, |sessions| {
            let is_meant = |stored: &StoredSession| {
                expected.is_none_or(|expected| stored.version() == expected)
            };
            sessions.get(key).is_some_and(is_meant) && sessions.remove(key).is_some()
        })
        .await
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        self.run(Op::List, |sessions| {
            let theirs = sessions
                .values()
                .filter(|session| session.user() == Some(user));
            theirs.take(limit).cloned().collect()
        })
        .await
    }

    async fn remove_expired(&self, now: u64, _limit: usize) -> Result<usize> {
        let mut sessions = self.0.sessions.lock().unwrap();
        let before = sessions.len();
        sessions.retain(|_, session| session.expires() > now);
        Ok(before - sessions.len())
    }

    async fn page(&self, _after: Option<&str>, _limit: usize) -> Result<Page> {
        let sessions = self.0.sessions.lock().unwrap();
        Ok(Page::new(sessions.values().cloned().collect(), None))
    }

    async fn clear(&self) -> Result<()> {
        self.0.sessions.lock().unwrap().clear();
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.0.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(())
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
