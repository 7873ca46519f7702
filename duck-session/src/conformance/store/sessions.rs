//! Sessions over the storage, through the middleware.

use std::pin::pin;
use std::sync::Arc;

use duck::testing::TestClient;
use duck::{App, Request, Result, Settings, path};
use futures_util::future::{Either, join_all, select};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use super::super::threads::{RUNNERS, side_by_side};
use super::super::verdict::{Broken, Verdict, ensure};
use super::trial::Trial;
use crate::store::SessionStore;

const COOKIE: &str = "session_id";

const STORAGE: &str = "StorageOnTrial";

/// A page that waits in the middle, and what lets it go on.
#[derive(Clone)]
struct Slow(Arc<(Semaphore, Semaphore)>);

impl Slow {
    fn new() -> Self {
        Self(Arc::new((Semaphore::new(0), Semaphore::new(0))))
    }

    async fn wait(&self) {
        self.0.0.add_permits(1);
        _ = self.0.1.acquire().await.map(SemaphorePermit::forget);
    }

    async fn is_waiting(&self) {
        _ = self.0.0.acquire().await.map(SemaphorePermit::forget);
    }

    /// Asks for the page, and does `fast` while it waits. A page that fails does not wait.
    async fn beside<T>(
        &self,
        slow: impl Future<Output = T>,
        fast: impl Future<Output = Verdict>,
    ) -> std::result::Result<T, Broken> {
        let mut slow = pin!(slow);
        let waiting = pin!(self.is_waiting());
        if let Either::Left((done, _)) = select(slow.as_mut(), waiting).await {
            return Ok(done);
        }
        fast.await?;
        self.0.1.add_permits(1);
        Ok(slow.await)
    }
}

/// A browser on a site over the storage.
struct Visitor {
    client: Arc<TestClient>,
    slow: Slow,
}

impl Visitor {
    async fn of<S: SessionStore>(trial: &Trial<S>) -> std::result::Result<Self, Broken> {
        let settings = Settings::default()
            .with(
                "SECRET_KEY",
                "a key for checks, of more than thirty-two bytes",
            )
            .with("SESSION_STORAGE", STORAGE)
            .with("SESSION_STORE_TIMEOUT", 60)
            .with("SESSION_SWEEP_INTERVAL", 0);
        let sessions = trial.sessions(STORAGE);
        let slow = Slow::new();
        let waits = slow.clone();
        let slowly = move |request: Request| -> duck::BoxFuture<'static, Result<String>> {
            let slow = waits.clone();
            Box::pin(async move {
                request.session.set("slow", "1").await?;
                slow.wait().await;
                Ok(String::new())
            })
        };
        let app = App::new(settings).with(sessions).urls([
            path("/get/<key>", get),
            path("/set/<key>", set),
            path("/add/<key>", add),
            path("/user", user),
            path("/login", login),
            path("/logout", logout),
            path("/cycle", cycle),
            path("/slow", slowly),
        ]);
        // A check is a task, and may move between threads; a site stays on the one where it starts.
        let runtime = Handle::current();
        let site = spawn_blocking(move || runtime.block_on(app.start()))
            .await
            .map_err(|error| Broken::because(error.to_string()))?
            .map_err(|error| Broken::failed("starting a site", &error))?;
        Ok(Self {
            client: Arc::new(TestClient::of(site)),
            slow,
        })
    }

    /// Another window of the same browser.
    fn tab(&self) -> Self {
        let client = self.client.another();
        if let Some(id) = self.client.cookie(COOKIE) {
            client.set_cookie(COOKIE, &id);
        }
        Self {
            client: Arc::new(client),
            slow: self.slow.clone(),
        }
    }

    /// Asks for a page, which has to say this.
    async fn expect(&self, path: &str, text: &str, when: &str) -> Verdict {
        let page = self.client.get(path).await;
        let (status, found) = (page.status(), String::from_utf8_lossy(page.bytes()));
        ensure(status == 200 && found == text, || {
            format!("{when}, {path} answered {status} {found:?} in place of {text:?}")
        })
    }

    async fn ask(&self, path: &str) -> Verdict {
        let page = self.client.get(path).await;
        ensure(page.status() == 200, || {
            let said = String::from_utf8_lossy(page.bytes());
            format!("{path} answered {} {said:?}", page.status())
        })
    }
}

async fn get(request: Request, key: String) -> Result<String> {
    let value: Option<serde_json::Value> = request.session.get(&key).await?;
    Ok(value.map_or_else(|| "nothing".to_owned(), |value| value.to_string()))
}

async fn set(request: Request, key: String) -> Result<&'static str> {
    request.session.set(&key, 1).await?;
    Ok("")
}

async fn add(request: Request, key: String) -> Result<&'static str> {
    request
        .session
        .update(&key, |number: &mut u32| *number += 1)
        .await?;
    Ok("")
}

async fn user(request: Request) -> Result<String> {
    let user = request.session.user().await?;
    Ok(user.unwrap_or_else(|| "nobody".to_owned()))
}

async fn login(request: Request) -> Result<&'static str> {
    request.session.login("ada").await?;
    Ok("")
}

