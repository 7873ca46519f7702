//! `SESSION_ENGINE = "cookie"`: the whole session, sealed, in the visitor's cookie.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use data_encoding::BASE64URL_NOPAD;
use duck::http::HeaderValue;
use duck::session::{
    Changes, Commit, CookieValue, IdChange, Loaded, NewCookie, NowOrLater, Record, SessionData,
    SessionEngine, SessionError, SessionPolicy, Visitor,
};
use duck::settings::SecretKey;
use duck::{BoxFuture, Result};
use futures_util::FutureExt;

use crate::binding::Binding;
use crate::clock::{self, Clock};
use crate::cookie::{self, SessionCookie};
use crate::events::Warning;
use crate::header::{Header, Login};
use crate::lifetime::Lifetimes;
use crate::log::Log;
use crate::opening::Opening;
use crate::seal::Sealer;
use crate::store::{OpenSession, Plain, StoredSession, Version};
use crate::verifier::Digest;

mod settings;

/// Keeps sessions in their visitors' cookies, sealed. There is no storage, and so there are
/// things it cannot do: a session cannot be ended from the server's side (a copied cookie lives
/// until it expires, logout or not), and of two requests that change it side by side the last
/// response wins.
pub(crate) struct CookieEngine {
    cookie: SessionCookie,
    sealer: Sealer,
    lifetimes: Lifetimes,
    clock: Clock,
    binding: Binding,
    log: Log,
}

/// The cookie is all there is: nobody counts its versions.
const VERSION: Version = Version {
    count: 0,
    random: 0,
};

impl CookieEngine {
    /// The engine, and a sentence for `check` about each default that it cannot keep.
    pub(crate) fn new(opening: &Opening<'_>) -> Result<(Self, Vec<String>)> {
        let (own, settings) = (opening.own, opening.settings);
        let notes = settings::refuse_or_note(own, settings)?;
        let mut lifetimes = Lifetimes::new(own);
        lifetimes.policy.max_bytes = lifetimes.policy.max_bytes.min(settings::MOST_BYTES);
        let sealer = Sealer::sealed(&SecretKey::from_settings(settings)?, true)?;
        let engine = Self {
            cookie: SessionCookie::new(own),
            sealer,
            lifetimes,
            clock: opening.clock.clone(),
            binding: Binding::new(opening),
            log: Log::default(),
        };
        Ok((engine, notes))
    }

    /// The session in a visitor's cookies. Of two that are alive and differ none is used: one of them was
    /// planted, and nobody can tell which.
    fn find(&self, visitor: &Visitor) -> Loaded {
        let mut loaded = Loaded::nothing(false);
        let mut found: Option<(&[u8], OpenSession)> = None;
        for value in self.cookie.values(visitor) {
            loaded.has_cookie = true;
            let Some(session) = self.open(value, visitor) else {
                continue;
            };
            match &found {
                Some((known, _)) if *known != value => {
                    Warning::DuplicateCookie.emit(None, &self.log);
                    return loaded;
                }
                _ => found = Some((value, session)),
            }
        }
        found.map_or(loaded, |(_, session)| self.live(session))
    }

    fn live(&self, session: OpenSession) -> Loaded {
        let data = session.data().clone();
        Loaded::live(self.record(session), data)
    }

    fn record(&self, session: OpenSession) -> Record {
        let expires_at = clock::time(self.lifetimes.end(session.header(), session.expires()));
        Record::new(None, session.into_seen(), expires_at)
    }

    /// The live session in a cookie: its end, and what was sealed with it. A cookie of another name, path or
    /// domain is another site's, and does not open here though the key is the same.
    fn open(&self, value: &[u8], visitor: &Visitor) -> Option<OpenSession> {
        let mut bytes = Bytes::from(BASE64URL_NOPAD.decode(value).ok()?);
        let expires = bytes.try_get_u64_le().ok()?;
        let key = *self.cookie.key(visitor);
        let stored = StoredSession::new(key, VERSION, None, expires, bytes);
        let session = self.sealer.open(&stored)?;
        (!self.is_over(&session)).then_some(session)
    }

    fn is_over(&self, session: &OpenSession) -> bool {
        self.lifetimes.end(session.header(), session.expires()) <= self.clock.now()
    }

