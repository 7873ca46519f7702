//! `request.session`: what a site remembers of a visitor from one request to the next.

mod changes;
mod data;
mod engine;
mod expiry;
mod finish;
mod guard;
mod id;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use self::changes::{Changes, Identity};
pub use self::data::SessionData;
pub use self::engine::{
    Commit, CookieValue, Loaded, NewCookie, Record, SessionEngine, SessionPolicy, Visitor,
};
pub use self::expiry::{Expiry, Lifetime};
use self::finish::Finish;
pub use self::guard::SessionGuard;
pub use self::id::SessionId;
pub use self::state::CookieChange;
use self::state::{State, Writing, decode, encode};
use crate::session_error::SessionError;

use self::changes::Write;

/// A time that no session reaches, for lifetimes that end after all clocks do.
const FAR: Duration = Duration::from_hours(1000 * 365 * 24);

/// Under this key a session keeps who is logged in.
const USER: &str = "_duck.user";

/// The session of a request's visitor.
///
/// Values live under keys and are anything that serde can turn into JSON. Nothing is loaded before
/// the first access, and nothing is written unless something changed; the session is saved when
/// the view has returned, before the response leaves. All methods take `&self`: clones share one
/// session.
///
/// Requests of one visitor that run side by side do not undo each other's changes: what they set
/// under different keys is merged, and [`update`](Self::update) counts on from the latest value.
///
/// ```
/// # use duck_core::{Request, Result};
/// async fn visits(request: Request) -> Result<String> {
///     let visits = request.session.update("visits", |n: &mut u64| *n += 1).await?;
///     Ok(format!("visit {visits}"))
/// }
/// ```
///
/// Every method that touches the session fails with [`SessionError::Missing`] where the site has no
/// `SessionMiddleware`, and with [`SessionError::Store`] where the storage does not answer.
#[derive(Clone, Default)]
pub struct Session(Option<Arc<Inner>>);

struct Inner {
    engine: Arc<dyn SessionEngine>,
    visitor: Visitor,
    accessed: AtomicBool,
    /// Whether the session could be loaded, once that was tried.
    loaded: OnceLock<bool>,
    /// Held while the session is loaded or saved: one at a time, and each save begins where the
    /// last one ended.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else loads or saves the session.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => self.turn.lock().await,
        }
    }

    /// Loads the session once, whether that succeeds or not: on a page of ten parts, a storage
    /// that does not answer is waited for once.
    async fn load(&self) -> Result<(), SessionError> {
        let _turn = self.turn().await;
        match self.loaded.get() {
            Some(true) => return Ok(()),
            Some(false) => return Err(SessionError::store("the session could not be loaded")),
            None => {}
        }
        let loaded = self.engine.load(&self.visitor).await;
        self.loaded.get_or_init(|| loaded.is_ok());
        self.state().fill(loaded?);
        Ok(())
    }

    /// Takes no more changes; says whether a save was asked for although nothing differs.
    fn close(&self) -> bool {
        let mut state = self.state();
        if state.writing == Writing::Open {
            state.writing = Writing::Closed;
        }
        state.forced
    }

    /// Saves in the middle of a request.
    async fn save(self: Arc<Self>) -> Result<(), SessionError> {
        let _turn = self.turn().await;
        let changes = {
            let mut state = self.state();
            state.take_failure(true)?;
            state.take_changes(true, false)
        };
        let Some(changes) = changes else {
            return Ok(());
        };
        let commit = self.engine.clone().commit(changes).await;
        self.state().note(commit)
    }
}

