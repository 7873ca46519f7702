//! Which process of a site does something at present, kept beside the sessions of a storage that processes share. For
//! the store a lease is a session like others: it is written by its version, so that of several processes one is granted
//! it.

use std::time::Duration;

use duck::app::{Claim, Leases};
use duck::session::SessionError;
use duck::{BoxFuture, Error, Result};

use super::save::MOST_TRIES;
use super::{Operation, StoreEngine};
use crate::clock::millis;
use crate::store::{Durability, SessionKey, SessionStore, StoredSession, UserKey, Version};

/// What a lease begins with. No sealed session does: they begin with the number of their format.
const MARK: &[u8; 12] = b"duck lease 1";

/// How long a lease that nobody asks for any more is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// A time that is further ahead was written by a process whose clock was wrong.
const FAR: Duration = Duration::from_hours(1);

/// Whether what is stored is no session, but a lease.
#[cfg(feature = "commands")]
pub(super) fn is_lease(stored: &StoredSession) -> bool {
    stored.bytes().starts_with(MARK)
}

/// A lease as it is stored.
struct Lease {
    holder: [u8; 16],
    turn: u64,
    /// Milliseconds since 1970, UTC; 0 where it was given back.
    until: u64,
}

impl Lease {
    /// `None` for what nobody has written as a lease: it counts as free.
    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MARK)?;
        let (holder, rest) = rest.split_first_chunk()?;
        let (turn, rest) = rest.split_first_chunk()?;
        let (until, _) = rest.split_first_chunk()?;
        Some(Self {
            holder: *holder,
            turn: u64::from_be_bytes(*turn),
            until: u64::from_be_bytes(*until),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let (turn, until) = (self.turn.to_be_bytes(), self.until.to_be_bytes());
        [&MARK[..], &self.holder, &turn, &until].concat()
    }

    fn admits(&self, claim: &Claim<'_>, now: u64) -> bool {
        if self.holder == claim.holder && self.turn == claim.turn {
            return true;
        }
        let is_held = (now..=now.saturating_add(millis(FAR))).contains(&self.until);
        let is_later =
            claim.turn > self.turn || self.turn >= claim.turn.saturating_add(FAR.as_secs());
        !is_held && is_later
    }
}

impl<S: SessionStore> Leases for StoreEngine<S> {
    fn acquire<'a>(&'a self, claim: Claim<'a>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            if claim.time > FAR {
                return Err(Error::internal("a lease is for an hour at most"));
            }
            // Two sites with one storage have tasks of their own: their keys differ.
            let key = self.sealer.user_key(&format!("duck lease {}", claim.name));
            let key = SessionKey::from_bytes(*key.as_bytes());
            for _ in 0..MOST_TRIES {
                let stored = self.within(Operation::Read, self.store.load(&key)).await?;
                let now = self.clock.now();
                let lease = stored.as_ref().and_then(|it| Lease::read(it.bytes()));
                if lease.is_some_and(|lease| !lease.admits(&claim, now)) {
                    return Ok(false);
                }
                if self.write_lease(key, stored.as_ref(), &claim, now).await? {
                    return Ok(true);
                }
            }
            Err(SessionError::Conflict.into())
        })
    }
}

impl<S: SessionStore> StoreEngine<S> {
    /// Returns `false` where another process was faster.
    async fn write_lease(
        &self,
        key: SessionKey,
        old: Option<&StoredSession>,
        claim: &Claim<'_>,
        now: u64,
    ) -> Result<bool, SessionError> {
        let until = match millis(claim.time) {
            0 => 0,
            time => now.saturating_add(time),
        };
        let lease = Lease {
            holder: claim.holder,
            turn: claim.turn,
            until,
        };
        // Sessions of users are the last to give way in a full storage.
        let user = UserKey::from_bytes(*key.as_bytes());
        let version = old.map_or_else(Version::first, |old| old.version().next());
        let expires = now.saturating_add(millis(KEPT));
        let new = StoredSession::new(key, version, Some(user), expires, lease.bytes());
        let writing = async {
            match old {
                None => self.store.create(&new, Durability::Crash).await,
                Some(old) => {
                    let replacing = self.store.replace(old.version(), &new, Durability::Crash);
                    replacing.await
                }
            }
        };
        self.within(Operation::Write, writing).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use duck::Settings;
    use duck::session::AuthHash;
    use futures_util::future::join_all;

    #[cfg(feature = "commands")]
    use super::super::administration::Administration;
    use super::*;
    use crate::clock::Clock;
    use crate::opening::Opening;
    use crate::settings::SessionSettings;
    use crate::store::KeyAsFolderCache;

    /// The engine of one process.
    async fn engine(dir: &Path, key: &str, clock: &Clock) -> Arc<StoreEngine<KeyAsFolderCache>> {
        let settings = Settings::default().with("SECRET_KEY", key);
        let opening = Opening {
            own: &SessionSettings::from_settings(&settings).unwrap(),
            settings: &settings,
            clock,
            auth_hash: &AuthHash::default(),
            is_serving: true,
        };
        let store = KeyAsFolderCache::open(dir).await.unwrap();
        Arc::new(StoreEngine::new(store, &opening).unwrap())
    }

    const KEY: &str = "a key for tests of more than thirty-two bytes";

    #[tokio::test]
    async fn a_process_that_died_frees_its_lease_by_time_and_gets_nothing_back() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
        let dir = folder.path().join("sessions");
        let (dies, lives) = (
            engine(&dir, KEY, &clock).await,
            engine(&dir, KEY, &clock).await,
        );
        let turn = clock.now() / 1000;
        assert!(dies.acquire(claim(1, turn)).await.unwrap());
        for seconds in [10, 20, 29] {
            clock.advance(Duration::from_secs(seconds));
            assert!(!lives.acquire(claim(2, turn + 600)).await.unwrap());
        }
        clock.advance(Duration::from_secs(2));
        assert!(
            !lives.acquire(claim(2, turn)).await.unwrap(),
            "the same turn stays taken"
        );
        assert!(lives.acquire(claim(2, turn + 600)).await.unwrap());
        assert!(
            !dies.acquire(claim(1, turn)).await.unwrap(),
            "it hears that it lost"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_that_ask_at_once_one_is_granted_each_turn() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::default());
        let dir = folder.path().join("sessions");
        let mut processes = Vec::new();
        for _ in 0..4 {
            processes.push(engine(&dir, KEY, &clock).await);
        }
        for turn in TURN..TURN + 20 {
            let asking = (0..16).map(|number| {
                let process = processes[usize::from(number) % 4].clone();
                tokio::spawn(async move {
                    let granted = process.acquire(claim(number, turn)).await.unwrap();
                    if granted {
                        let back = Claim::new("sweep", [number; 16], turn, Duration::ZERO);
                        assert!(process.acquire(back).await.unwrap());
                    }
                    granted
                })
            });
            let granted = join_all(asking).await.into_iter().map(Result::unwrap);
            assert_eq!(granted.filter(|granted| *granted).count(), 1);
        }
    }

