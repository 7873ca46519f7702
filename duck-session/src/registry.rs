//! Storages and engines by the names that the settings use.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use duck_core::{Error, Result, SessionEngine};

use crate::cache::{Cache, InMemoryCache, KeyAsFolderCache};
use crate::engine::CacheEngine;
#[cfg(feature = "commands")]
use crate::engine::administration::Administration;
use crate::header;
use crate::opening::Opening;
use crate::sealed_cookie::CookieEngine;
use crate::settings::{Fsync, SessionSettings};
use crate::upkeep::Upkeep;

/// An engine, and what keeps its storage in order.
pub(crate) struct Opened {
    pub(crate) engine: Arc<dyn SessionEngine>,
    pub(crate) upkeep: Option<Arc<dyn Upkeep>>,
    /// Who looks after what is stored, or why nobody can.
    #[cfg(feature = "commands")]
    pub(crate) administration: Result<Arc<dyn Administration>, &'static str>,
}

impl Opened {
    fn over_cache<C: Cache>(engine: CacheEngine<C>) -> Self {
        let engine = Arc::new(engine);
        Self {
            engine: engine.clone(),
            upkeep: Some(engine.clone()),
            #[cfg(feature = "commands")]
            administration: if C::IN_PROCESS {
                Err(
                    "this storage is in the memory of the running site: no other process sees a session in it",
                )
            } else {
                Ok(engine)
            },
        }
    }

    /// An engine that has no cache, and what that means to somebody who looks for one.
    fn without_cache(engine: Arc<dyn SessionEngine>, reason: &'static str) -> Self {
        let _ = reason;
        Self {
            engine,
            upkeep: None,
            #[cfg(feature = "commands")]
            administration: Err(reason),
        }
    }
}

type Open = Box<dyn Fn(&Opening<'_>) -> Result<Opened> + Send + Sync>;

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
        registry.add_cache("InMemoryCache", |own| {
            let cache = InMemoryCache::new(own.session_max_sessions, own.session_memory_bytes);
            Ok(cache.with_priority(header::is_logged_in))
        });
        registry.add_cache("KeyAsFolderCache", |own| {
            let syncs = own.session_fsync != Fsync::None;
            Ok(KeyAsFolderCache::open(&own.session_dir)?.sync_deletes(syncs))
        });
        #[cfg(feature = "dynamic-file")]
        registry.add_cache("DynamicFileCache", |own| {
            let options = crate::cache::DynamicFileCache::options();
            options
                .shard_bytes(own.session_shard_bytes)
                .open(&own.session_dir)
        });
        registry.engines.insert(
            "cookie".into(),
            Box::new(|opening| {
                let engine =
                    CookieEngine::new(opening.own, opening.settings, opening.clock.clone())?;
                let reason = "SESSION_ENGINE is \"cookie\": each session is in its visitor's browser, and nowhere else";
                Ok(Opened::without_cache(Arc::new(engine), reason))
            }),
        );
        registry
    }

    pub(crate) fn add_cache<C: Cache>(
        &mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<C> + Send + Sync + 'static,
    ) {
        let open: Open = Box::new(move |opening| {
            let engine = CacheEngine::new(&open, opening)?;
            Ok(Opened::over_cache(engine))
        });
        self.storages.insert(name.to_owned(), open);
    }

    pub(crate) fn add_engine(
        &mut self,
        name: &str,
        open: impl Fn(&SessionSettings) -> Result<Arc<dyn SessionEngine>> + Send + Sync + 'static,
    ) {
        let open: Open = Box::new(move |opening| {
            let reason = "SESSION_ENGINE is one of the site's own: it keeps its sessions where only it can see them";
            Ok(Opened::without_cache(open(opening.own)?, reason))
        });
        self.engines.insert(name.to_owned(), open);
    }

    /// What `SESSION_STORAGE` may be.
    #[cfg(feature = "commands")]
    pub(crate) fn storages(&self) -> Vec<&str> {
        self.storages.keys().map(String::as_str).collect()
    }

    /// Opens what the settings name.
    pub(crate) fn open(&self, opening: &Opening<'_>) -> Result<Opened> {
        let own = opening.own;
        let open = if last_segment(&own.session_engine) == "cache" {
            let storage = &*own.session_storage;
            find(&self.storages, storage).ok_or_else(|| {
                let known = self.storages.keys().map(String::as_str);
                let why = left_out(storage).unwrap_or_else(|| not_one_of(known));
                refused(opening, "SESSION_STORAGE", storage, &why)
            })
        } else {
            let engine = &*own.session_engine;
            find(&self.engines, engine).ok_or_else(|| {
                let known = self.engines.keys().map(String::as_str);
                let why = not_one_of(iter::once("cache").chain(known));
                refused(opening, "SESSION_ENGINE", engine, &why)
            })
        };
        open?(opening)
    }
}

/// Storages of Duck that this program is built without, each with the cargo feature that brings it.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "dynamic-file"))]
    ("DynamicFileCache", "dynamic-file"),
];

/// What to do for a storage that Duck has and this program is built without. `None` for other names.
pub(crate) fn left_out(storage: &str) -> Option<String> {
    let named = |(name, _): &&(&str, &str)| *name == last_segment(storage);
    let (_, feature) = LEFT_OUT.iter().find(named)?;
    Some(format!(
        "needs the feature {feature:?} of duck-session, and this site is built without it: run `cargo add duck-session --features {feature}`, or write into Cargo.toml `duck-session = {{ …, features = [{feature:?}] }}`"
    ))
}

/// The original writes `duck.utils.caching.KeyAsFolderCache`.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn find<'a>(known: &'a BTreeMap<String, Open>, name: &str) -> Option<&'a Open> {
    known.get(name).or_else(|| known.get(last_segment(name)))
}

fn not_one_of<'a>(known: impl Iterator<Item = &'a str>) -> String {
    format!("is not one of {:?}", known.collect::<Vec<_>>())
}

fn refused(opening: &Opening<'_>, key: &str, name: &str, why: &str) -> Error {
    let message = format_args!("is {name:?}, which {why}");
    opening.settings.error(key, message).into()
}
