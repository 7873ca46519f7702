//! A browser's cookies, by the rules of RFC 6265bis.

use std::time::Duration;

use cookie::time::OffsetDateTime;
use cookie::{Cookie as Sent, SameSite};
use cookie_store::{Cookie, CookieDomain, CookieExpiration};
use url::Url;

use super::cookie_date;

/// More bytes of name and value are refused: RFC 6265bis, 5.6.
const MAX_BYTES: usize = 4096;

/// Browsers keep no cookie for longer: RFC 6265bis, 5.5.
const LONGEST_AGE: Duration = Duration::from_hours(400 * 24);

/// The cookies that a client holds, the oldest first.
#[derive(Debug, Default, Clone)]
pub(super) struct Jar {
    cookies: Vec<Cookie<'static>>,
    /// How far the client's clock is ahead of the real one.
    ahead: Duration,
}

impl Jar {
    /// Another visitor's, at the same time.
    pub(super) fn another(&self) -> Self {
        Self {
            cookies: Vec::new(),
            ahead: self.ahead,
        }
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.ahead
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.ahead += by;
        self.drop_expired();
    }

    /// Does what a `Set-Cookie` says, unless a browser would ignore it: RFC 6265bis, 5.7.
    pub(super) fn keep(&mut self, line: &str, url: &Url) {
        let Ok(mut sent) = Sent::parse(line.to_owned()) else {
            return;
        };
        // The crate reads the usual forms of a time alone.
        if sent.expires().is_none()
            && let Some(time) = expires(line)
        {
            sent.set_expires(time);
        }
        // Another host's domain is an error here.
        if let Ok(cookie) = Cookie::try_from_raw_cookie(&sent, url)
            && is_allowed(&cookie, url)
            && !self.covers_a_secure_one(&cookie, url)
        {
            self.put(cookie);
        }
    }

    /// Puts it in the place of one with the same name, domain and path, whose age it takes on.
    fn put(&mut self, mut cookie: Cookie<'static>) {
        if let CookieExpiration::AtUtc(end) = &cookie.expires {
            // `Max-Age` counts from now, and the crate took the real time for that.
            let ahead = cookie.max_age().map_or(Duration::ZERO, |_| self.ahead);
            let end = end.saturating_add(ahead.try_into().unwrap_or_default());
            cookie.expires = CookieExpiration::from(end.min(self.now() + LONGEST_AGE));
        }
        let name = |cookie: &Cookie<'_>| {
            let domain = cookie.domain.as_cow().map(std::borrow::Cow::into_owned);
            (cookie.name().to_owned(), domain, cookie.path.to_string())
        };
        match self
            .cookies
            .iter_mut()
            .find(|kept| name(kept) == name(&cookie))
        {
            Some(kept) => *kept = cookie,
            None => self.cookies.push(cookie),
        }
        self.drop_expired();
    }

    fn drop_expired(&mut self) {
        let now = self.now();
        self.cookies.retain(|cookie| !cookie.expires_by(&now));
    }

    /// What came without encryption replaces and shadows no cookie that came with it.
    fn covers_a_secure_one(&self, new: &Cookie<'_>, url: &Url) -> bool {
        let is_covered = |kept: &&Cookie<'_>| {
            let below = kept.path.as_ref();
            kept.secure() == Some(true)
                && kept.name() == new.name()
                && kept.domain.matches(url)
                && (new.path.as_ref() == below
                    || new
                        .path
                        .strip_prefix(below)
                        .is_some_and(|rest| below.ends_with('/') || rest.starts_with('/')))
        };
        !is_encrypted(url) && self.cookies.iter().any(|kept| is_covered(&kept))
    }

    /// Gives the client a cookie for the whole host.
    pub(super) fn set(&mut self, name: &str, value: &str, url: &Url) {
        let sent = Sent::build((name.to_owned(), value.to_owned())).path("/");
        if let Ok(cookie) = Cookie::try_from_raw_cookie(&sent.build(), url) {
            self.put(cookie);
        }
    }

    pub(super) fn value(&mut self, name: &str) -> Option<String> {
        self.drop_expired();
        let found = self.cookies.iter().find(|cookie| cookie.name() == name)?;
        Some(found.value().to_owned())
    }

    pub(super) fn clear(&mut self) {
        self.cookies.clear();
    }

    /// The `Cookie` header for a URL: of longer paths first, and then the older ones.
    pub(super) fn header(&mut self, url: &Url) -> String {
        self.drop_expired();
        let fits = |cookie: &&Cookie<'_>| cookie.matches(url);
        let mut sent: Vec<_> = self.cookies.iter().filter(fits).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pair = |cookie: &&Cookie<'_>| format!("{}={}", cookie.name(), cookie.value());
        sent.iter().map(pair).collect::<Vec<_>>().join("; ")
    }
}