    /// What was found, if it holds for this visitor.
    async fn bound(&self, found: Loaded, visitor: &Visitor) -> Result<Loaded, SessionError> {
        let holds = found.record.is_none()
            || !self.binding.exists()
            || self.binding.holds(&found.data, visitor).await?;
        Ok(if holds { found } else { Loaded::nothing(true) })
    }

    async fn write(&self, changes: &Changes, visitor: &Visitor) -> Result<Commit, SessionError> {
        let ends = changes.id == IdChange::End;
        let before = changes.record.as_ref().filter(|_| !ends);
        let before = before.and_then(|record| OpenSession::from_seen(&record.seen));
        let mut data = if let Some(data) = changes.data() {
            data.clone()
        } else {
            let before = before.as_ref().map(|before| before.data().clone());
            let mut data = before.unwrap_or_default();
            changes.apply(&mut data)?;
            data
        };
        if (data.is_blank() && before.is_none()) || self.lifetimes.is_over(&data, &self.clock) {
            return Ok(if ends || changes.record.is_some() {
                Commit::Ended
            } else {
                Commit::Unchanged
            });
        }
        if self.binding.exists() && (before.is_none() || changes.id == IdChange::Login) {
            self.binding.sign(&mut data, visitor).await?;
        }
        self.send(before.as_ref(), data, changes, visitor)
    }

    /// Seals a session into a new cookie.
    fn send(
        &self,
        before: Option<&OpenSession>,
        data: SessionData,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let (bytes, most) = (data.json_len(), self.lifetimes.policy.max_bytes);
        if bytes > most {
            let limit = format!("it has {bytes} bytes, and a cookie holds {most} bytes");
            return Err(SessionError::TooLarge(limit));
        }
        let now = self.clock.now();
        let fresh = || Header::new(Digest::new([0; 16]), now);
        let mut plain = Plain {
            key: *self.cookie.key(visitor),
            version: VERSION,
            expires: before.map_or(0, OpenSession::expires),
            header: before.map_or_else(fresh, |before| before.header().clone()),
            data,
        };
        if changes.id == IdChange::Login || (before.is_none() && plain.data.user().is_some()) {
            plain.header.login = Some(Box::new(Login {
                user: None,
                at: now,
                agent: None,
            }));
        }
        self.lifetimes.extend(&mut plain, now, true);
        let session = OpenSession::new(plain);
        let stored = self.sealer.seal(&session)?;
        let value = [&session.expires().to_le_bytes(), &stored.bytes()[..]].concat();
        let value = BASE64URL_NOPAD.encode(&value);
        let value = HeaderValue::try_from(value).map_err(SessionError::store)?;
        let max_age = cookie::max_age(session.expires(), now, session.header().persistent);
        Ok(Commit::Saved {
            data: session.data().clone(),
            record: self.record(session),
            cookie: Some(NewCookie::new(CookieValue::Text(value), max_age)),
        })
    }
}

impl SessionEngine for CookieEngine {
    fn policy(&self) -> &SessionPolicy {
        &self.lifetimes.policy
    }

    fn now(&self) -> SystemTime {
        self.clock.time()
    }

    fn load<'a>(&'a self, visitor: &'a Visitor) -> NowOrLater<'a, Result<Loaded, SessionError>> {
        let found = self.find(visitor);
        if self.binding.exists() {
            NowOrLater::later(self.bound(found, visitor))
        } else {
            NowOrLater::Now(Ok(found))
        }
    }

    fn reload<'a>(
        &'a self,
        visitor: &'a Visitor,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        // A cookie says what it says until its time is over.
        let session = OpenSession::from_seen(&record.seen);
        let live = session.filter(|session| !self.is_over(session));
        let loaded = live.map_or_else(|| Loaded::nothing(true), |session| self.live(session));
        Box::pin(self.bound(loaded, visitor))
    }

    fn commit(
        self: Arc<Self>,
        visitor: &Visitor,
        changes: Changes,
    ) -> NowOrLater<'static, Result<Commit, SessionError>> {
        // Nothing is waited for but what a session is bound to.
        if !self.binding.exists()
            && let Some(written) = self.write(&changes, visitor).now_or_never()
        {
            return NowOrLater::Now(written);
        }
        let visitor = visitor.clone();
        NowOrLater::later(async move { self.write(&changes, &visitor).await })
    }
}
