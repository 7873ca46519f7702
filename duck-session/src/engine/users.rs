//! Which sessions a user has: a sealed list for each user, kept in the cache like a session.
//!
//! A session is on the list before it is stored, and leaves it after it is gone; so a list may name
//! sessions that are over, and never misses one that lives. That takes no scan and nothing from the
//! cache that sessions do not take too. (F12 has an index of empty files, for one storage.)

use bytes::Bytes;
use duck::session::{Identity, Record, Revoked, SessionData, SessionError, UserSession, Visitor};

#[cfg(feature = "commands")]
use super::administration::Resealed;
use super::line::Line;
use super::save::{MOST_TRIES, Version};
use super::tombstone::Tombstone;
use super::{CacheEngine, Opened, Tells, exchange};
use crate::cache::{Cache, Entry};
use crate::clock;
use crate::header::{Header, Kind};
use crate::journal::Event;
use crate::seal::Handle;
use crate::settings::OnLimit;

/// From this many entries on, those that are over are removed now and then.
const PRUNED_FROM: usize = 32;

/// How much of what a browser says of itself is kept.
const AGENT_CHARS: usize = 200;

/// A live session on a user's list.
struct Listed {
    handle: Handle,
    header: Header,
    agent: Option<String>,
}

impl<C: Cache> CacheEngine<C> {
    /// Puts a session on its user's list, which has to come before the session itself is stored.
    /// `from` is where the session was until now.
    pub(super) async fn enlist(
        &self,
        data: &SessionData,
        handle: &Handle,
        header: &Header,
        from: Option<&Handle>,
        visitor: Option<&Visitor>,
    ) -> Result<(), SessionError> {
        let Some(user) = data.user() else {
            return Ok(());
        };
        let name = self.sealer.user_handle(&user);
        let agent = visitor.and_then(Visitor::agent).map(cut);
        let agent = Bytes::from(serde_json::to_vec(&agent).map_err(SessionError::store)?);
        let covered = header.expires.saturating_add(self.lifetimes.span());
        self.edit_list(&name, covered, |list| {
            let known = from.and_then(|from| list.get(from.as_str()).cloned());
            list.set(handle.as_str(), known.unwrap_or_else(|| agent.clone()));
        })
        .await
    }

    /// Keeps the list for as long as the session, whose end was moved.
    pub(super) async fn stay_listed(&self, version: &Version) -> Result<(), SessionError> {
        let Version {
            handle,
            header,
            data,
            ..
        } = version;
        self.enlist(data, handle, header, Some(handle), None).await
    }

    /// Takes a session that is gone off its user's list. Nothing is wrong if that fails.
    pub(super) async fn strike(&self, data: &SessionData, handle: &Handle) {
        let Some(user) = data.user() else { return };
        for name in self.sealer.user_handles(&user) {
            let edited = self.edit_list(&name, 0, |list| {
                list.remove(handle.as_str());
            });
            if let Err(error) = edited.await {
                tracing::debug!(target: "duck_session", %error, "a session that is over stays on its user's list");
            }
        }
    }

    /// Keeps a user to `SESSION_MAX_SESSIONS_PER_USER`, before one more is begun in place of `old`.
    pub(super) async fn make_room(
        &self,
        data: &SessionData,
        old: Option<&Handle>,
        most: usize,
    ) -> Result<(), SessionError> {
        let Some(user) = data.user() else {
            return Ok(());
        };
        let mut others = self.live(&user).await?;
        others.retain(|listed| Some(&listed.handle) != old);
        if others.len() < most {
            return Ok(());
        }
        if self.on_limit == OnLimit::Refuse {
            return Err(SessionError::TooMany);
        }
        others.sort_by_key(|listed| listed.header.touched);
        for listed in &others[..=others.len() - most] {
            self.end_at(listed.handle, None).await?;
            Event::MadeRoom.tell(Some(&listed.handle));
        }
        Ok(())
    }

    pub(super) async fn list_sessions(
        &self,
        user: &str,
        current: Option<&Record>,
    ) -> Result<Vec<UserSession>, SessionError> {
        let current = self.handle_of(current);
        let mut live = self.live(user).await?;
        live.sort_by_key(|listed| std::cmp::Reverse(listed.header.auth));
        let show = |listed: Listed| {
            let mut shown =
                UserSession::new(listed.handle.name(), clock::time(listed.header.created));
            shown.logged_in = clock::time(listed.header.auth);
            shown.last_seen = clock::time(listed.header.touched);
            shown.agent = listed.agent;
            shown.is_current = Some(listed.handle) == current;
            shown
        };
        Ok(live.into_iter().map(show).collect())
    }