/// The time of the last `Expires`.
fn expires(line: &str) -> Option<OffsetDateTime> {
    let attributes = line.rsplit(';').filter_map(|text| text.split_once('='));
    let mut times = attributes.filter(|(name, _)| name.trim().eq_ignore_ascii_case("expires"));
    times.find_map(|(_, time)| cookie_date::parse(time))
}

fn is_allowed(cookie: &Cookie<'_>, url: &Url) -> bool {
    let is_secure = cookie.secure() == Some(true);
    let bytes = cookie.name().len() + cookie.value().len();
    bytes <= MAX_BYTES
        && (!is_secure || is_encrypted(url))
        && (is_secure || cookie.same_site() != Some(SameSite::None))
        && keeps_its_prefix(cookie, is_secure)
        && !is_for_a_whole_top_level(cookie, url)
}

/// `__Secure-` and `__Host-` promise something of the cookie: RFC 6265bis, 4.1.3.
fn keeps_its_prefix(cookie: &Cookie<'_>, is_secure: bool) -> bool {
    let name = cookie.name().to_ascii_lowercase();
    let is_of_one_host = matches!(cookie.domain, CookieDomain::HostOnly(_))
        && cookie.path.is_from_path_attr()
        && cookie.path.as_ref() == "/";
    (!name.starts_with("__secure-") || is_secure)
        && (!name.starts_with("__host-") || (is_secure && is_of_one_host))
}

/// `Domain=org`. Suffixes of several words (`co.uk`) would take the list of them all.
fn is_for_a_whole_top_level(cookie: &Cookie<'_>, url: &Url) -> bool {
    match &cookie.domain {
        CookieDomain::Suffix(domain) => !domain.contains('.') && url.host_str() != Some(domain),
        _ => false,
    }
}

fn is_encrypted(url: &Url) -> bool {
    url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_stayed_whose_removal_was_not_written_as_usual() {
        let url = Url::parse("http://testserver/").unwrap();
        for time in [
            "Thu, 1 Jan 1970 00:00:00 GMT",
            "01 Jan 1970 00:00:00",
            "Thu, 01 Jan 1970 0:0:0 UTC",
        ] {
            let mut jar = Jar::default();
            jar.keep("a=1", &url);
            jar.keep(&format!("a=; expires={time}; Path=/"), &url);
            assert_eq!(jar.header(&url), "", "{time}");
        }
    }

    #[test]
    fn a_long_life_overflowed_the_calendar_and_was_longer_than_in_a_browser() {
        let url = Url::parse("http://testserver/").unwrap();
        let mut jar = Jar::default();
        jar.advance(Duration::from_hours(1));
        jar.keep("a=1; Max-Age=99999999999999999999", &url);
        jar.keep("b=1; Expires=Thu, 31 Dec 2999 23:59:59 GMT", &url);
        jar.advance(Duration::from_hours(399 * 24));
        assert_eq!(jar.header(&url), "a=1; b=1");
        jar.advance(Duration::from_hours(24));
        assert_eq!(jar.header(&url), "");
    }

    #[test]
    fn what_comes_without_encryption_covers_no_secure_cookie() {
        let page = |scheme: &str| Url::parse(&format!("{scheme}://testserver/app/x")).unwrap();
        let (plain, secure) = (page("http"), page("https"));
        let mut jar = Jar::default();
        jar.keep("a=1; Path=/app; Secure", &secure);
        for line in [
            "a=2; Path=/app",
            "a=2; Path=/app/x",
            "a=; Path=/app; Max-Age=0",
        ] {
            jar.keep(line, &plain);
            assert_eq!(jar.header(&secure), "a=1", "{line}");
            assert_eq!(jar.header(&plain), "", "{line}");
        }
        // A shorter path covers nothing, and neither do other names that begin alike.
        jar.keep("a=3; Path=/", &plain);
        jar.keep("ab=4; Path=/app", &plain);
        assert_eq!(jar.header(&secure), "a=1; ab=4; a=3");
        jar.keep("a=5; Path=/app", &secure);
        assert_eq!(jar.header(&plain), "a=5; ab=4; a=3");
    }
}
