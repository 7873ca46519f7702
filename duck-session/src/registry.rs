//! Storages and engines by the names that the settings use.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use duck::session::SessionEngine;
use duck::settings::nearest;
use duck::{BoxFuture, Error, Result, Settings};

use crate::engine::StoreEngine;
#[cfg(feature = "commands")]
use crate::engine::administration::Administration;
use crate::maintenance::Maintenance;
use crate::opening::Opening;
use crate::sealed_cookie::CookieEngine;
#[cfg(any(feature = "postgres", feature = "dynamic-file"))]
use crate::settings::DatabaseUrl;
use crate::settings::SessionSettings;
#[cfg(feature = "postgres")]
use crate::store::DatabaseCache;
#[cfg(feature = "dynamic-file")]
use crate::store::DynamicFileCache;
#[cfg(feature = "dynamic-file")]
use crate::store::SqliteFile;
use crate::store::{Cache, InMemoryCache, KeyAsFolderCache, OverCache, SessionStore};
#[cfg(feature = "redis")]
use crate::store::{RedisCache, redis::RedisSettings};

/// An engine, and what keeps its store in order.
pub(crate) struct Opened {
    pub(crate) engine: Arc<dyn SessionEngine>,
    pub(crate) maintenance: Option<Arc<dyn Maintenance>>,
    /// How processes agree on who does something, where they share the store.
    #[cfg(feature = "tasks")]
    pub(crate) leases: Option<Arc<dyn duck::app::Leases>>,
    /// Sentences for `check` about defaults that the engine cannot keep.
    pub(crate) notes: Vec<String>,
    /// Who looks after what is stored, or why nobody can.
    #[cfg(feature = "commands")]
    pub(crate) administration: Result<Arc<dyn Administration>, &'static str>,
}

impl Opened {
    fn over_store<S: SessionStore>(store: S, opening: &Opening<'_>) -> Result<Self> {
        let engine = Arc::new(StoreEngine::new(store, opening)?);
        Ok(Self {
            engine: engine.clone(),
            maintenance: Some(engine.clone()),
            #[cfg(feature = "tasks")]
            leases: S::SHARED.then(|| engine.clone() as _),
            notes: Vec::new(),
            #[cfg(feature = "commands")]
            administration: if S::IN_PROCESS {
                Err(
                    "this storage is in the memory of the running site: no other process sees a session in it",
                )
            } else {
                Ok(engine)
            },
        })
    }

    /// An engine that has no store, and what that means to somebody who looks for one.
    fn without_store(engine: Arc<dyn SessionEngine>, reason: &'static str) -> Self {
        let _ = reason;
        Self {
            engine,
            maintenance: None,
            #[cfg(feature = "tasks")]
            leases: None,
            notes: Vec::new(),
            #[cfg(feature = "commands")]
            administration: Err(reason),
        }
    }
}

type Open = Box<dyn for<'a> Fn(&'a Opening<'a>) -> BoxFuture<'a, Result<Opened>> + Send + Sync>;

/// All storages and engines there are.
#[derive(Default)]
pub(crate) struct Registry {
    storages: BTreeMap<String, Open>,
    engines: BTreeMap<String, Open>,
}

impl Registry {
    /// Those that come with Duck.
    pub(crate) fn new() -> Self {
        let mut registry = Self::default();
        registry.add("InMemoryCache", |opening| {
            let own = opening.own;
            let (entries, bytes) = (own.session_max_sessions, own.session_memory_bytes);
            ready(Ok(InMemoryCache::new(entries, bytes)))
        });
        registry.add("KeyAsFolderCache", |opening| {
            let own = opening.own.clone();
            async move {
                let store = KeyAsFolderCache::open(&own.session_dir).await?;
                let store = store.max_sessions(own.session_max_sessions);
                Ok(store.min_free(own.session_min_free))
            }
        });
        #[cfg(feature = "dynamic-file")]
        registry.add("DynamicFileCache", |opening| {
            let options = DynamicFileCache::options()
                .shard_bytes(opening.own.session_shard_bytes)
                .max_sessions(opening.own.session_max_sessions as u64)
                .min_free(opening.own.session_min_free);
            options.open(opening.own.session_dir.clone())
        });
        #[cfg(any(feature = "postgres", feature = "dynamic-file"))]
        {
            let database: Open = Box::new(|opening| Box::pin(open_database(opening)));
            registry.storages.insert("DatabaseCache".into(), database);
        }
        #[cfg(feature = "redis")]
        registry.add_redis();
        let cookie: Open = Box::new(|opening| {
            Box::pin(async move {
                let (engine, notes) = CookieEngine::new(opening)?;
                let reason = "SESSION_ENGINE is \"cookie\": each session is in its visitor's browser, and nowhere else";
                let opened = Opened::without_store(Arc::new(engine), reason);
                Ok(Opened { notes, ..opened })
            })
        });
        registry.engines.insert("cookie".into(), cookie);
        registry
    }