    /// Ends sessions of a user and says how many.
    pub(super) async fn revoke_sessions(
        &self,
        user: &str,
        which: Revoked<'_>,
    ) -> Result<usize, SessionError> {
        let kept = match which {
            Revoked::AllBut(record) => self.handle_of(Some(record)),
            _ => None,
        };
        let mut count = 0;
        for listed in self.live(user).await? {
            let is_meant = match which {
                Revoked::One(name) => listed.handle.name() == name,
                _ => Some(listed.handle) != kept,
            };
            if is_meant {
                self.end_at(listed.handle, None).await?;
                Event::Revoked.tell(Some(&listed.handle));
                count += 1;
            }
        }
        Ok(count)
    }

    fn handle_of(&self, record: Option<&Record>) -> Option<Handle> {
        Some(self.sealer.handle(record?.id.as_ref()?))
    }

    /// The sessions of a user that live. One that moved since its list was read is found where it went.
    async fn live(&self, user: &str) -> Result<Vec<Listed>, SessionError> {
        let mut live: Vec<Listed> = Vec::new();
        for name in self.sealer.user_handles(user) {
            let Some((_, _, list)) = self.list(&name).await? else {
                continue;
            };
            for (key, agent) in list.site_entries() {
                let Some(handle) = Handle::parse(key) else {
                    continue;
                };
                let Some((handle, header, data)) = self.live_from(handle).await? else {
                    continue;
                };
                // It may be listed where it was too, and after a change of the key on two lists.
                let is_new = live.iter().all(|listed| listed.handle != handle);
                if is_new && data.user().as_deref() == Some(user) {
                    let agent = serde_json::from_slice(agent).unwrap_or_default();
                    live.push(Listed {
                        handle,
                        header,
                        agent,
                    });
                }
            }
        }
        Ok(live)
    }

    /// The live session under a handle, or wherever it went from there.
    async fn live_from(
        &self,
        mut handle: Handle,
    ) -> Result<Option<(Handle, Header, SessionData)>, SessionError> {
        while let Some(bytes) = self.fetch(&handle).await? {
            match self.open(&handle, &bytes) {
                Opened::Live(header, data) => return Ok(Some((handle, header, data))),
                Opened::Moved(Tombstone { to: Some(to), .. }) => handle = to,
                _ => break,
            }
        }
        Ok(None)
    }

    /// Where the sessions on a user's list are.
    #[cfg(feature = "commands")]
    pub(super) async fn listed(&self, user: &str) -> Result<Vec<Handle>, SessionError> {
        let live = self.live(user).await?.into_iter();
        Ok(live.map(|listed| listed.handle).collect())
    }

    /// The entries of a long list whose sessions are over.
    async fn over(&self, list: &SessionData) -> Result<Vec<String>, SessionError> {
        let mut over = Vec::new();
        // Each time the list has doubled: a long one costs many reads.
        if list.total() < PRUNED_FROM || !list.total().is_power_of_two() {
            return Ok(over);
        }
        for key in list.keys() {
            let is_live = match Handle::parse(key) {
                Some(handle) => self.fetch(&handle).await?.is_some(),
                None => false,
            };
            if !is_live {
                over.push(key.to_owned());
            }
        }
        Ok(over)
    }

