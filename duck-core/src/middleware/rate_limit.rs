//! How often a view answers one visitor: `.limit("5/min")`.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use super::limiter::Limiter;
use super::rate::Rate;
use super::{Middleware, Next};
use crate::error::{Error, Result};
use crate::http::network_of;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::Response;

/// How often one visitor is answered: `"5/min"`, `"100/hour"`, `"10/s"`, `"1000/day"`. It is given to
/// [`UrlPattern::limit`](crate::UrlPattern::limit), [`Blueprint::limit`](crate::Blueprint::limit) or
/// [`App::limit`](crate::App::limit), where a text will do:
///
/// ```
/// use duck::middleware::RateLimit;
/// use duck::http::POST;
/// use duck::testing::TestClient;
/// use duck::{App, Request, Settings, path};
///
/// async fn search(request: Request) -> &'static str {
///     "found"
/// }
///
/// async fn report(request: Request) -> &'static str {
///     "thank you"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let by_client = RateLimit::new("1000/day").per_key(|request| Some(request.header("x-api-key")?.to_owned()));
/// let app = App::new(Settings::default()).urls([
///     path("/search", search).limit("10/s").limit(by_client),
///     path("/report", report).methods([POST]).limit("2/min"),
/// ]);
/// let site = TestClient::start(app).await;
/// for _ in 0..2 {
///     assert_eq!(site.post("/report").await.status(), 200);
/// }
/// let refused = site.post("/report").await;
/// assert_eq!(refused.status(), 429);
/// assert_eq!(refused.header("retry-after"), Some("30"));
/// # }
/// ```
///
/// `"5/min"` lets five through at once, and one more every twelve seconds; after a minute without any, it is five
/// again (the generic cell rate algorithm). So within one minute nine pass at most, and within an hour 304.
/// [`burst`](Self::burst) says how many at once.
///
/// What comes too often is a 429 (RFC 6585, 4) with `Retry-After` in whole seconds, rounded up: after so long one
/// request passes. It has the site's error page, and is in the log as a detail only. A request that was refused
/// does not count.
///
/// A visitor is an address, as [`Request::client_ip`] tells it: behind a proxy that `TRUSTED_PROXIES` does not
/// name all visitors are one. Of IPv6 it is the network of 64 bits. Requests without an address are counted
/// together.
///
/// Each limit counts for itself, and each process of a site does. It remembers 65,536 visitors in 2 MB at most. Beyond
/// that, the half that has used up least is forgotten: a flood of addresses that come once frees nobody who has to wait,
/// unless more than that many wait at the same time.
#[derive(Clone)]
pub struct RateLimit {
    text: Cow<'static, str>,
    burst: Option<u32>,
    methods: Option<Vec<Method>>,
    by: By,
}

/// Who is counted.
#[derive(Clone)]
enum By {
    Address,
    User,
    Key(Arc<Key>),
}

type Key = dyn Fn(&Request) -> Option<String> + Send + Sync;

impl RateLimit {
    /// A limit by address. A text that is none stops the site from starting, with a sentence that names the URL
    /// pattern, and the line where the limit was added.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            burst: None,
            methods: None,
            by: By::Address,
        }
    }

    /// Counts users by their ids, wherever they come from, and visitors who are not logged in by address. It takes
    /// sessions, and loads the visitor's. So whoever sends made-up session ids has the storage asked: a limit by
    /// address before this one bounds that.
    #[must_use]
    pub fn per_user(self) -> Self {
        let by = By::User;
        Self { by, ..self }
    }

    /// Counts by a key that the function finds in the request, such as the key of an API in a header, and by
    /// address where it finds none.
    ///
    /// It has to be a key that was checked, or one who makes up keys is never refused: add a limit by address
    /// besides.
    #[must_use]
    pub fn per_key(self, key: impl Fn(&Request) -> Option<String> + Send + Sync + 'static) -> Self {
        let by = By::Key(Arc::new(key));
        Self { by, ..self }
    }

    /// How many pass at once, in place of the number of the text: `"10/s"` with `burst(1)` is one every tenth of a
    /// second.
    #[must_use]
    pub fn burst(self, requests: u32) -> Self {
        let burst = Some(requests);
        Self { burst, ..self }
    }

    /// Counts and refuses only requests with these methods: `[POST]` for a view that shows its form as well.
    /// Otherwise all that the view answers count, `HEAD` as `GET` does.
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        let methods = Some(methods.into_iter().collect());
        Self { methods, ..self }
    }

    fn limiter(&self) -> Result<Limiter, String> {
        let rate = Rate::parse(&self.text);
        let Rate { count, one_more } =
            rate.map_err(|why| format!("the limit {:?} {why}", self.text))?;
        let at_once = NonZeroU32::new(self.burst.unwrap_or(count.get()));
        let at_once = at_once.ok_or("a burst of 0 lets nobody through")?;
        Ok(Limiter::new(at_once, one_more))
    }
}

