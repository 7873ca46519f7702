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
use crate::header::{Header, Kind};
use crate::lifetime::Lifetimes;
use crate::opening::Opening;
use crate::seal::Sealer;
use crate::settings::SessionSettings;

/// What every record of this engine is bound to.
const NAME: &[u8] = b"cookie";

/// Browsers keep cookies of 4,096 bytes with name and attributes; this much JSON always fits.
const MOST_BYTES: usize = 2_700;

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
}

impl CookieEngine {
    pub(crate) fn new(opening: &Opening<'_>) -> Result<Self> {
        let (own, settings) = (opening.own, opening.settings);
        refuse_sliding(own).map_err(|key| {
            let why = "needs a storage: a visit would send the whole session again, and undo what another request did";
            settings.error(key, why)
        })?;
        let mut lifetimes = Lifetimes::new(own);
        lifetimes.policy.max_bytes = lifetimes.policy.max_bytes.min(MOST_BYTES);
        let sealer = Sealer::sealed(&SecretKey::from_settings(settings)?, true)?;
        Ok(Self {
            cookie: SessionCookie::new(own),
            sealer,
            lifetimes,
            clock: opening.clock.clone(),
            bonds: Bonds::new(opening),
        })
    }

    fn find(&self, visitor: &Visitor) -> Loaded {
        let (mut dead, mut carried) = (false, false);
        let now = self.clock.now();
        for value in self.cookie.values(visitor) {
            carried = true;
            match self.open(value) {
                Some((header, _, _)) if self.lifetimes.end(&header) <= now => dead = true,
                Some((header, bytes, data)) => {
                    let expires_at = clock::time(self.lifetimes.end(&header));
                    return Loaded::live(Record::new(None, bytes, expires_at), data);
                }
                None => {}
            }
        }
        // A wrong key in one deployment must not take away what the right one can read.
        if carried && !dead {
            Loaded::unread()
        } else {
            Loaded::nothing(dead)
        }
    }

    fn open(&self, value: &[u8]) -> Option<(Header, Bytes, SessionData)> {
        self.unseal(BASE64URL_NOPAD.decode(value).ok()?.into())
    }

    fn unseal(&self, bytes: Bytes) -> Option<(Header, Bytes, SessionData)> {
        let header = Header::read(&bytes)?;
        let data = self.sealer.open(NAME, &header, &bytes)?;
        Some((header, bytes, data))
    }

    /// A cookie says what it says until its time is over.
    fn look_again(&self, record: &Record) -> Loaded {
        match self.unseal(record.bytes.clone()) {
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
            None => self.replay(&changes)?,
        };
        let now = self.clock.now();
        let ends = changes.identity == Identity::End;
        let before = changes.record.as_ref().filter(|_| !ends);
        let before = before.and_then(|record| Header::read(&record.bytes));
        if (data.is_blank() && before.is_none()) || self.lifetimes.is_over(&data, &self.clock) {
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
        self.send(header, data, now)
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
        now: u64,
    ) -> Result<Commit, SessionError> {
        if data.json_len() > self.lifetimes.policy.max_bytes {
            return Err(SessionError::TooLarge(format!(
                "it has {} bytes, and a cookie holds {} bytes",
                data.json_len(),
                self.lifetimes.policy.max_bytes
            )));
        }
        let bytes = self.sealer.seal(NAME, &mut header, &data)?;
        let value =
            HeaderValue::try_from(BASE64URL_NOPAD.encode(&bytes)).map_err(SessionError::store)?;
        let max_age = cookie::max_age(header.expires, now, header.persistent);
        let record = Record::new(None, bytes, clock::time(header.expires));
        let cookie = Some(NewCookie::new(CookieValue::Text(value), max_age));
        Ok(Commit::Saved {
            record,
            data,
            cookie,
        })
    }

    fn replay(&self, changes: &Changes) -> Result<SessionData, SessionError> {
        let mut data = SessionData::default();
        if let Some(record) = changes
            .record
            .as_ref()
            .filter(|_| changes.identity != Identity::End)
            && let Some(header) = Header::read(&record.bytes)
            && let Some(opened) = self.sealer.open(NAME, &header, &record.bytes)
        {
            data = opened;
        }
        changes.apply(&mut data)?;
        Ok(data)
    }
}

/// The settings that would have a mere visit write.
fn refuse_sliding(own: &SessionSettings) -> Result<(), &'static str> {
    match own {
        SessionSettings {
            session_idle_timeout: Some(_),
            ..
        } => Err("SESSION_IDLE_TIMEOUT"),
        SessionSettings {
            session_save_every_request: true,
            ..
        } => Err("SESSION_SAVE_EVERY_REQUEST"),
        _ => Ok(()),
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
        Box::pin(self.bound(self.look_again(record), visitor))
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
