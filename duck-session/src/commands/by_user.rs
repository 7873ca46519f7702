use std::collections::HashSet;

use duck::Result;

use super::desk::note;
use super::scan::Scan;
use super::words;
use crate::engine::administration::Administration;
use crate::engine::stored::{Obstacle, State, Stored};

/// All sessions of a user, found by looking into each.
///
/// A session that gets another id meanwhile, and with it another place, leaves a tombstone that
/// says where it is: so none slips through between two pages.
pub(super) async fn sessions_of(
    administration: &dyn Administration,
    name: &str,
) -> Result<Vec<Stored>> {
    let (mut found, mut seen, mut sealed) = (Vec::new(), HashSet::new(), 0);
    let mut scan = Scan::new(administration);
    while let Some(records) = scan.next().await? {
        for stored in records {
            let Some(stored) = follow(administration, stored).await? else {
                continue;
            };
            sealed += usize::from(matches!(stored.state, State::Unreadable(Obstacle::Key)));
            let is_theirs = matches!(&stored.state, State::Live { data, .. } if data.user().as_deref() == Some(name));
            if is_theirs && seen.insert(stored.handle.as_str().to_owned()) {
                found.push(stored);
            }
        }
    }
    if sealed > 0 {
        let sessions = words::sessions(sealed);
        note(format_args!(
            "whose they are is not known of {sessions}: sealed with a key that is not in the settings"
        ));
    }
    Ok(found)
}

/// The session that a tombstone leads to; what is none, as it is.
async fn follow(administration: &dyn Administration, mut stored: Stored) -> Result<Option<Stored>> {
    while let State::Moved(to) = &stored.state {
        let Some(to) = to else { return Ok(None) };
        let Some(next) = administration.find(to).await? else {
            return Ok(None);
        };
        stored = next;
    }
    Ok(Some(stored))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use duck::session::AuthHash;
    use duck::testing::TestClient;
    use duck::{App, Bytes, Request, Settings, path};

    use super::*;
    use crate::cache::{Cache, Entry, InMemoryCache, Page};
    use crate::clock::Clock;
    use crate::header::{Header, Kind};
    use crate::opening::Opening;
    use crate::registry::{Opened, Registry};
    use crate::{SessionMiddleware, SessionSettings};

    /// Several sites share it, as several processes share files. Where it is evasive it lists
    /// tombstones only: each session has moved to where the walk has been already.
    #[derive(Clone, Default)]
    struct Shared {
        cache: Arc<InMemoryCache>,
        is_evasive: bool,
        /// How many were asked for.
        pages: Arc<AtomicUsize>,
    }

    impl Cache for Shared {
        const ATOMIC: bool = true;

        async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
            self.cache.set(key, value, ttl).await
        }

        async fn get(&self, key: &str) -> Result<Option<Bytes>> {
            self.cache.get(key).await
        }

        async fn delete(&self, key: &str) -> Result<()> {
            self.cache.delete(key).await
        }

        async fn clear(&self) -> Result<()> {
            self.cache.clear().await
        }

        async fn compare_and_swap(
            &self,
            key: &str,
            expected: Option<&[u8]>,
            new: Option<Entry<'_>>,
        ) -> Result<bool> {
            self.cache.compare_and_swap(key, expected, new).await
        }

        async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
            self.pages.fetch_add(1, Ordering::Relaxed);
            let mut page = self.cache.page(after, limit).await?;
            let is_tombstone = |record: &[u8]| {
                Header::read(record).is_some_and(|header| header.kind == Kind::Moved)
            };
            page.entries
                .retain(|entry| !self.is_evasive || is_tombstone(&entry.value));
            Ok(page)
        }
    }

    async fn log_in(request: Request, user: String) -> Result<&'static str> {
        request.session.login(user).await?;
        Ok("in")
    }

    const KEY: &str = "a key for tests of more than thirty-two bytes";
    const NEW_KEY: &str = "another key of more than thirty-two bytes for tests";

    fn settings(keys: &[&str]) -> Settings {
        Settings::default()
            .with("SECRET_KEY", keys[0])
            .with("SECRET_KEY_FALLBACKS", keys[1..].to_vec())
            .with("SESSION_STORAGE", "Shared")
    }

    fn open(cache: &Shared, keys: &[&str]) -> Opened {
        let (settings, cache) = (settings(keys), cache.clone());
        let mut registry = Registry::new();
        registry.add_cache("Shared", move |_| Ok(cache.clone()));
        let opening = Opening {
            own: &SessionSettings::from_settings(&settings).unwrap(),
            settings: &settings,
            clock: &Clock::default(),
            auth_hash: &AuthHash::default(),
        };
        registry.open(&opening).unwrap()
    }

    /// A visitor of a site over the cache.
    async fn visitor(cache: &Shared) -> TestClient {
        let cache = cache.clone();
        let sessions = SessionMiddleware::new().cache("Shared", move |_| Ok(cache.clone()));
        let app = App::new(settings(&[KEY])).with(sessions);
        TestClient::start(app.urls([path("/login/<user>", log_in)])).await
    }

    #[tokio::test]
    async fn a_session_that_moves_during_the_walk_is_found() {
        let cache = Shared {
            is_evasive: true,
            ..Shared::default()
        };
        let visitor = visitor(&cache).await;
        for _ in 0..3 {
            visitor.get("/login/grace").await;
        }
        let administration = open(&cache, &[KEY]).administration.unwrap();
        let of = async |name| sessions_of(&*administration, name).await.unwrap().len();
        assert_eq!((of("grace").await, of("ada").await), (1, 0));
    }

    /// F12: however many sessions others have.
    #[tokio::test]
    async fn the_list_of_a_user_takes_no_walk() {
        let cache = Shared::default();
        let client = visitor(&cache).await;
        for user in ["ada", "grace", "grace"] {
            client.another().get(&format!("/login/{user}")).await;
        }
        let administration = open(&cache, &[KEY]).administration.unwrap();
        for (user, sessions) in [("grace", 2), ("ada", 1), ("eve", 0)] {
            let listed = administration.listed(user).await.unwrap();
            assert_eq!(listed.len(), sessions, "{user}");
        }
        assert_eq!(cache.pages.load(Ordering::Relaxed), 0);
    }

    /// A user's list is named with a key. When that one is given up, the list is still found.
    #[tokio::test]
    async fn the_sessions_of_a_user_are_known_after_rekey() {
        let cache = Shared::default();
        let first = visitor(&cache).await;
        for visitor in [&first, &first.another()] {
            visitor.get("/login/grace").await;
        }
        let both = open(&cache, &[NEW_KEY, KEY]).administration.unwrap();
        let mut scan = Scan::new(&*both);
        while let Some(records) = scan.next().await.unwrap() {
            for stored in records {
                both.reseal(&stored).await.unwrap();
            }
        }
        let new = open(&cache, &[NEW_KEY]);
        let known = new.engine.sessions_of("grace", None).await.unwrap();
        assert_eq!(known.len(), 2);
        let mut scan = Scan::new(&**new.administration.as_ref().unwrap());
        while let Some(records) = scan.next().await.unwrap() {
            let is_sealed = |stored: &Stored| matches!(stored.state, State::Unreadable(_));
            assert!(!records.iter().any(is_sealed), "the old key is needed");
        }
    }
}
