//! [`RedisCache`]: sessions in Redis or Valkey.

mod address;
mod cluster;
mod connection;
mod health;
mod listing;
mod page;
mod pipeline;
mod record;
mod script;
mod sentinels;
mod settings;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use duck::session::SessionError;
use duck::{Error, Result, Settings};
use redis::{Cmd, RedisError, cmd};
use tokio::time::timeout;

use self::connection::{Again, Connection};
use self::listing::Listing;
use self::record::{LEAST_AGE, NOT_LISTED, Names};
use self::script::{LIST, PRUNE, REMOVE, REPLACE};
pub(crate) use self::settings::RedisSettings;
use super::page::WRONG_CURSOR;
use super::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};

/// What a command takes besides a record, in bytes: the room that is made for it.
const SMALL: usize = 256;

/// How long a site waits for the server when it starts.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// How many records are read at once.
const RECORDS_AT_ONCE: usize = 200;

/// How often a write may find that its user's list does not have it for long enough: once is usual.
const MOST_LISTINGS: u32 = 3;

/// Keeps sessions in Redis or Valkey, which several processes and machines may share: one server, a Cluster, or the
/// primary that Sentinels name.
///
/// A session is one string, read by one `GET` and written by one call of a script, which compares versions. A sorted
/// set for each user says which sessions are theirs. The server removes what is over, by the time that each key has to
/// live.
///
/// Each thread that answers requests has one connection, which they share: what they ask at the same time goes out in
/// one write. There is one more for whatever else the site does. While the server is away each request fails, and the
/// first one after that connects again.
///
/// What survives a crash or a power cut of the server is a matter of its settings, whatever [`Durability`] asks
/// for: with `appendfsync always` everything does.
///
/// ```no_run
/// use duck::Settings;
/// use duck_session::store::RedisCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let settings = Settings::from_toml("SESSION_REDIS_URL = 'redis://127.0.0.1:6379/0'")?;
/// let store = RedisCache::open(&settings).await?;
/// # Ok(())
/// # }
/// ```
///
/// Clones share one store.
#[derive(Clone)]
pub struct RedisCache(Arc<Inner>);

struct Inner {
    connection: Connection,
    names: Names,
    prefix: String,
    listing: tokio::sync::Mutex<Option<Listing>>,
}

impl RedisCache {
    /// Connects as `SESSION_REDIS_URL` says; `SESSION_REDIS_PREFIX` and `SESSION_REDIS_SENTINEL` are read too. A server
    /// that is away is connected to later, when somebody asks for a session.
    ///
    /// # Errors
    ///
    /// When a setting does not fit, and when the server answers that it cannot keep sessions: the password is
    /// wrong, it is a replica, it is too old.
    pub async fn open(settings: &Settings) -> Result<Self> {
        Ok(Self::open_with_notes(settings).await?.0)
    }

    /// The store, and sentences for `check`.
    pub(crate) async fn open_with_notes(settings: &Settings) -> Result<(Self, Vec<String>)> {
        let own = RedisSettings::read(settings)?;
        let prefix = own.prefix(settings)?;
        let store = Self(Arc::new(Inner {
            connection: Connection::new(own.server(settings)?),
            names: Names::new(&prefix),
            prefix,
            listing: tokio::sync::Mutex::default(),
        }));
        let of_server = |what: &dyn fmt::Display| settings.error("SESSION_REDIS_URL", what);
        let away = match timeout(START_TIMEOUT, store.0.connection.health()).await {
            Ok(Ok(health)) => {
                let notes = health.findings.iter().map(|it| of_server(it).to_string());
                return Ok((store, notes.collect()));
            }
            Ok(Err(error)) if !health::is_away(&error) => {
                return Err(of_server(&format_args!("the server there: {error}")).into());
            }
            Ok(Err(error)) => of_server(&format_args!("no server answers: {error}")).to_string(),
            Err(_) => of_server(&"the server there does not answer").to_string(),
        };
        tracing::error!(target: "duck_session", "{away}. Pages that need a session are 503 until it answers");
        Ok((store, vec![away]))
    }

    /// Puts a session into its user's list, and returns until when it is there; [`NOT_LISTED`] without a user.
    async fn add_to_list(&self, session: &StoredSession) -> Result<Vec<u8>> {
        let Some(user) = session.user() else {
            return Ok(NOT_LISTED.to_vec());
        };
        let listing = self.0.connection.call(&LIST, Again::May, |call| {
            call.arg(self.0.names.user(user))
                .arg(session.key().as_bytes());
            call.arg(record::time_in_list(session));
        });
        listing.await.map_err(failure)
    }

    /// Reads many records. What is gone is left out.
    async fn load_all(&self, keys: &[SessionKey]) -> Result<Page> {
        let mut page = Page::default();
        for keys in keys.chunks(RECORDS_AT_ONCE) {
            for (key, record) in keys.iter().zip(self.records(keys).await?) {
                match record.map(|record| record::decode(*key, record)) {
                    None => {}
                    Some(Some(session)) => page.sessions.push(session),
                    Some(None) => page.unreadable += 1,
                }
            }
        }
        Ok(page)
    }

    /// Each with a command of its own, all at once: in a Cluster they are in many slots, any of which may be moving.
    async fn records(&self, keys: &[SessionKey]) -> Result<Vec<Option<Vec<u8>>>> {
        let records = keys.iter().map(|key| self.record(key));
        futures_util::future::try_join_all(records).await
    }