/// Reading.
impl Session {
    /// The value under `key`; `None` if there is none. A stored null is a value: read an
    /// `Option` to tell.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when the value is of another type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let json = self.open(key).await?.state().data.get(key).cloned();
        json.map(|json| decode(key, &json)).transpose()
    }

    /// Whether there is a value under `key`.
    pub async fn contains(&self, key: &str) -> Result<bool, SessionError> {
        Ok(self.open(key).await?.state().data.get(key).is_some())
    }

    /// All keys that the site has set, in order.
    pub async fn keys(&self) -> Result<Vec<String>, SessionError> {
        Ok(self
            .access()
            .await?
            .state()
            .data
            .keys()
            .map(str::to_owned)
            .collect())
    }

    /// How many keys the site has set.
    pub async fn len(&self) -> Result<usize, SessionError> {
        Ok(self.access().await?.state().data.keys().count())
    }

    /// Whether the site has set nothing.
    pub async fn is_empty(&self) -> Result<bool, SessionError> {
        Ok(self.len().await? == 0)
    }

    /// Whether the visitor came without a live session.
    pub async fn is_new(&self) -> Result<bool, SessionError> {
        Ok(self.access().await?.state().is_new())
    }

    /// The whole session as one struct: each field is a key.
    ///
    /// ```
    /// # use duck_core::{Request, Result};
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Visitor {
    ///     name: Option<String>,
    ///     visits: u32,
    /// }
    ///
    /// async fn greet(request: Request) -> Result<String> {
    ///     let mut visitor: Visitor = request.session.to_struct().await?;
    ///     visitor.visits += 1;
    ///     request.session.set_struct(&visitor).await?;
    ///     Ok(format!("visit {}", visitor.visits))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when a field is missing or of another type; `#[serde(default)]`
    /// on the struct is for visitors who come for the first time.
    pub async fn to_struct<T: DeserializeOwned>(&self) -> Result<T, SessionError> {
        let mut site = SessionData::default();
        for (key, value) in self.access().await?.state().data.site_entries() {
            site.set(key, value.clone());
        }
        decode("the session", &site.to_json())
    }

    /// Who is logged in: what [`login`](Self::login) was given.
    pub async fn user(&self) -> Result<Option<String>, SessionError> {
        let json = self.access().await?.state().data.get(USER).cloned();
        json.map(|json| decode(USER, &json)).transpose()
    }
}

/// Writing.
impl Session {
    /// Puts `value` under `key`. A value equal to the one that is there is no change.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] when the session would pass a limit of the settings, and
    /// [`SessionError::Value`] when the value cannot be JSON (a map with keys that are no strings).
    pub async fn set<T: Serialize>(&self, key: &str, value: T) -> Result<(), SessionError> {
        let json = encode(key, &value)?;
        let inner = self.open(key).await?;
        inner.state().set(key, json, inner.engine.policy())
    }

    /// Changes the value under `key`, or the type's default if there is none, and gives it back
    /// as this request sees it.
    ///
    /// Should another request save first, the change is made again on the newer value, so counters
    /// and lists are exact however many requests overlap. That is why it may run more than once,
    /// and has to own what it uses.
    ///
    /// ```
    /// # async fn view(request: duck_core::Request) -> duck_core::Result<()> {
    /// let item = 7_u32;
    /// request.session.update("cart", move |cart: &mut Vec<u32>| cart.push(item)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub async fn update<T>(
        &self,
        key: &str,
        change: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let inner = self.open(key).await?;
        let mut state = inner.state();
        let mut value = current(key, state.data.get(key))?;
        change(&mut value);
        let json = encode(key, &value)?;
        let again = |key| {
            let again = move |key: &str, json: Option<&Bytes>| {
                let mut value = current(key, json)?;
                change(&mut value);
                encode(key, &value)
            };
            Write::Update(key, Box::new(again))
        };
        state.update(key, json, inner.engine.policy(), again)?;
        Ok(value)
    }

    /// Lends the value under `key` for changing; `None` if there is none. The change is noticed
    /// when the guard goes out of scope.
    ///
    /// ```
    /// # async fn view(request: duck_core::Request) -> duck_core::Result<()> {
    /// if let Some(mut cart) = request.session.get_mut::<Vec<u32>>("cart").await? {
    ///     cart.retain(|item| *item != 7);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The whole value is stored: of two requests that change it side by side, the last one counts.
    /// Where that matters, use [`update`](Self::update).
    pub async fn get_mut<T>(&self, key: &str) -> Result<Option<SessionGuard<T>>, SessionError>
    where
        T: Serialize + DeserializeOwned,
    {
        let Some(json) = self.open(key).await?.state().data.get(key).cloned() else {
            return Ok(None);
        };
        let value = decode(key, &json)?;
        // Not what is stored: `T` may see less of that than there is.
        let before = encode(key, &value)?;
        Ok(Some(SessionGuard::new(self.clone(), key, before, value)))
    }

    /// Takes the value under `key` out and gives it back.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when it is of another type; it stays then.
    pub async fn pop<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let mut state = self.open(key).await?.state();
        let Some(json) = state.data.get(key).cloned() else {
            return Ok(None);
        };
        let value = decode(key, &json)?;
        state.remove(key)?;
        Ok(Some(value))
    }

    /// Takes `key` out and says whether it was there. If it was not, nothing changed.
    pub async fn remove(&self, key: &str) -> Result<bool, SessionError> {
        Ok(self.open(key).await?.state().remove(key)?.is_some())
    }

    /// Takes out everything that the site has set. The session stays, and so does its user.
    pub async fn clear(&self) -> Result<(), SessionError> {
        self.access().await?.state().clear()
    }

    /// Stores a struct as [`to_struct`](Self::to_struct) reads it: each field is a key, and keys
    /// that are no fields stay as they are.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when the value is not a struct or map; else as [`set`](Self::set).
    pub async fn set_struct<T: Serialize>(&self, value: &T) -> Result<(), SessionError> {
        let json = encode("the session", value)?;
        let wrong = |source| SessionError::Value {
            key: "the session".into(),
            source: Box::new(source),
        };
        let fields: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_slice(&json).map_err(wrong)?;
        for (key, value) in fields {
            self.set(&key, value).await?;
        }
        Ok(())
    }
}