    /// Whether a session is on a list of its user, as it should be; one of nobody is on none.
    #[cfg(feature = "commands")]
    pub(super) async fn is_listed(
        &self,
        data: &SessionData,
        handle: &Handle,
    ) -> Result<bool, SessionError> {
        let Some(user) = data.user() else {
            return Ok(true);
        };
        for name in self.sealer.user_handles(&user) {
            let list = self.list(&name).await?;
            if list.is_some_and(|(_, _, list)| list.get(handle.as_str()).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts what is on a list, whose name comes from an older key, on the list that the current key
    /// names, and removes it.
    #[cfg(feature = "commands")]
    pub(super) async fn rename_list(&self, name: &Handle) -> Result<Resealed, SessionError> {
        for _ in 0..MOST_TRIES {
            let Some((seen, _, list)) = self.list(name).await? else {
                return Ok(Resealed::Gone);
            };
            let mut renamed = true;
            for (key, agent) in list.site_entries() {
                renamed &= self.enlist_again(name, key, agent).await?;
            }
            if !renamed {
                return Ok(Resealed::NotNeeded);
            }
            if self.swap_list(name, Some(&seen), None).await? {
                return Ok(Resealed::Done);
            }
        }
        Err(SessionError::Conflict)
    }

    /// Puts a session that is on the list `from` on the one that the current key names; says no if
    /// that is the same.
    #[cfg(feature = "commands")]
    async fn enlist_again(
        &self,
        from: &Handle,
        key: &str,
        agent: &Bytes,
    ) -> Result<bool, SessionError> {
        let Some(handle) = Handle::parse(key) else {
            return Ok(true);
        };
        let Some((handle, header, data)) = self.live_from(handle).await? else {
            return Ok(true);
        };
        let Some(user) = data.user() else {
            return Ok(true);
        };
        let name = self.sealer.user_handle(&user);
        if name == *from {
            return Ok(false);
        }
        let covered = header.expires.saturating_add(self.lifetimes.span());
        self.edit_list(&name, covered, |list| {
            if list.get(handle.as_str()).is_none() {
                list.set(handle.as_str(), agent.clone());
            }
        })
        .await?;
        Ok(true)
    }

    /// A user's list, as it is stored and opened.
    async fn list(
        &self,
        name: &Handle,
    ) -> Result<Option<(Bytes, Header, SessionData)>, SessionError> {
        let Some(seen) = self
            .within(Tells::Much, self.lists.get(name.as_str()))
            .await?
        else {
            return Ok(None);
        };
        let header = Header::read(&seen).filter(|header| header.kind == Kind::List);
        let opened = header.and_then(|header| {
            let list = self.sealer.open(name.as_bytes(), &header, &seen)?;
            Some((header, list))
        });
        // One that cannot be read is begun again, in its place.
        let (header, list) =
            opened.unwrap_or_else(|| (list_header(self.clock.now()), SessionData::default()));
        Ok(Some((seen, header, list)))
    }

    /// Changes a user's list, which is kept until `covered` at least.
    async fn edit_list(
        &self,
        name: &Handle,
        covered: u64,
        edit: impl Fn(&mut SessionData),
    ) -> Result<(), SessionError> {
        let mut line = Line::new(*name, self.lock_unless_atomic(&self.list_locks, name).await);
        for attempt in 0..MOST_TRIES {
            let now = self.clock.now();
            let (seen, mut header, before) = match self.list(name).await? {
                Some((seen, header, list)) => (Some(seen), header, list),
                None => (None, list_header(now), SessionData::default()),
            };
            let mut list = before.clone();
            for gone in Box::pin(self.over(&before)).await? {
                list.remove(&gone);
            }
            edit(&mut list);
            if list == before && header.expires >= covered {
                return Ok(());
            }
            let stored = match (&seen, list.is_empty()) {
                (None, true) => true,
                (Some(seen), true) => self.swap_list(name, Some(seen), None).await?,
                (_, false) => {
                    header.version = header.version.wrapping_add(1);
                    header.expires = header.expires.max(covered);
                    let bytes = self.sealer.seal(name.as_bytes(), &mut header, &list)?;
                    // To miss an entry after a power cut would be worse than to have one too many.
                    let adds = if covered > 0 {
                        Identity::Login
                    } else {
                        Identity::Keep
                    };
                    let entry = self.entry(&bytes, &header, adds, now);
                    self.swap_list(name, seen.as_deref(), Some(entry)).await?
                }
            };
            if stored {
                return Ok(());
            }
            self.stand_in_line(&self.list_locks, &mut line, attempt)
                .await;
        }
        Err(SessionError::Conflict)
    }

    fn swap_list<'a>(
        &'a self,
        name: &'a Handle,
        expected: Option<&'a [u8]>,
        new: Option<Entry<'a>>,
    ) -> impl Future<Output = Result<bool, SessionError>> + Send + 'a {
        self.within(Tells::Little, exchange(&*self.lists, name, expected, new))
    }
}

/// The header of a list that begins. It counts as somebody's who is logged in: a full memory gives up
/// others first.
fn list_header(now: u64) -> Header {
    Header {
        kind: Kind::List,
        persistent: false,
        readable: false,
        key: [0; 8],
        version: 0,
        created: now,
        issued: now,
        auth: now,
        touched: now,
        expires: 0,
        age: 0,
    }
}

fn cut(agent: &str) -> &str {
    let end = agent
        .char_indices()
        .nth(AGENT_CHARS)
        .map_or(agent.len(), |(end, _)| end);
    &agent[..end]
}
