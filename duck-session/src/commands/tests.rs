//! Commands beside a site that writes at the same moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use duck::session::AuthHash;
use duck::testing::TestClient;
use duck::{App, Request, Settings, path};
use tokio::sync::Notify;

use super::*;
use crate::clock::Clock;
use crate::opening::Opening;
use crate::registry::Registry;
use crate::store::{
    Durability, InMemoryCache, Page, SessionKey, SessionStore, StoredSession, UserKey, Version,
};
use crate::{SessionMiddleware, SessionSettings};

const KEY: &str = "a key for tests of more than thirty-two bytes";
const NEW_KEY: &str = "another key of more than thirty-two bytes for tests";

/// A store that a site and its commands share, as processes share files. Whoever replaces or removes a session first
/// waits at the gate, once it is shut.
#[derive(Clone, Default)]
struct Shared {
    sessions: Arc<InMemoryCache>,
    gate: Arc<Gate>,
    pages: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Gate {
    is_shut: AtomicBool,
    somebody_waits: Notify,
    opens: Notify,
}

impl Gate {
    async fn pass(&self) {
        if self.is_shut.swap(false, Ordering::SeqCst) {
            self.somebody_waits.notify_one();
            self.opens.notified().await;
        }
    }
}

impl SessionStore for Shared {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        SessionStore::load(&self.sessions, key).await
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        self.sessions.create(session, durability).await
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        self.gate.pass().await;
        self.sessions.replace(expected, session, durability).await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        self.gate.pass().await;
        self.sessions.remove(key, expected, durability).await
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        self.sessions.of_user(user, limit).await
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        self.sessions.remove_expired(now, limit).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        self.sessions.page(after, limit).await
    }

    async fn clear(&self) -> Result<()> {
        SessionStore::clear(&self.sessions).await
    }
}

impl Shared {
    fn settings(keys: &[&str]) -> Settings {
        Settings::default()
            .with("SECRET_KEY", keys[0])
            .with("SECRET_KEY_FALLBACKS", keys[1..].to_vec())
            .with("SESSION_STORAGE", "Shared")
    }

    /// A visitor of a site over the store.
    async fn visitor(&self, keys: &[&str]) -> TestClient {
        let store = self.clone();
        let sessions = SessionMiddleware::new().store("Shared", move |_| {
            let store = store.clone();
            async move { Ok(store) }
        });
        let app = App::new(Self::settings(keys)).with(sessions);
        TestClient::start(app.urls([path("/login/<user>", log_in), path("/", come)])).await
    }

    /// What a command of the site answers.
    async fn command(&self, keys: &[&str], line: &str) -> String {
        let (settings, store) = (Self::settings(keys), self.clone());
        let mut registry = Registry::new();
        registry.add_store("Shared", move |_| {
            let store = store.clone();
            async move { Ok(store) }
        });
        let sessions = opened(registry, settings).await;
        let arguments = line.split(' ').chain(["--json"]).map(OsString::from);
        let (args, mut out) = (parse(arguments.collect()).unwrap(), Vec::new());
        sessions.answer(args, &mut out).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        text.split_whitespace().collect()
    }

    /// The same, while something else is done just before it writes.
    async fn overtaken(&self, keys: &[&str], line: &str, meanwhile: impl Future) -> String {
        self.gate.is_shut.store(true, Ordering::SeqCst);
        let meanwhile = async {
            self.gate.somebody_waits.notified().await;
            meanwhile.await;
            self.gate.opens.notify_one();
        };
        tokio::join!(self.command(keys, line), meanwhile).0
    }
}

/// The sessions of a site with these settings, as its commands have them.
async fn opened(registry: Registry, settings: Settings) -> Sessions {
    let own = SessionSettings::from_settings(&settings).unwrap();
    let clock = Clock::default();
    let opening = Opening {
        own: &own,
        settings: &settings,
        clock: &clock,
        auth_hash: &AuthHash::default(),
        is_serving: false,
    };
    let opened = registry.open(&opening).await.unwrap().administration;
    Sessions {
        opened,
        registry,
        settings,
        own,
        clock,
    }
}

async fn log_in(request: Request, user: String) -> Result<&'static str> {
    request.session.login(user).await?;
    Ok("in")
}

async fn come(request: Request) -> Result<String> {
    let visits = request
        .session
        .update("visits", |n: &mut u64| *n += 1)
        .await?;
    let user = request.session.user().await?.unwrap_or_default();
    Ok(format!("{user} {visits}"))
}

