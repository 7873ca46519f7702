//! A shared cache between visitors and the site, as a proxy or a CDN is one: rules 51 to 53. It keeps
//! to RFC 9111 where that forbids to store or to reuse, and else keeps all it can for as long as it
//! can; and every page says that it may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use duck::testing::{TestClient, TestResponse};
use duck::{Request, Response, Result, StatusCode, UrlPattern, text};

use crate::support::{page, scripted};

/// What a cache hands out.
#[derive(Debug, Clone)]
struct Page {
    text: String,
    cookies: Vec<String>,
}

/// A response, and the request headers that its `Vary` names, as they were.
struct Stored {
    page: Page,
    varies: Vec<(String, Option<String>)>,
}

struct SharedCache {
    site: TestClient,
    stored: Mutex<HashMap<String, Vec<Stored>>>,
    hits: Mutex<usize>,
}

impl SharedCache {
    fn before(site: TestClient) -> Arc<Self> {
        Arc::new(Self {
            site,
            stored: Mutex::default(),
            hits: Mutex::default(),
        })
    }

    async fn get(&self, path: &str, cookie: Option<&str>) -> Page {
        if let Some(page) = self.reuse(path, cookie) {
            *self.hits.lock().unwrap() += 1;
            return page;
        }
        let visitor = self.site.another();
        let mut request = visitor.get(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.await;
        let page = Page {
            text: response.text().to_owned(),
            cookies: response
                .set_cookies()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        };
        if let Some(varies) = may_store(&response, cookie) {
            let stored = Stored {
                page: page.clone(),
                varies,
            };
            let mut all = self.stored.lock().unwrap();
            all.entry(path.to_owned()).or_default().push(stored);
        }
        page
    }

    /// RFC 9111, 4.1: only for a request whose headers are those of the request it was stored for.
    fn reuse(&self, path: &str, cookie: Option<&str>) -> Option<Page> {
        let all = self.stored.lock().unwrap();
        let fits = |stored: &&Stored| {
            let mut varies = stored.varies.iter();
            varies.all(|(name, value)| value.as_deref() == cookie.filter(|_| name == "cookie"))
        };
        Some(all.get(path)?.iter().find(fits)?.page.clone())
    }
}

/// RFC 9111, 3 and 4.1: what `Vary` names, where the response may be stored at all.
fn may_store(
    response: &TestResponse,
    cookie: Option<&str>,
) -> Option<Vec<(String, Option<String>)>> {
    let control = response.header("cache-control").unwrap_or_default();
    let forbids = ["no-store", "private", "no-cache"];
    let is_final = response.status() != StatusCode::NOT_MODIFIED;
    if !is_final || forbids.iter().any(|word| control.contains(word)) {
        return None;
    }
    let mut varies = Vec::new();
    for vary in response.headers().get_all("vary") {
        for name in vary.to_str().unwrap().split(',') {
            let name = name.trim().to_ascii_lowercase();
            if name == "*" {
                return None;
            }
            let value = cookie.filter(|_| name == "cookie").map(str::to_owned);
            varies.push((name, value));
        }
    }
    Some(varies)
}

/// A visitor behind the cache, with a cookie as a browser keeps it.
struct Visitor {
    cache: Arc<SharedCache>,
    cookie: Option<String>,
    /// All cookies there ever were.
    seen: Vec<String>,
}

impl Visitor {
    fn of(cache: &Arc<SharedCache>) -> Self {
        Self {
            cache: cache.clone(),
            cookie: None,
            seen: Vec::new(),
        }
    }