/// Identity and lifetime.
impl Session {
    /// Logs `user` in: the session gets a new id (what an attacker may have planted or seen is
    /// worth nothing) and remembers the user. What an anonymous visitor had stays; what another
    /// user had goes.
    pub async fn login(&self, user: impl fmt::Display) -> Result<(), SessionError> {
        let user = user.to_string();
        let before = self.user().await?;
        let inner = self.access().await?;
        let mut state = inner.state();
        state.renew(Identity::Login)?;
        if before.is_some_and(|before| before != user) {
            state.reset();
        }
        state.set(USER, encode(USER, &user)?, inner.engine.policy())
    }

    /// Logs out: everything goes, the id dies, the cookie is removed. The same as
    /// [`flush`](Self::flush).
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.flush().await
    }

    /// Ends the session. What is set afterwards begins another, with another id.
    pub async fn flush(&self) -> Result<(), SessionError> {
        self.access().await?.state().flush()
    }

    /// Gives the session a new id and keeps its data: call it wherever rights change.
    pub async fn cycle_id(&self) -> Result<(), SessionError> {
        self.access().await?.state().renew(Identity::Renew)
    }

    /// Sets when this session ends: a `Duration` after each save, a `SystemTime`, with the browser,
    /// or [`Expiry::Default`].
    pub async fn set_expiry(&self, expiry: impl Into<Expiry>) -> Result<(), SessionError> {
        let inner = self.access().await?;
        let mut state = inner.state();
        match expiry.into().to_json() {
            Some(json) => state.set(data::EXPIRY, json, inner.engine.policy()),
            None => state.remove(data::EXPIRY).map(drop),
        }
    }

    /// How long the session has left: if it was changed, from the coming save on.
    pub async fn expiry_age(&self) -> Result<Duration, SessionError> {
        let date = self.expiry_date().await?;
        let now = self.access().await?.engine.now();
        Ok(date.duration_since(now).unwrap_or_default())
    }

    /// When the session ends: if it was changed, counted from now as the coming save will.
    pub async fn expiry_date(&self) -> Result<SystemTime, SessionError> {
        let inner = self.access().await?;
        let state = inner.state();
        match &state.record {
            Some(record) if !state.is_dirty() => Ok(record.expires_at),
            _ => {
                let now = inner.engine.now();
                let age = state.data.expiry().lifetime(inner.engine.policy(), now).age;
                Ok(now.checked_add(age).unwrap_or(now + FAR))
            }
        }
    }
}

