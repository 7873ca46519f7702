//! No id, no value and no user is in a log, a panic, an error, what `Debug` prints, a page or a file:
//! rules 2, 58 and 63. A program of its own, since it listens to all that is said in it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../sessions/log.rs"]
mod log;
#[expect(dead_code, reason = "the sessions' tests use the rest of it")]
#[path = "../sessions/support.rs"]
mod support;
mod views;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use duck::testing::TestClient;
use duck::{App, Settings};
use duck_session::{Clock, SessionMiddleware};

use crate::log::Log;
use crate::support::{Op, ScriptedStore, id, with_id};
use crate::views::{HASH, KEY, PATHS, SECRETS};

/// Everything that this program says, down to the last detail: its log and its panics.
static LOG: LazyLock<Log> = LazyLock::new(Log::default);

fn say(what: String) {
    LOG.say(what);
}

/// All that visitors saw, and the ids they had.
#[derive(Default)]
struct Traffic {
    pages: String,
    ids: Vec<String>,
}

impl Traffic {
    async fn ask(&mut self, client: &TestClient, path: &str) {
        let response = client.get(path).await;
        self.pages.push_str(response.text());
        say(format!("{response:?}"));
        // Whoever sees the headers of a response has its cookie; nothing else in them is a secret.
        for (name, value) in response.headers() {
            if name != "set-cookie" {
                self.pages.push_str(value.to_str().unwrap());
            }
        }
        if let Some(id) = client
            .cookie("session_id")
            .filter(|id| !self.ids.contains(id))
        {
            self.ids.push(id);
        }
    }

    /// All that can be done to sessions, by two visitors, and again with what they gave up.
    async fn flow(&mut self, client: &TestClient, clock: &Clock) {
        let other = client.another();
        for visitor in [&other, client] {
            for path in PATHS {
                self.ask(visitor, path).await;
            }
        }
        for path in ["/s/set", "/s/login"] {
            self.ask(&other, path).await;
            self.ask(client, path).await;
        }
        for id in self.ids.clone() {
            let stranger = with_id(client, &id);
            self.ask(&stranger, "/s/look").await;
            let half = format!("session_id={}", &id[..id.len() / 2]);
            stranger.get("/s/look").header("cookie", &half).await;
        }
        let cookies = [&other, client].map(|visitor| format!("session_id={}", id(visitor)));
        let both = client.get("/s/look").header("cookie", &cookies.join("; "));
        self.pages.push_str(both.await.text());
        clock.advance(Duration::from_hours(24 * 30));
        self.ask(client, "/s/look").await;
    }

    /// An id that was given up in time comes again after its grace.
    async fn replay(&mut self, client: &TestClient, clock: &Clock) {
        self.ask(client, "/s/login").await;
        let old = with_id(client, &id(client));
        clock.advance(Duration::from_hours(1));
        for _ in 0..2 {
            self.ask(client, "/s/look").await;
        }
        clock.advance(Duration::from_mins(1));
        self.ask(&old, "/s/look").await;
    }

    fn all(&self) -> String {
        format!("{}{}", self.pages, LOG.entries(""))
    }
}

fn settings(storage: &str, dir: &Path) -> Settings {
    Settings::default()
        .with("SECRET_KEY", KEY)
        .with("SESSION_STORAGE", storage)
        .with("SESSION_BIND", "ua")
        .with("SESSION_DIR", dir.join(storage).to_str().unwrap())
}

async fn visit(settings: Settings, sessions: SessionMiddleware) -> TestClient {
    let app = App::new(settings).with(sessions);
    TestClient::start(app.urls(views::urls())).await
}

/// What a storage leaves on the disk: names and contents.
fn tree(dir: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.extend_from_slice(path.to_str().unwrap().as_bytes());
        if path.is_dir() {
            tree(&path, found);
        } else {
            found.extend_from_slice(&std::fs::read(&path).unwrap());
        }
    }
}

async fn everywhere(traffic: &mut Traffic, dir: &Path) {
    let storages = [
        "InMemoryCache",
        "KeyAsFolderCache",
        #[cfg(feature = "dynamic-file")]
        "DynamicFileCache",
    ];
    for debug in [false, true] {
        for storage in storages {
            let clock = Clock::manual();
            let sessions = SessionMiddleware::new()
                .clock(clock.clone())
                .auth_hash(async |_| Ok(Some(HASH.to_owned())));
            let renewing = settings(storage, dir).with("SESSION_RENEWAL_INTERVAL", "1 hour");
            let client = visit(renewing.with("DEBUG", debug), sessions).await;
            traffic.flow(&client, &clock).await;
            traffic.replay(&client, &clock).await;
            client.site().stop().await;
        }
        let engine = settings("InMemoryCache", dir).with("SESSION_ENGINE", "cookie");
        let clock = Clock::manual();
        let sessions = SessionMiddleware::new().clock(clock.clone());
        let engine = engine.with("SESSION_BIND", "none").with("DEBUG", debug);
        traffic.flow(&visit(engine, sessions).await, &clock).await;
        on_a_bad_day(traffic, debug, dir).await;
    }
}

/// A storage that fails and panics, and records that cannot be opened.
async fn on_a_bad_day(traffic: &mut Traffic, debug: bool, dir: &Path) {
    let cache = ScriptedStore::default();
    let settings = || settings("TestStore", dir).with("DEBUG", debug);
    let client = visit(settings(), support::over(&cache)).await;
    for op in [Op::Load, Op::List, Op::Create, Op::Replace, Op::Remove] {
        for path in ["/s/set", "/s/login", "/s/cycle", "/s/logout", "/s/look"] {
            traffic.ask(&client, "/s/set").await;
            cache.fail(&[op]);
            traffic.ask(&client, path).await;
            cache.fail(&[]);
            cache.panic(&[op]);
            traffic.ask(&client, path).await;
            cache.panic(&[]);
        }
    }
    traffic.ask(&client, "/s/login").await;
    let other_key = settings().with("SECRET_KEY", "another key of more than thirty-two bytes");
    let stranger = visit(other_key, support::over(&cache)).await;
    stranger.set_cookie("session_id", traffic.ids.last().unwrap());
    traffic.ask(&stranger, "/s/look").await;
}

#[tokio::test]
async fn what_sessions_hold_is_nowhere_else() {
    tracing::subscriber::set_global_default(LOG.clone()).unwrap();
    std::panic::set_hook(Box::new(|panic| say(panic.to_string())));
    let temp = tempfile::tempdir().unwrap();
    let mut traffic = Traffic::default();
    everywhere(&mut traffic, temp.path()).await;

    let _ = std::panic::take_hook(); // what is wrong from here on is to be seen
    let said = traffic.all();
    let mut files = Vec::new();
    tree(temp.path(), &mut files);
    assert!(traffic.ids.len() > 50, "{}", traffic.ids.len());
    for event in [
        "login",
        "logout",
        "replayed_old_id",
        "cannot be opened",
        "duplicate_cookie",
    ] {
        assert!(said.contains(event), "nothing was said of {event}");
    }
    assert!(said.contains("panicked") && said.contains("of another type"));
    let ids = traffic.ids.iter().map(String::as_str);
    for secret in ids.chain(SECRETS) {
        // A part that is long enough to be no accident is as bad.
        let part = &secret[..secret.len().min(20)];
        if let Some(place) = said.find(part) {
            let from = said[..place].rfind('\n').unwrap_or_default();
            panic!("{secret} is told: {}", &said[from..place + part.len()]);
        }
        let in_files = memchr::memmem::find(&files, part.as_bytes());
        assert!(in_files.is_none(), "{secret} is in a file");
    }
}
