//! Which sessions a user has: `by-user/<user>/<key>`, an empty file for each.
//!
//! An entry is made before the record says whose it is, so that no session is missing here, whoever dies
//! when. It goes only when there is no record under the key any more and it was made a minute ago or
//! longer: the record that it was made for may still be on its way. Whoever reads the entries of a user
//! loads the sessions, and leaves out those that are somebody else's by now.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::record::{TRIES, Wait, kept_changing};
use crate::store::directory::{Directory, present};
use crate::store::{SessionKey, UserKey};

/// How long a writer may take from its entry to its record.
const YOUNG: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Users {
    pub(super) folder: Directory,
}

impl Users {
    /// Notes that a session is, or is about to be, a user's.
    pub(super) fn add(
        &self,
        user: &UserKey,
        key: &SessionKey,
        durable: bool,
        wait: Wait,
    ) -> io::Result<()> {
        if wait == Wait::No {
            return Err(ErrorKind::WouldBlock.into()); // for the sweep, which has the lock
        }
        let user = user.to_hex();
        for _ in 0..TRIES {
            self.folder.make_folder(&user)?;
            // It goes while it is empty: then we begin anew.
            let Some(folder) = present(self.folder.folder(&user))? else {
                continue;
            };
            folder.lock(FlockOperation::LockShared)?;
            if present(folder.touch(&key.to_hex()))?.is_none() {
                continue;
            }
            if durable {
                folder.sync()?;
                self.folder.sync()?;
            }
            return Ok(());
        }
        Err(kept_changing())
    }

    /// Whether a session is noted as a user's.
    pub(super) fn has(&self, user: &UserKey, key: &SessionKey) -> io::Result<bool> {
        let Some(folder) = present(self.folder.folder(&user.to_hex()))? else {
            return Ok(false);
        };
        folder.has_file(&key.to_hex())
    }

    /// The keys under which a user may have a session.
    pub(super) fn keys(&self, user: &str) -> io::Result<Vec<SessionKey>> {
        let Some(folder) = present(self.folder.folder(user))? else {
            return Ok(Vec::new());
        };
        let names = folder.names()?;
        let keys = names.iter().filter_map(|name| SessionKey::from_hex(name));
        Ok(keys.collect())
    }

    /// Removes the entries of those sessions that are gone, and the user's folder when it is empty.
    pub(super) fn prune(
        &self,
        user: &str,
        keys: &[SessionKey],
        is_gone: impl Fn(&SessionKey) -> io::Result<bool>,
    ) -> io::Result<()> {
        let Some(folder) = present(self.folder.folder(user))? else {
            return Ok(());
        };
        // No entry is made meanwhile, nor made young again.
        folder.lock(FlockOperation::LockExclusive)?;
        for key in keys {
            let name = key.to_hex();
            if folder.is_older(&name, YOUNG)? && is_gone(key)? {
                present(folder.remove_file(&name))?;
            }
        }
        self.folder.remove_folder(user).map(drop)
    }
}
