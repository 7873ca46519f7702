//! `SESSION_ENGINE = "cookie"`: the whole session, sealed, in the visitor's cookie.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use duck::http::HeaderValue;
use duck::session::{
    Changes, Commit, CookieValue, Identity, Loaded, NewCookie, Record, SessionData, SessionEngine,
    SessionError, SessionPolicy, Visitor,
};
use duck::settings::SecretKey;
use duck::{BoxFuture, Result};

use crate::bonds::Bonds;
use crate::clock::{self, Clock};
use crate::cookie::{self, SessionCookie};
use crate::engine::create_rate::CreateRate;
use crate::header::{Header, Kind};
use crate::journal::Event;
use crate::lifetime::Lifetimes;
use crate::opening::Opening;
use crate::seal::Sealer;

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
    bonds: Bonds,
    create_rate: CreateRate,
}

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
            bonds: Bonds::new(opening),
            create_rate: CreateRate::new(own.session_create_rate),
        };
        Ok((engine, notes))
    }

    /// The session in a visitor's cookies. Of two that are alive and differ none is taken: one of them
    /// was planted, and nobody can tell which.
    fn find(&self, visitor: &Visitor) -> Loaded {
        let (mut dead, mut carried) = (false, false);
        let mut found: Option<(Record, SessionData)> = None;
        let now = self.clock.now();
        for value in self.cookie.values(visitor) {
            carried = true;
            match self.open(value, visitor) {
                Some((header, _, _)) if self.lifetimes.end(&header) <= now => dead = true,
                Some((header, bytes, data)) => match &found {
                    Some((known, _)) if known.bytes != bytes => {
                        Event::DuplicateCookie.tell(None);
                        return Loaded::unread();
                    }
                    Some(_) => {}
                    None => {
                        let expires_at = clock::time(self.lifetimes.end(&header));
                        found = Some((Record::new(None, bytes, expires_at), data));
                    }
                },
                None => {}
            }
        }
        if let Some((record, data)) = found {
            return Loaded::live(record, data);
        }
        // A wrong key in one deployment must not take away what the right one can read.
        if carried && !dead {
            Loaded::unread()
        } else {
            Loaded::nothing(dead)
        }
    }

    fn open(&self, value: &[u8], visitor: &Visitor) -> Option<(Header, Bytes, SessionData)> {
        self.unseal(BASE64URL_NOPAD.decode(value).ok()?.into(), visitor)
    }

    fn unseal(&self, bytes: Bytes, visitor: &Visitor) -> Option<(Header, Bytes, SessionData)> {
        let header = Header::read(&bytes)?;
        let data = self
            .sealer
            .open(&self.seal_name(visitor), &header, &bytes)?;
        Some((header, bytes, data))
    }

    /// What the seal is bound to: a cookie of another name, path or domain is another site's, and does not
    /// open here though the key is the same.
    fn seal_name(&self, visitor: &Visitor) -> Vec<u8> {
        format!("cookie {}", self.cookie.name_and_place(visitor)).into()
    }

    /// A cookie says what it says until its time is over.
    fn look_again(&self, record: &Record, visitor: &Visitor) -> Loaded {
        match self.unseal(record.bytes.clone(), visitor) {
            Some((header, _, data)) if self.lifetimes.end(&header) > self.clock.now() => {
                Loaded::live(record.clone(), data)
            }
            _ => Loaded::nothing(false),
        }
    }

    /// What was found, if it holds for this visitor.
    async fn bound(&self, found: Loaded, visitor: &Visitor) -> Result<Loaded, SessionError> {
        let holds = found.record.is_none()
            || !self.bonds.exist()
            || self.bonds.hold(&found.data, visitor).await?;
        Ok(if holds { found } else { Loaded::nothing(true) })
    }

    async fn write(&self, mut changes: Changes, visitor: &Visitor) -> Result<Commit, SessionError> {
        let mut data = match changes.take_data() {
            Some(data) => data,
            None => self.replay(&changes, visitor)?,
        };
        let now = self.clock.now();
        let ends = changes.identity == Identity::End;
        let before = changes.record.as_ref().filter(|_| !ends);
        let before = before.and_then(|record| Header::read(&record.bytes));
        if (data.is_blank() && before.is_none())
            || self.lifetimes.is_over(&data, &self.clock)
            || !self.may_begin(&changes, &data, visitor)
        {
            return Ok(if ends || changes.record.is_some() {
                Commit::Ended
            } else {
                Commit::Unchanged
            });
        }
        if self.bonds.exist() && (before.is_none() || changes.identity == Identity::Login) {
            self.bonds.sign(&mut data, visitor).await?;
        }
        let header = self.header(before, changes.identity, &data, now);
        self.send(header, data, visitor)
    }

    /// Whether the visitor's address may begin one more session, where this is one: rule 60.
    fn may_begin(&self, changes: &Changes, data: &SessionData, visitor: &Visitor) -> bool {
        let begins = changes.record.is_none() && data.user().is_none();
        let may = !begins || self.create_rate.allows(visitor.address());
        if !may {
            Event::CreateRate.tell(None);
        }
        may
    }

    fn header(
        &self,
        before: Option<Header>,
        identity: Identity,
        data: &SessionData,
        now: u64,
    ) -> Header {
        let mut header = Header {
            kind: Kind::Live,
            persistent: true,
            readable: false,
            key: [0; 8],
            version: before.map_or(0, |before| before.version + 1),
            created: before.map_or(now, |before| before.created),
            issued: now,
            auth: before.map_or(0, |before| before.auth),
            touched: now,
            expires: 0,
            age: 0,
        };
        if identity == Identity::Login || (before.is_none() && data.user().is_some()) {
            header.auth = now;
        }
        self.lifetimes.extend(&mut header, data, now, true);
        header
    }

    /// Seals a session into a new cookie.
    fn send(
        &self,
        mut header: Header,
        data: SessionData,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        if data.json_len() > self.lifetimes.policy.max_bytes {
            return Err(SessionError::TooLarge(format!(
                "it has {} bytes, and a cookie holds {} bytes",
                data.json_len(),
                self.lifetimes.policy.max_bytes
            )));
        }
        let bytes = self
            .sealer
            .seal(&self.seal_name(visitor), &mut header, &data)?;
        let value =
            HeaderValue::try_from(BASE64URL_NOPAD.encode(&bytes)).map_err(SessionError::store)?;
        let max_age = cookie::max_age(header.expires, header.touched, header.persistent);
        let record = Record::new(None, bytes, clock::time(header.expires));
        let cookie = Some(NewCookie::new(CookieValue::Text(value), max_age));
        Ok(Commit::Saved {
            record,
            data,
            cookie,
        })
    }

    fn replay(&self, changes: &Changes, visitor: &Visitor) -> Result<SessionData, SessionError> {
        let mut data = SessionData::default();
        if let Some(record) = changes
            .record
            .as_ref()
            .filter(|_| changes.identity != Identity::End)
            && let Some((_, _, opened)) = self.unseal(record.bytes.clone(), visitor)
        {
            data = opened;
        }
        changes.apply(&mut data)?;
        Ok(data)
    }
}

impl SessionEngine for CookieEngine {
    fn policy(&self) -> &SessionPolicy {
        &self.lifetimes.policy
    }

    fn now(&self) -> SystemTime {
        clock::time(self.clock.now())
    }

    fn load<'a>(&'a self, visitor: &'a Visitor) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        Box::pin(self.bound(self.find(visitor), visitor))
    }

    fn reload<'a>(
        &'a self,
        visitor: &'a Visitor,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        Box::pin(self.bound(self.look_again(record, visitor), visitor))
    }

    fn commit(
        self: Arc<Self>,
        visitor: &Visitor,
        changes: Changes,
    ) -> BoxFuture<'static, Result<Commit, SessionError>> {
        let visitor = visitor.clone();
        Box::pin(async move { self.write(changes, &visitor).await })
    }
}
