//! Sessions of a site's own program, whose connections are on several threads. It is this program, started once more.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use duck::{App, Bytes, Request, Result, Settings, path};
use duck_session::SessionMiddleware;
use duck_session::store::{Cache, InMemoryCache};

#[cfg(any(feature = "postgres", feature = "redis"))]
mod computing;
#[path = "../../../duck-core/tests/own_program/mod.rs"]
mod own_program;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../store_database/server.rs"]
mod postgres_server;
#[cfg(feature = "redis")]
mod redis;
#[cfg_attr(
    not(any(feature = "postgres", feature = "redis")),
    expect(dead_code, reason = "the tests with servers use the rest")
)]
#[path = "../../../duck-core/tests/own_program/served.rs"]
mod served;

use served::{A_WHILE, SITE, Server, Visitor};

/// Names a file without which nothing is saved in [`Gated`].
const GATE: &str = "MAY_SAVE";

fn main() -> ExitCode {
    if let Ok(settings) = env::var(SITE) {
        served::end_some_day();
        return site(&settings).run();
    }
    let tests: &[(&str, fn())] = &[
        (
            "what_a_client_that_has_gone_set_is_saved_before_the_site_ends",
            saved_before_the_end,
        ),
        #[cfg(feature = "redis")]
        (
            "a_view_that_computes_holds_up_no_session_in_redis_of_another_thread",
            redis::computes,
        ),
        #[cfg(feature = "redis")]
        (
            "a_view_that_computes_for_longer_than_the_storage_may_take_fails_no_session",
            redis::computes_for_longer_than_the_storage_may_take,
        ),
        #[cfg(feature = "redis")]
        (
            "each_thread_has_one_connection_to_redis_and_replaces_it_when_it_is_lost",
            redis::connections,
        ),
        #[cfg(feature = "redis")]
        (
            "there_is_one_connection_to_redis_where_work_is_stolen",
            redis::one_connection,
        ),
        #[cfg(feature = "postgres")]
        (
            "a_view_that_computes_holds_up_no_session_in_postgresql_of_another_thread",
            postgres::computes,
        ),
        #[cfg(feature = "postgres")]
        (
            "each_thread_has_connections_to_postgresql_unless_work_is_stolen",
            postgres::connections,
        ),
    ];
    own_program::run(tests)
}

/// On all threads, several times each.
#[cfg(any(feature = "postgres", feature = "redis"))]
fn six_visitors_count(server: &Server) {
    let mut visitors = [(); 6].map(|()| server.visitor());
    for count in 1..20 {
        for visitor in &mut visitors {
            assert_eq!(visitor.get("/count"), count.to_string());
        }
    }
}

fn site(settings: &str) -> App {
    let settings = Settings::from_toml(settings).expect("settings");
    let settings = settings.with("ADDRESS", "127.0.0.1:0");
    let gate = settings.get::<PathBuf>(GATE).expect("a path");
    let sessions = SessionMiddleware::new().cache("Gated", move |_| {
        Ok(Gated {
            cache: InMemoryCache::default(),
            gate: gate.clone().unwrap_or_default(),
        })
    });
    let site = App::new(settings).with(sessions).urls([
        path("/thread", async |_: Request| {
            thread::current().name().unwrap_or_default().to_owned()
        }),
        path("/save", save),
    ]);
    #[cfg(any(feature = "postgres", feature = "redis"))]
    let site = site.urls(computing::urls());
    site
}

/// Saves when the gate is open, and says so.
struct Gated {
    cache: InMemoryCache,
    gate: PathBuf,
}

impl Cache for Gated {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        eprintln!("saving");
        while !self.gate.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Cache::set(&self.cache, key, value, ttl).await?;
        eprintln!("saved");
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Cache::get(&self.cache, key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        Cache::delete(&self.cache, key).await
    }

    async fn clear(&self) -> Result<()> {
        Cache::clear(&self.cache).await
    }
}

/// Says when it is dropped.
async fn save(request: Request) -> Result<&'static str> {
    struct Gone;

    impl Drop for Gone {
        fn drop(&mut self) {
            eprintln!("the view is dropped");
        }
    }

    let _gone = Gone;
    request.session.set("n", 1).await?;
    request.session.save().await?;
    Ok("answered")
}

/// The client of a test that goes away.
enum Client {
    Http1(Visitor),
    /// With curl.
    Http2(Child),
}

impl Client {
    fn asks_over_http1(server: &Server) -> Self {
        let mut visitor = server.visitor();
        visitor.ask("/thread");
        // A socket that is closed with bytes in it that were not read resets the connection.
        let read = visitor.stream.peek(&mut [0]).expect("an answer");
        assert_eq!(read, 1);
        visitor.ask("/save");
        Self::Http1(visitor)
    }

    /// `None` where there is no curl.
    fn asks_over_http2(server: &Server) -> Option<Self> {
        let started = Command::new("curl")
            .args(["--silent", "--http2-prior-knowledge"])
            .arg(format!("http://{}/save", server.address))
            .stdout(Stdio::null())
            .spawn();
        match started {
            Ok(curl) => Some(Self::Http2(curl)),
            Err(error) => {
                let is_ci = env::var("CI").as_deref() == Ok("true");
                assert!(!is_ci, "CI has to have curl: {error}");
                eprintln!("SKIPPED: there is no curl on this machine: {error}");
                None
            }
        }
    }

    fn goes(self) {
        match self {
            Self::Http1(visitor) => drop(visitor),
            Self::Http2(mut curl) => {
                curl.kill().expect("it is ours");
                curl.wait().expect("it is ours");
            }
        }
    }
}

fn saved_before_the_end() {
    for stealing in ["false", "true"] {
        is_saved_before_the_end(stealing, |server| Some(Client::asks_over_http1(server)));
        is_saved_before_the_end(stealing, Client::asks_over_http2);
    }
}

fn is_saved_before_the_end(stealing: &str, client: impl Fn(&Server) -> Option<Client>) {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("open");
    let mut server = Server::start(&format!(
        "WORKERS = 2\nWORK_STEALING = {stealing}\nSESSION_STORAGE = 'Gated'\nSESSION_STORE_TIMEOUT = 60\n\
         {GATE} = '{}'\nSECRET_KEY = 'a key for tests of more than thirty-two bytes'",
        gate.display()
    ));
    let Some(client) = client(&server) else {
        return;
    };
    server.line_with("saving");
    client.goes();
    server.line_with("the view is dropped");
    server.stop();
    thread::sleep(A_WHILE);
    let ended = server.process.try_wait().expect("it is ours");
    assert_eq!(ended, None, "it has not saved yet");
    fs::write(&gate, "").expect("a file");
    server.line_with("saved");
    server.ends_well();
}