async fn logout(request: Request) -> Result<&'static str> {
    request.session.logout().await?;
    Ok("")
}

async fn cycle(request: Request) -> Result<&'static str> {
    request.session.cycle_id().await?;
    Ok("")
}

pub(super) async fn knows_a_visitor_again<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let visitor = Visitor::of(&trial).await?;
    visitor.expect("/get/a", "nothing", "at first").await?;
    visitor.ask("/set/a").await?;
    visitor
        .expect("/get/a", "1", "after a value was set")
        .await?;
    let stranger = visitor.client.another();
    let seen = stranger.get("/get/a").await;
    ensure(seen.bytes() == "nothing", || {
        "a stranger read the value".to_owned()
    })?;
    let stolen = visitor.tab();
    visitor.ask("/logout").await?;
    stolen.expect("/get/a", "nothing", "after a logout").await
}

pub(super) async fn counts_parallel_updates<S: SessionStore>(trial: Trial<S>) -> Verdict {
    const EACH: usize = 200 / RUNNERS;
    let visitor = Visitor::of(&trial).await?;
    visitor.ask("/login").await?;
    let clients = (0..RUNNERS).map(|_| {
        let tab = visitor.tab();
        async move {
            let requests = (0..EACH).map(|_| tab.ask("/add/n"));
            join_all(requests).await.into_iter().collect::<Verdict>()
        }
    });
    side_by_side(clients.collect()).await?;
    visitor.expect("/get/n", "200", "after 200 updates").await?;
    visitor.expect("/user", "ada", "after 200 updates").await
}

pub(super) async fn keeps_both_keys<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let visitor = Visitor::of(&trial).await?;
    visitor.ask("/set/begun").await?;
    let (slow, fast) = (visitor.ask("/slow"), visitor.ask("/set/fast"));
    visitor.slow.beside(slow, fast).await??;
    let when = "after two requests that met";
    visitor.expect("/get/begun", "1", when).await?;
    visitor.expect("/get/fast", "1", when).await?;
    visitor.expect("/get/slow", "\"1\"", when).await
}

pub(super) async fn keeps_a_logout<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let visitor = Visitor::of(&trial).await?;
    visitor.ask("/login").await?;
    let tab = visitor.tab();
    let slow = tab.client.get("/slow").into_future();
    let slow = visitor.slow.beside(slow, visitor.ask("/logout")).await?;
    ensure(slow.status() == 200, || {
        format!(
            "a request that a logout overtook answered {}",
            slow.status()
        )
    })?;
    ensure(slow.set_cookies().is_empty(), || {
        "a request that a logout overtook sent a cookie".to_owned()
    })?;
    let when = "after a logout that raced a slow save";
    tab.expect("/user", "nobody", when).await?;
    tab.expect("/get/slow", "nothing", when).await
}

pub(super) async fn gives_up_the_old_id<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let visitor = Visitor::of(&trial).await?;
    visitor.ask("/set/a").await?;
    for renews in ["/cycle", "/login"] {
        let old = visitor.tab();
        let (slow, fast) = (old.ask("/slow"), visitor.ask(renews));
        visitor.slow.beside(slow, fast).await??;
        let when = format!("with the id from before {renews}");
        old.expect("/get/a", "nothing", &when).await?;
        old.ask("/set/late").await?;
        let when = format!("after {renews} and writes with the id from before");
        visitor.expect("/get/a", "1", &when).await?;
        visitor.expect("/get/slow", "nothing", &when).await?;
        visitor.expect("/get/late", "nothing", &when).await?;
    }
    visitor.expect("/user", "ada", "after a login").await
}

pub(super) async fn outlive_the_site<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let first = Visitor::of(&trial).await?;
    first.ask("/login").await?;
    first.client.site().stop().await;
    let cookie = first.client.cookie(COOKIE).unwrap_or_default();
    drop(first);
    let trial = trial.reopened().await;
    let second = Visitor::of(&trial).await?;
    second.client.set_cookie(COOKIE, &cookie);
    second.expect("/user", "ada", "after a restart").await?;
    second.ask("/logout").await?;
    drop(second);
    let trial = trial.reopened().await;
    let third = Visitor::of(&trial).await?;
    third.client.set_cookie(COOKIE, &cookie);
    third
        .expect("/user", "nobody", "after a logout and a restart")
        .await
}

pub(super) async fn two_sites_share<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let here = Visitor::of(&trial).await?;
    let there = Visitor::of(&trial.opened_again().await).await?;
    here.ask("/set/a").await?;
    there
        .client
        .set_cookie(COOKIE, &here.client.cookie(COOKIE).unwrap_or_default());
    there.expect("/get/a", "1", "on another site").await?;
    let counters = [here.tab(), there.tab(), here.tab()].map(|tab| async move {
        for _ in 0..50 {
            tab.ask("/add/n").await?;
        }
        Ok(())
    });
    side_by_side(counters.into()).await?;
    here.expect("/get/n", "150", "after 150 updates on two sites")
        .await?;
    there.ask("/logout").await?;
    here.expect("/get/a", "nothing", "after a logout on another site")
        .await
}