    #[cfg(feature = "redis")]
    fn add_redis(&mut self) {
        let open: Open = Box::new(|opening| {
            Box::pin(async move {
                let (store, notes) = RedisCache::open_with_notes(opening.settings).await?;
                let opened = Opened::over_store(store, opening)?;
                Ok(Opened { notes, ..opened })
            })
        });
        self.storages.insert("RedisCache".to_owned(), open);
    }

    pub(crate) fn add_store<S: SessionStore, F>(
        &mut self,
        name: &str,
        open: impl Fn(Settings) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<S>> + Send + 'static,
    {
        self.add(name, move |opening| open(opening.settings.clone()));
    }

    pub(crate) fn add_cache<C: Cache>(
        &mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<C> + Send + Sync + 'static,
    ) {
        self.add(name, move |opening| {
            let store = open(opening.own).map(|cache| OverCache::new(cache, opening.clock.clone()));
            ready(store)
        });
    }

    fn add<S: SessionStore, F>(
        &mut self,
        name: &str,
        open: impl Fn(&Opening<'_>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<S>> + Send + 'static,
    {
        let open: Open = Box::new(move |opening| {
            let store = open(opening);
            Box::pin(async move { Opened::over_store(store.await?, opening) })
        });
        self.storages.insert(name.to_owned(), open);
    }

    pub(crate) fn add_engine(
        &mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<Arc<dyn SessionEngine>> + Send + Sync + 'static,
    ) {
        let open: Open = Box::new(move |opening| {
            let engine = open(opening.own);
            let reason = "SESSION_ENGINE is one of the site's own: it keeps its sessions where only it can see them";
            Box::pin(async move { Ok(Opened::without_store(engine?, reason)) })
        });
        self.engines.insert(name.to_owned(), open);
    }

    /// What `SESSION_STORAGE` may be.
    pub(crate) fn storages(&self) -> Vec<&str> {
        self.storages.keys().map(String::as_str).collect()
    }

    /// What `SESSION_ENGINE` may be.
    fn engines(&self) -> Vec<&str> {
        let others = self.engines.keys().map(String::as_str);
        [CACHE].into_iter().chain(others).collect()
    }

    /// Opens what the settings name.
    pub(crate) async fn open(&self, opening: &Opening<'_>) -> Result<Opened> {
        // They may be in the file of a site that keeps its sessions elsewhere.
        #[cfg(feature = "redis")]
        RedisSettings::read(opening.settings)?;
        let (storage, engine) = (&*opening.own.session_storage, &*opening.own.session_engine);
        let open = if last_segment(engine) == CACHE {
            find(&self.storages, storage).ok_or_else(|| {
                let why = no_storage(storage, &self.storages(), Some(&self.engines()));
                refused(opening, "SESSION_STORAGE", storage, &why)
            })
        } else {
            find(&self.engines, engine).ok_or_else(|| {
                let storages = ("SESSION_STORAGE", &*self.storages());
                let why = not_one_of(engine, &self.engines(), Some(storages));
                refused(opening, "SESSION_ENGINE", engine, &why)
            })
        };
        open?(opening).await
    }
}

/// The engine over a storage.
const CACHE: &str = "cache";

/// Storages of Duck that this program is built without, each with the cargo feature that brings it.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "dynamic-file"))]
    ("DynamicFileCache", "dynamic-file"),
    #[cfg(not(any(feature = "postgres", feature = "dynamic-file")))]
    ("DatabaseCache", "postgres"),
    #[cfg(not(feature = "redis"))]
    ("RedisCache", "redis"),
];

/// The database of `SESSION_DATABASE_URL`, whichever it is.
#[cfg(any(feature = "postgres", feature = "dynamic-file"))]
async fn open_database(opening: &Opening<'_>) -> Result<Opened> {
    let (own, key) = (opening.own, "SESSION_DATABASE_URL");
    let refused = |why: &str| opening.settings.error(key, why);
    let url = own.session_database_url.as_ref();
    let right = "names the database of the sessions: \"postgres://user:password@host/database\", or \"sqlite:sessions.db\"";
    match url.map(DatabaseUrl::as_str) {
        Some(url) if url.starts_with("sqlite:") => {
            #[cfg(feature = "dynamic-file")]
            return Opened::over_store(SqliteFile::start(own, opening.settings).await?, opening);
            #[cfg(not(feature = "dynamic-file"))]
            Err(refused(&format!(
                "is an SQLite file, which {}",
                needs("dynamic-file")
            ))
            .into())
        }
        Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            #[cfg(feature = "postgres")]
            {
                let store = DatabaseCache::start(url, own, opening.settings, opening.is_serving);
                Opened::over_store(store.await?, opening)
            }
            #[cfg(not(feature = "postgres"))]
            Err(refused(&format!(
                "is a server of PostgreSQL, which {}",
                needs("postgres")
            ))
            .into())
        }
        _ => Err(refused(right).into()),
    }
}

/// Why there is no such storage, and what to do about it. With the names of the engines, it says
/// where one of them was written into the wrong setting.
pub(crate) fn no_storage(name: &str, storages: &[&str], engines: Option<&[&str]>) -> String {
    let engines = engines.map(|engines| ("SESSION_ENGINE", engines));
    left_out(name).unwrap_or_else(|| not_one_of(name, storages, engines))
}

/// What to do for a storage that Duck has and this program is built without. `None` for other names.
fn left_out(storage: &str) -> Option<String> {
    let named = |(name, _): &&(&str, &str)| *name == last_segment(storage);
    let (_, feature) = LEFT_OUT.iter().find(named)?;
    Some(needs(feature))
}

fn needs(feature: &str) -> String {
    format!(
        "needs the feature {feature:?} of duck-session, and this site is built without it: run `cargo add duck-session --features {feature}`, or write into Cargo.toml `duck-session = {{ …, features = [{feature:?}] }}`"
    )
}

/// The original writes `duck.utils.caching.KeyAsFolderCache`.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn find<'a>(known: &'a BTreeMap<String, Open>, name: &str) -> Option<&'a Open> {
    known.get(name).or_else(|| known.get(last_segment(name)))
}