/// Nothing is asked of the database, which is not there.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn schema_prints_the_table_while_the_database_is_down() {
    let settings = Shared::settings(&[KEY])
        .with("SESSION_STORAGE", "DatabaseCache")
        .with(
            "SESSION_DATABASE_URL",
            "postgres://me:s3cret@127.0.0.1:1/site",
        );
    let sessions = opened(Registry::new(), settings).await;
    let command = |line: &str| parse(vec![OsString::from(line)]).unwrap();
    let mut out = Vec::new();
    let done = sessions.answer(command("schema"), &mut out).await;
    assert_eq!(done.unwrap(), ExitCode::SUCCESS);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("CREATE TABLE duck_sessions"), "{text}");
    let failed = sessions.answer(command("stats"), &mut Vec::new()).await;
    let why = failed.unwrap_err().chain();
    assert!(why.contains("connect") && !why.contains("s3cret"), "{why}");
}

#[tokio::test]
async fn rekey_undoes_nothing_that_a_visitor_saves_at_that_moment() {
    let store = Shared::default();
    let visitor = store.visitor(&[KEY]).await;
    visitor.get("/login/ada").await;
    assert_eq!(visitor.get("/").await.text(), "ada 1");
    let visit = async { assert_eq!(visitor.get("/").await.text(), "ada 2") };
    let answer = store.overtaken(&[NEW_KEY, KEY], "rekey", visit).await;
    assert_eq!(answer, r#"{"current":0,"resealed":1,"unreadable":0}"#);
    let id = visitor.cookie("session_id").unwrap();
    let visitor = store.visitor(&[NEW_KEY]).await;
    visitor.set_cookie("session_id", &id);
    assert_eq!(visitor.get("/").await.text(), "ada 3");
    let shown = store.command(&[NEW_KEY], "list --user ada").await;
    assert_eq!(shown.matches("\"name\"").count(), 1, "{shown}");
}

#[tokio::test]
async fn rekey_does_not_bring_a_session_back_that_ends_at_that_moment() {
    let store = Shared::default();
    let visitor = store.visitor(&[KEY]).await;
    visitor.get("/login/ada").await;
    let end = async { store.command(&[KEY], "clear --yes").await };
    let answer = store.overtaken(&[NEW_KEY, KEY], "rekey", end).await;
    assert_eq!(answer, r#"{"current":0,"resealed":0,"unreadable":0}"#);
    assert_eq!(visitor.get("/").await.text(), " 1");
}

#[tokio::test]
async fn whoever_logs_in_at_that_moment_is_not_anonymous() {
    let store = Shared::default();
    let visitor = store.visitor(&[KEY]).await;
    visitor.get("/").await;
    let login = async { visitor.get("/login/ada").await };
    let answer = store.overtaken(&[KEY], "clear --anonymous", login).await;
    assert_eq!(answer, r#"{"removed":0}"#);
    assert_eq!(visitor.get("/").await.text(), "ada 2");
}

/// A mere visit is no login.
#[tokio::test]
async fn who_comes_at_that_moment_is_still_anonymous() {
    let store = Shared::default();
    let visitor = store.visitor(&[KEY]).await;
    visitor.get("/").await;
    let visit = async { visitor.get("/").await };
    let answer = store.overtaken(&[KEY], "clear --anonymous", visit).await;
    assert_eq!(answer, r#"{"removed":1}"#);
    assert_eq!(visitor.get("/").await.text(), " 1");
}

#[tokio::test]
async fn a_session_ends_whatever_is_saved_to_it_at_that_moment() {
    let store = Shared::default();
    let visitor = store.visitor(&[KEY]).await;
    visitor.get("/login/ada").await;
    let visit = async { visitor.get("/").await };
    let answer = store.overtaken(&[KEY], "revoke-user ada", visit).await;
    assert_eq!(answer, r#"{"revoked":1}"#);
    assert_eq!(visitor.get("/").await.text(), " 1");
}

#[tokio::test]
async fn the_list_of_a_user_takes_no_walk() {
    let store = Shared::default();
    for user in ["ada", "grace"] {
        store
            .visitor(&[KEY])
            .await
            .get(&format!("/login/{user}"))
            .await;
    }
    let shown = store.command(&[KEY], "list --user ada").await;
    assert_eq!(shown.matches("\"name\"").count(), 1, "{shown}");
    assert_eq!(store.pages.load(Ordering::SeqCst), 0);
    let shown = store.command(&[KEY], "list").await;
    assert_eq!(shown.matches("\"name\"").count(), 2, "{shown}");
    assert!(store.pages.load(Ordering::SeqCst) > 0);
}