    async fn record(&self, key: &SessionKey) -> Result<Option<Vec<u8>>> {
        let asking = self.0.connection.ask(Again::May, || {
            let mut get = Cmd::with_capacity(2, SMALL);
            get.arg("GET").arg(self.0.names.session(key)).take()
        });
        asking.await.map_err(failure)
    }

    /// Removes a record, and returns how many there were.
    async fn unlink(&self, key: &SessionKey, again: Again) -> Result<u64> {
        let asking = self.0.connection.ask(again, || {
            let mut unlink = cmd("UNLINK");
            unlink.arg(self.0.names.session(key)).take()
        });
        asking.await.map_err(failure)
    }

    /// Removes entries without a record from a user's list.
    async fn prune(&self, user: &UserKey, entries: &[Vec<u8>]) -> Result<()> {
        let pruning = self.0.connection.call(&PRUNE, Again::May, |call| {
            call.arg(self.0.names.user(user))
                .arg(LEAST_AGE)
                .arg(entries);
        });
        pruning.await.map(|_: u64| ()).map_err(failure)
    }
}

impl SessionStore for RedisCache {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let Some(record) = self.record(key).await? else {
            return Ok(None);
        };
        let session = record::decode(*key, record).unwrap_or_else(|| unreadable(*key));
        Ok(Some(session))
    }

    async fn create(&self, session: &StoredSession, _: Durability) -> Result<bool> {
        let listed = self.add_to_list(session).await?;
        let record = record::encode(session, &listed);
        // A second try finds the first one's record, which the engine knows for its own.
        let setting = self.0.connection.ask(Again::May, || {
            let mut set = Cmd::with_capacity(6, SMALL + record.len());
            set.arg("SET").arg(self.0.names.session(session.key()));
            set.arg(&record).arg("NX");
            set.arg("PX").arg(record::time_to_live(session)).take()
        });
        let done: Option<String> = setting.await.map_err(failure)?;
        Ok(done.is_some())
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        _: Durability,
    ) -> Result<bool> {
        let mut listed = Vec::new();
        for _ in 0..MOST_LISTINGS {
            let replacing = self.0.connection.call(&REPLACE, Again::MustNot, |call| {
                call.arg(self.0.names.session(session.key()));
                call.arg(&record::version(expected))
                    .arg(&record::head(session));
                call.arg(record::time_to_live(session));
                call.arg(&session.bytes()[..]).arg(&listed);
            });
            match replacing.await.map_err(failure)? {
                0 => return Ok(false),
                1 => return Ok(true),
                _ => listed = self.add_to_list(session).await?,
            }
        }
        Err(
            SessionError::store("the clock of Redis leaps: a user's list does not keep a session")
                .into(),
        )
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        _: Durability,
    ) -> Result<bool> {
        let Some(expected) = expected else {
            return Ok(self.unlink(key, Again::MustNot).await? > 0);
        };
        let removing = self.0.connection.call(&REMOVE, Again::MustNot, |call| {
            call.arg(self.0.names.session(key))
                .arg(&record::version(expected));
        });
        let removed: u64 = removing.await.map_err(failure)?;
        Ok(removed > 0)
    }

    /// Reads the whole list in one step, and then the records.
    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let asking = self.0.connection.ask(Again::May, || {
            let mut range = cmd("ZRANGE");
            range.arg(self.0.names.user(user)).arg(0).arg(-1).take()
        });
        let entries: Vec<Vec<u8>> = asking.await.map_err(failure)?;
        let (mut found, mut without_record) = (Vec::<StoredSession>::new(), Vec::new());
        for entries in entries.chunks(RECORDS_AT_ONCE) {
            let keys = entries
                .iter()
                .filter_map(|entry| record::key_of_entry(entry));
            let keys: Vec<_> = keys.collect();
            for ((entry, key), record) in entries.iter().zip(&keys).zip(self.records(&keys).await?)
            {
                let Some(record) = record else {
                    without_record.push(entry.clone());
                    continue;
                };
                let session = record::decode(*key, record);
                let theirs = session.filter(|session| session.user() == Some(user));
                found.extend(theirs.filter(|it| found.iter().all(|other| other.key() != it.key())));
            }
            if found.len() >= limit {
                break;
            }
        }
        if !without_record.is_empty()
            && let Err(error) = self.prune(user, &without_record).await
        {
            // What was asked for is read; a server that takes no writes keeps the entries for longer.
            tracing::debug!(target: "duck_session", %error, "entries of a user's list without a session stay");
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The server removes what is over by itself.
    async fn remove_expired(&self, _: u64, _: usize) -> Result<usize> {
        Ok(0)
    }

    /// A cursor is the key of the last session, in hexadecimal digits.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let after = match after {
            None => None,
            Some(cursor) => Some(SessionKey::from_hex(cursor).ok_or(WRONG_CURSOR)?),
        };
        self.page_after(after, limit).await
    }

    /// Removes the sessions of this prefix, and nothing else.
    async fn clear(&self) -> Result<()> {
        self.remove_all().await
    }
}

/// What is under a key and is no record of this format: nothing opens it.
fn unreadable(key: SessionKey) -> StoredSession {
    let version = Version {
        count: 0,
        random: 0,
    };
    StoredSession::new(key, version, None, 0, "")
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn failure(error: RedisError) -> Error {
    if error.code() == Some("OOM") {
        return SessionError::Full.into();
    }
    SessionError::store(format!("Redis: {error}")).into()
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