/// What there is, and which of it was probably meant. `others` are the names that another setting takes.
fn not_one_of(name: &str, known: &[&str], others: Option<(&str, &[&str])>) -> String {
    let name = last_segment(name);
    let unbuilt = LEFT_OUT.iter().map(|(name, _)| *name);
    let all: Vec<&str> = known.iter().copied().chain(unbuilt).collect();
    let like = nearest(name, all.iter().copied());
    let elsewhere = || {
        let (key, names) = others?;
        Some((key, nearest(name, names.iter().copied())?))
    };
    let meant = match (like, elsewhere()) {
        (Some(meant), _) => format!("; did you mean {meant:?}?"),
        (None, Some((key, meant))) => format!("; did you mean {key} = {meant:?}?"),
        (None, None) => partly(name, &all)
            .map_or_else(String::new, |meant| format!("; did you mean {meant:?}?")),
    };
    format!("is not one of {known:?}{meant}")
}

/// The only name that has the other in it, or is in it: `signed_cookies` is `cookie`.
fn partly<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.trim().to_ascii_lowercase();
    let mut fitting = known.iter().filter(|known| {
        let known = known.to_ascii_lowercase();
        name.len() > 3 && (known.contains(&name) || name.contains(&known))
    });
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

fn refused(opening: &Opening<'_>, key: &str, name: &str, why: &str) -> Error {
    let message = format_args!("is {name:?}, which {why}");
    opening.settings.error(key, message).into()
}