/// Saving. The middleware does this by itself.
impl Session {
    /// Whether the visitor sent a cookie at all. This alone does not count as an access.
    pub fn is_present(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.visitor.cookie.is_some())
    }

    /// Whether this request changed the session since it was last saved.
    pub fn modified(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.state().is_dirty())
    }

    /// Has the session saved, and its lifetime begin again, even if no value changed. `false` takes
    /// that back; changed values are saved all the same.
    pub fn set_modified(&self, modified: bool) {
        if let Some(inner) = &self.0 {
            inner.accessed.store(true, Ordering::Relaxed);
            inner.state().forced = modified;
        }
    }

    /// Whether the session will be saved when the view has returned. Another name for
    /// [`modified`](Self::modified), from the Python Duck.
    pub fn needs_update(&self) -> bool {
        self.modified()
    }

    /// Saves now rather than after the view: before a slow request to another service, say. The
    /// response gets the cookie it needs all the same.
    ///
    /// Once the response has left there is nothing to save: changes are refused with
    /// [`SessionError::Committed`].
    ///
    /// # Errors
    ///
    /// When the storage fails. The request's changes are lost then, and so is its response: the
    /// visitor gets the error, whatever the view does with it.
    pub async fn save(&self) -> Result<(), SessionError> {
        self.access().await?;
        let Some(inner) = &self.0 else {
            return Err(SessionError::Missing);
        };
        if inner.state().is_quiet() && inner.turn.try_lock().is_ok() {
            return Ok(());
        }
        Finish::new(Box::pin(inner.clone().save())).await
    }

    /// Saves for the last time and says what becomes of the cookie. For session middleware; a
    /// site has no need of it. Without `keep_data`, for a failed page, only logins, logouts and new
    /// ids are kept. What is set from now on is refused, with [`SessionError::Committed`].
    pub async fn finish(&self, keep_data: bool) -> Result<Option<CookieChange>, SessionError> {
        let Some(inner) = &self.0 else {
            return Ok(None);
        };
        let forced = inner.close() && keep_data;
        if !self.is_accessed() {
            return Ok(None);
        }
        if forced {
            inner.load().await?;
        }
        let _turn = inner.turn().await;
        let changes = {
            let mut state = inner.state();
            state.take_failure(keep_data)?;
            // Whoever else has a handle may be reading.
            let is_alone = Arc::strong_count(inner) == 1;
            state.take_changes(keep_data, is_alone)
        };
        if let Some(changes) = changes {
            let commit = Finish::new(inner.engine.clone().commit(changes)).await;
            inner.state().note(commit)?;
        }
        Ok(inner.state().take_cookie_change())
    }
}

/// Between the handle and those who build on it.
impl Session {
    /// The session of a visitor, not loaded yet. For session middleware.
    pub fn new(engine: Arc<dyn SessionEngine>, visitor: Visitor) -> Self {
        Self(Some(Arc::new(Inner {
            engine,
            visitor,
            accessed: AtomicBool::new(false),
            loaded: OnceLock::new(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State::default()),
        })))
    }

    /// What the request shows of its visitor; `None` without a session middleware.
    pub fn visitor(&self) -> Option<&Visitor> {
        self.0.as_ref().map(|inner| &inner.visitor)
    }

    /// Whether anything asked for the session so far. For session middleware.
    pub fn is_accessed(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.accessed.load(Ordering::Relaxed))
    }

    /// The session, loaded.
    async fn access(&self) -> Result<&Inner, SessionError> {
        let inner = self.0.as_ref().ok_or(SessionError::Missing)?;
        inner.accessed.store(true, Ordering::Relaxed);
        if inner.loaded.get() != Some(&true) {
            inner.load().await?;
        }
        Ok(inner)
    }

    /// The session, loaded, for a key of the site's own.
    async fn open(&self, key: &str) -> Result<&Inner, SessionError> {
        if data::is_reserved(key.as_bytes()) {
            return Err(SessionError::ReservedKey(key.to_owned()));
        }
        self.access().await
    }

    /// Takes back what a guard was lent.
    fn store_guarded<T: Serialize>(&self, key: &str, before: &Bytes, value: &T) {
        let Some(inner) = &self.0 else { return };
        let stored = match encode(key, value) {
            Ok(json) if json == *before => return,
            Ok(json) => inner.state().set(key, json, inner.engine.policy()),
            Err(error) => Err(error),
        };
        match stored {
            Err(SessionError::Committed) => {
                tracing::warn!(target: "duck_session", "a value lent by `get_mut` changed after the response: it is lost");
            }
            Err(error) => inner.state().fail(error),
            Ok(()) => {}
        }
    }
}

/// The value to change: what is there, or the type's default.
fn current<T: DeserializeOwned + Default>(
    key: &str,
    json: Option<&Bytes>,
) -> Result<T, SessionError> {
    json.map_or_else(|| Ok(T::default()), |json| decode(key, json))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Session(none)"),
            Some(inner) => f
                .debug_struct("Session")
                .field("loaded", &inner.loaded.get())
                .field("modified", &inner.state().is_dirty())
                .finish_non_exhaustive(),
        }
    }
}