    /// One further ahead is taken for that of a wrong clock, and would be granted to the next one who asks.
    #[tokio::test]
    async fn a_claim_for_more_than_an_hour_is_an_error() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
        let site = engine(&folder.path().join("sessions"), KEY, &clock).await;
        let turn = clock.now() / 1000;
        let long = Claim::new("sweep", [1; 16], turn, FAR + Duration::from_secs(1));
        site.acquire(long).await.unwrap_err();
        assert!(site.acquire(claim(2, turn)).await.unwrap());
    }

    #[cfg(feature = "commands")]
    #[tokio::test]
    async fn names_and_sites_have_leases_of_their_own_and_no_administrator_takes_one_for_a_session()
    {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
        let dir = folder.path().join("sessions");
        let site = engine(&dir, KEY, &clock).await;
        let other = engine(&dir, "another key of more than thirty-two bytes", &clock).await;
        let turn = clock.now() / 1000;
        let time = Duration::from_secs(60);
        assert!(site.acquire(claim(1, turn)).await.unwrap());
        assert!(other.acquire(claim(2, turn)).await.unwrap());
        assert!(
            site.acquire(Claim::new("report", [3; 16], turn, time))
                .await
                .unwrap()
        );
        let page = Administration::page(&*site, None).await.unwrap();
        assert!(page.sessions.is_empty() && page.unreadable == 0);
        assert_eq!(site.store.page(None, 10).await.unwrap().sessions.len(), 3);
        // The sweep takes one that nobody has asked for in a week.
        clock.advance(KEPT + Duration::from_secs(1));
        assert_eq!(site.sweep().await.unwrap(), 3);
    }

    const NOW: u64 = 1_800_000_000_000;
    const TURN: u64 = NOW / 1000;

    fn lease(turn: u64, until: u64) -> Lease {
        Lease {
            holder: [1; 16],
            turn,
            until,
        }
    }

    fn claim(holder: u8, turn: u64) -> Claim<'static> {
        Claim::new("sweep", [holder; 16], turn, Duration::from_secs(60))
    }

    #[test]
    fn what_is_held_is_prolonged_by_its_holder_and_refused_to_others() {
        let held = lease(TURN, NOW + 60_000);
        assert!(held.admits(&claim(1, TURN), NOW));
        assert!(!held.admits(&claim(2, TURN), NOW));
        assert!(!held.admits(&claim(2, TURN + 600), NOW), "it still runs");
        assert!(
            !held.admits(&claim(1, TURN + 600), NOW),
            "a turn of its own too"
        );
    }

    #[test]
    fn what_is_over_or_was_given_back_is_granted_for_a_later_turn_only() {
        for until in [0, NOW - 1] {
            let free = lease(TURN, until);
            assert!(free.admits(&claim(2, TURN + 1), NOW));
            assert!(!free.admits(&claim(2, TURN), NOW), "this turn was run");
            assert!(
                !free.admits(&claim(2, TURN - 600), NOW),
                "a clock that is behind"
            );
        }
    }

    #[test]
    fn what_a_wrong_clock_has_written_does_not_stop_a_task_for_years() {
        let far = lease(TURN + 86_400 * 3650, NOW + 86_400_000 * 3650);
        assert!(far.admits(&claim(2, TURN), NOW));
    }

    #[test]
    fn a_lease_is_read_as_it_was_written_and_nothing_else_is_one() {
        let bytes = lease(7, 9).bytes();
        let read = Lease::read(&bytes).unwrap();
        assert_eq!((read.holder, read.turn, read.until), ([1; 16], 7, 9));
        for length in 0..bytes.len() {
            assert!(Lease::read(&bytes[..length]).is_none());
        }
        assert!(Lease::read(b"sealed").is_none());
    }
}
