//! Who asks.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderValue};

/// What a request shows of its visitor: enough to find the session. Nothing is looked up before it
/// is asked for.
///
/// ```
/// use duck::http::{HeaderMap, HeaderValue};
/// use duck::session::Visitor;
///
/// let headers = HeaderMap::from_iter([("cookie".parse()?, HeaderValue::from_static("theme=dark"))]);
/// let visitor = Visitor::new(headers, true);
/// assert!(visitor.sends_cookies() && visitor.is_secure());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Visitor {
    appearance: Arc<dyn Appearance>,
    arrived: SystemTime,
}

/// A request as far as its visitor is concerned.
pub(crate) trait Appearance: Send + Sync {
    fn headers(&self) -> &HeaderMap;
    fn is_secure(&self) -> bool;
    fn address(&self) -> Option<IpAddr>;

    /// Whether the log has a line of each request, with its user.
    fn is_logged(&self) -> bool {
        false
    }

    /// Keeps the user for that line.
    fn log_user(&self, _user: &str) {}
}

impl Visitor {
    /// A visitor who sent these headers, over HTTPS or not.
    pub fn new(headers: HeaderMap, secure: bool) -> Self {
        Self::of(Arc::new(Given { headers, secure }))
    }

    pub(crate) fn of(appearance: Arc<dyn Appearance>) -> Self {
        let arrived = SystemTime::UNIX_EPOCH;
        Self {
            appearance,
            arrived,
        }
    }

    /// The same visitor, whose request's head arrived then by the engine's clock.
    #[must_use]
    pub fn arrived_at(self, arrived: SystemTime) -> Self {
        Self { arrived, ..self }
    }

    /// When the request's head arrived. A slow upload may come to an end much later.
    pub fn arrived(&self) -> SystemTime {
        self.arrived
    }

    /// The headers they sent.
    pub fn headers(&self) -> &HeaderMap {
        self.appearance.headers()
    }

    /// The values of their `Cookie` headers: HTTP/2 may split it (RFC 9113, 8.2.3).
    pub fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        let headers = self.headers().get_all(header::COOKIE).into_iter();
        headers.map(HeaderValue::as_bytes)
    }

    /// Whether they sent any cookie at all.
    pub fn sends_cookies(&self) -> bool {
        self.headers().contains_key(header::COOKIE)
    }

    /// Whether the request came over HTTPS, perhaps through a trusted proxy.
    pub fn is_secure(&self) -> bool {
        self.appearance.is_secure()
    }

    /// Where it came from; `None` in tests without a socket.
    pub fn address(&self) -> Option<IpAddr> {
        self.appearance.address()
    }

    /// Tells the log whose session it is, if that has a line of each request.
    pub(super) fn log_user(&self, user: impl FnOnce() -> Option<String>) {
        if self.appearance.is_logged()
            && let Some(user) = user()
        {
            self.appearance.log_user(&user);
        }
    }

    /// What the browser says it is.
    pub fn agent(&self) -> Option<&str> {
        self.headers().get(header::USER_AGENT)?.to_str().ok()
    }
}

/// Without a request: in tests, and for engines that are asked by hand.
struct Given {
    headers: HeaderMap,
    secure: bool,
}

impl Appearance for Given {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn is_secure(&self) -> bool {
        self.secure
    }

    fn address(&self) -> Option<IpAddr> {
        None
    }
}

impl fmt::Debug for Visitor {
    /// Not the headers: the cookie is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor")
            .field("secure", &self.is_secure())
            .finish_non_exhaustive()
    }
}