impl From<&'static str> for RateLimit {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<String> for RateLimit {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("text", &self.text)
            .field("burst", &self.burst)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// A limit with what it has counted: a middleware, where it was added.
pub(crate) struct Counted {
    limit: RateLimit,
    /// Or what is wrong with the limit: [`check`](Self::check) says it when the site starts.
    limiter: Result<Limiter, String>,
    keys: RandomState,
    added: &'static Location<'static>,
}

/// Whom a request is counted for.
#[derive(Hash)]
enum Whose {
    Address(Option<IpAddr>),
    User(String),
    Key(String),
}

impl Counted {
    pub(crate) fn new(limit: RateLimit, added: &'static Location<'static>) -> Self {
        Self {
            limiter: limit.limiter(),
            limit,
            keys: RandomState::new(),
            added,
        }
    }

    /// Refuses a limit of `what` that could not count.
    pub(crate) fn check(&self, what: impl fmt::Display, has_sessions: bool) -> Result<()> {
        let wrong = match &self.limiter {
            Err(wrong) => wrong.as_str(),
            Ok(_) if !has_sessions && matches!(self.limit.by, By::User) => {
                "a limit per user takes sessions: add `.with(SessionMiddleware::new())` to the app, before it"
            }
            Ok(_) => return Ok(()),
        };
        let (file, line) = (self.added.file(), self.added.line());
        Err(Error::internal(format!("{what} ({file}:{line}): {wrong}")))
    }

    async fn whose(&self, request: &Request) -> Result<Whose> {
        let known = match &self.limit.by {
            By::Address => None,
            By::User => request.session.user().await?.map(Whose::User),
            By::Key(key) => key(request).map(Whose::Key),
        };
        Ok(known.unwrap_or_else(|| Whose::Address(request.client_ip().map(network_of))))
    }
}

// The compiler would name it where something is no middleware, and only with the feature.
#[diagnostic::do_not_recommend]
impl Middleware for Counted {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let methods = self.limit.methods.as_ref();
        if methods.is_none_or(|methods| methods.contains(request.method())) {
            let limiter = self.limiter.as_ref();
            let limiter = limiter.map_err(|wrong| Error::internal(wrong.clone()))?;
            let whose = self.whose(&request).await?;
            limiter.count(self.keys.hash_one(whose)).map_err(refusal)?;
        }
        Ok(next.run(request).await)
    }
}

fn refusal(seconds: u64) -> RequestError {
    let plural = if seconds == 1 { "" } else { "s" };
    let text = format!("too many requests: try again in {seconds} second{plural}");
    RequestError::new(StatusCode::TOO_MANY_REQUESTS, text)
        .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::limiter::MOST;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_million_made_up_addresses_stay_within_bounds_and_free_nobody_who_waits() {
        let limit = RateLimit::new("5/hour");
        let counted = Counted::new(limit, Location::caller());
        let limiter = counted.limiter.as_ref().unwrap();
        let key = |address: u32| {
            let address = IpAddr::from(Ipv4Addr::from_bits(address));
            counted.keys.hash_one(Whose::Address(Some(address)))
        };
        let visitor = key(u32::MAX);
        assert_eq!(
            (0..100).filter(|_| limiter.count(visitor).is_ok()).count(),
            5
        );
        let mut passed = 0;
        for address in 0..1_000_000 {
            passed += u32::from(limiter.count(key(address)).is_ok());
            assert!(limiter.len() <= MOST);
        }
        assert_eq!(passed, 1_000_000, "none of them has come before");
        assert_eq!(limiter.count(visitor), Err(720), "it waits as before");
        assert!(limiter.len() > MOST / 2 - 1, "{}", limiter.len());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_all_wait_free_no_more_than_half_of_themselves() {
        let limiter = RateLimit::new("1/hour").limiter().unwrap();
        let most = u64::try_from(MOST).unwrap();
        for key in 0..=most {
            assert!(limiter.count(key).is_ok());
        }
        let waiting = (0..=most).filter(|key| limiter.count(*key).is_err());
        assert!(waiting.count() >= MOST / 2);
    }
}