    async fn get(&mut self, path: &str) -> String {
        let page = self.cache.get(path, self.cookie.as_deref()).await;
        for cookie in page.cookies {
            let pair = cookie.split(';').next().unwrap().to_owned();
            if cookie.contains("Max-Age=0") {
                self.cookie = None;
                continue;
            }
            self.cookie = Some(pair.clone());
            self.seen.push(pair);
        }
        page.text
    }
}

/// What the original's production headers said, on every response.
fn public(response: Response) -> Result<Response> {
    Ok(response.with_header("cache-control", "public, max-age=2592000, s-maxage=2592000")?)
}

fn pages(status: u16) -> Vec<UrlPattern> {
    let answer =
        move |text_: String| public(text(text_).with_status(StatusCode::from_u16(status)?));
    vec![
        page("/p/begin", move |request: Request| async move {
            let session = &request.session;
            let count = session
                .update("count", |count: &mut u32| *count += 1)
                .await?;
            answer(format!("count {count}"))
        }),
        page("/p/me", move |request: Request| async move {
            answer(
                request
                    .session
                    .user()
                    .await?
                    .unwrap_or_else(|| "nobody".into()),
            )
        }),
        page("/p/in", move |request: Request| async move {
            request.session.login("alice").await?;
            answer("in".into())
        }),
        page("/p/cycle", move |request: Request| async move {
            request.session.cycle_id().await?;
            answer("cycled".into())
        }),
        page("/p/out", move |request: Request| async move {
            request.session.logout().await?;
            answer("out".into())
        }),
        // A page that has nothing to do with sessions; and one of a careless site.
        page("/p/plain", move |_| async move { answer("plain".into()) }),
        page("/p/careless", move |_| async move {
            Ok(public(text("careless"))?.with_cookie(("session_of_another_kind", "1"))?)
        }),
    ]
}

#[tokio::test]
async fn a_second_visitor_never_gets_the_first_ones_cookie_or_page() {
    for status in [200, 301, 404, 410] {
        let (site, _) = scripted(pages(status)).await;
        let cache = SharedCache::before(site);
        let (mut alice, mut bob) = (Visitor::of(&cache), Visitor::of(&cache));
        for path in [
            "/p/me", "/p/begin", "/p/me", "/p/in", "/p/me", "/p/begin", "/p/cycle", "/p/me",
            "/p/begin",
        ] {
            alice.get(path).await;
            assert_ne!(bob.get("/p/me").await, "alice", "{status} {path}");
        }
        assert_eq!(alice.get("/p/me").await, "alice", "{status}");
        assert_eq!(
            bob.get("/p/begin").await,
            "count 1",
            "{status}: a counter of his own"
        );
        alice.get("/p/out").await;
        let left = bob.cookie.clone();
        for path in ["/p/begin", "/p/me"] {
            bob.get(path).await;
        }
        assert_eq!(bob.cookie, left, "{status}: nobody logs out for another");
        let mut carol = Visitor::of(&cache);
        assert_eq!(carol.get("/p/me").await, "nobody", "{status}");
        carol.get("/p/begin").await;
        carol.get("/p/in").await;
        for (one, two) in [(&alice, &bob), (&alice, &carol), (&bob, &carol)] {
            assert!(
                one.seen.iter().all(|cookie| !two.seen.contains(cookie)),
                "{status}"
            );
        }
    }
}

/// The cache is a real one: it does hand out what it may, and what a careless site lets it.
#[tokio::test]
async fn the_cache_hands_out_what_it_may() {
    let (site, _) = scripted(pages(200)).await;
    let cache = SharedCache::before(site);
    let (mut alice, mut bob) = (Visitor::of(&cache), Visitor::of(&cache));
    for path in ["/p/plain", "/p/careless"] {
        alice.get(path).await;
        bob.get(path).await;
    }
    assert_eq!(*cache.hits.lock().unwrap(), 2);
    assert_eq!(
        bob.seen,
        ["session_of_another_kind=1"],
        "as it would be with a careless session layer"
    );
    let mut alice = Visitor::of(&cache);
    alice.get("/p/begin").await;
    alice.get("/p/me").await;
    alice.get("/p/me").await;
    assert_eq!(
        *cache.hits.lock().unwrap(),
        3,
        "her own page is hers to have again"
    );
}
