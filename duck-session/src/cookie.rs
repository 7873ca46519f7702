//! The session's cookie: what it is called, what it says, and how it is found again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrayvec::ArrayVec;
use bytes::Bytes;
use duck::http::HeaderValue;
use duck::session::{NewCookie, SessionId, Visitor};
use smallvec::SmallVec;

use crate::seal::cookie_key;
use crate::settings::{LONGEST_AGE, Prefix, SameSite, Secure, SessionSettings};
use crate::store::SessionKey;

/// How many different ids of one request are looked up at most: rule 48.
const MOST_CANDIDATES: usize = 4;

/// The cookie as the settings want it, over HTTP and over HTTPS.
#[derive(Debug)]
pub(crate) struct SessionCookie {
    plain: Form,
    secure: Form,
    age: AgeText,
}

/// `; Max-Age=…; Expires=…` as it was last written: within a second it is mostly the same.
#[derive(Debug, Default)]
struct AgeText(Mutex<(u64, u64, String)>);

impl AgeText {
    /// Does something with the text for a cookie that lives for `age` from `now` on.
    fn with<T>(&self, age: Duration, now: SystemTime, make: impl FnOnce(&str) -> T) -> T {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if (last.0, last.1) != (seconds, age.as_secs()) {
            let expires = httpdate::fmt_http_date(now + age);
            *last = (
                seconds,
                age.as_secs(),
                format!("; Max-Age={}; Expires={expires}", age.as_secs()),
            );
        }
        make(&last.2)
    }
}

/// The parts of a `Set-Cookie` that are the same for every visitor.
#[derive(Debug, Clone)]
struct Form {
    name: String,
    /// `; Path=/; Domain=…`
    place: String,
    /// `; Secure; HttpOnly; SameSite=Lax`
    flags: String,
    /// Made of the name and the place.
    key: SessionKey,
}

impl SessionCookie {
    pub(crate) fn new(own: &SessionSettings) -> Self {
        Self {
            plain: Form::new(own, false),
            secure: Form::new(own, true),
            age: AgeText::default(),
        }
    }

    fn form(&self, visitor: &Visitor) -> &Form {
        if visitor.is_secure() {
            &self.secure
        } else {
            &self.plain
        }
    }

    /// The name for a visitor.
    pub(crate) fn name(&self, visitor: &Visitor) -> &str {
        &self.form(visitor).name
    }

    /// What a session in the cookie itself is sealed for: this cookie, and none of another site on this host.
    pub(crate) fn key(&self, visitor: &Visitor) -> &SessionKey {
        &self.form(visitor).key
    }

    /// The header that sets the cookie. A lifetime beyond what browsers keep is cut to that.
    pub(crate) fn set(
        &self,
        cookie: &NewCookie,
        visitor: &Visitor,
        now: SystemTime,
    ) -> Option<HeaderValue> {
        let form = self.form(visitor);
        let text = |age: &str| cookie.value.with_text(|value| form.text(value, age));
        let text = match cookie.max_age {
            Some(age) => self.age.with(age.min(LONGEST_AGE), now, text),
            None => text(""),
        };
        let mut header = HeaderValue::from_maybe_shared(Bytes::from(text)).ok()?;
        header.set_sensitive(true); // a response that is printed does not show it
        Some(header)
    }

    /// The headers that remove it: the one with a domain, and the one without that an earlier setting may
    /// have left.
    pub(crate) fn remove(&self, visitor: &Visitor) -> impl Iterator<Item = HeaderValue> {
        let Form {
            name, place, flags, ..
        } = self.form(visitor);
        let own_host = place.find("; Domain=").map(|domain| &place[..domain]);
        let places = [Some(&**place), own_host].into_iter().flatten();
        let removed = move |place| {
            format!("{name}={place}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{flags}")
        };
        places.filter_map(move |place| HeaderValue::try_from(removed(place)).ok())
    }

    /// What the visitor's cookies of this name say: several, where somebody planted a second one.
    pub(crate) fn values<'a>(&self, visitor: &'a Visitor) -> SmallVec<[&'a [u8]; 2]> {
        let name = self.name(visitor).as_bytes();
        let mut values = SmallVec::new();
        for header in visitor.cookies() {
            for pair in pairs(header) {
                values.extend(value_of(name, pair));
            }
        }
        values
    }

    /// The different well-formed ids among them.
    pub(crate) fn candidates(&self, visitor: &Visitor) -> Candidates {
        let mut candidates = Candidates::default();
        for value in self.values(visitor) {
            match SessionId::parse(value) {
                Some(id) => candidates.add(id),
                None => candidates.malformed = true,
            }
        }
        candidates
    }
}

/// The value in a pair of this name.
fn value_of<'a>(name: &[u8], pair: &'a [u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

/// The `name=value` pairs of a `Cookie` header.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let header = rest?;
        let end = memchr::memchr(b';', header);
        rest = end.map(|end| &header[end + 1..]);
        Some(header[..end.unwrap_or(header.len())].trim_ascii())
    })
}

/// The ids a visitor presents.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Whether there was something else under the name.
    pub(crate) malformed: bool,
    ids: ArrayVec<SessionId, MOST_CANDIDATES>,
}

impl Candidates {
    fn add(&mut self, id: SessionId) {
        if !self.ids.contains(&id) {
            let _too_many = self.ids.try_push(id);
        }
    }

    /// The different ones, up to four.
    pub(crate) fn ids(&self) -> &[SessionId] {
        &self.ids
    }
}

impl Form {
    fn new(own: &SessionSettings, https: bool) -> Self {
        let never = own.session_cookie_secure == Secure::Never;
        let secure = own.is_always_secure() || (https && !never);
        let mut place = format!("; Path={}", own.session_cookie_path);
        if let Some(domain) = &own.session_cookie_domain {
            place.push_str("; Domain=");
            place.push_str(domain);
        }
        let mut flags = String::new();
        flags += if secure { "; Secure" } else { "" };
        flags += if own.session_cookie_httponly {
            "; HttpOnly"
        } else {
            ""
        };
        flags += match own.session_cookie_samesite {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
        };
        flags += if own.session_cookie_partitioned {
            "; Partitioned"
        } else {
            ""
        };
        let name = prefixed(own, secure);
        Self {
            key: cookie_key(&name, &place),
            name,
            place,
            flags,
        }
    }

    /// The header with this value. It has exactly the length it needs, so a header takes it as it is.
    fn text(&self, value: &[u8], age: &str) -> Vec<u8> {
        let (name, place, flags) = (
            self.name.as_bytes(),
            self.place.as_bytes(),
            self.flags.as_bytes(),
        );
        [name, b"=", value, place, age.as_bytes(), flags].concat()
    }
}

/// The name with its prefix, which browsers take with `Secure` only: rule 42.
fn prefixed(own: &SessionSettings, secure: bool) -> String {
    let prefix = match own.session_cookie_prefix {
        Prefix::None => "",
        _ if !secure => "",
        Prefix::Secure => "__Secure-",
        Prefix::Auto if !own.is_for_own_host() => "__Secure-",
        Prefix::Auto | Prefix::Host => "__Host-",
    };
    format!("{prefix}{}", own.session_cookie_name)
}

/// How long a cookie of a record that ends then should be kept: never longer than the record.
pub(crate) fn max_age(expires: u64, now: u64, persistent: bool) -> Option<Duration> {
    persistent.then(|| Duration::from_secs(expires.saturating_sub(now) / 1000))
}

#[cfg(test)]
mod tests;
