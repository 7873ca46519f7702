//! Where a site's users are.

use std::fmt;
use std::future::Future;

use serde::Serialize;

use crate::error::{Error, Result};

/// Where a site's users are: a table of its own, mostly. Duck has no table of users; it asks this. For a plain table in
/// the database of the feature `sqlite` or `postgres` it is written already: `Auth::sqlite`, `Auth::postgres`.
///
/// Give it to the site with [`Auth::new`](super::Auth::new). Names and ids are texts to Duck: what a name is
/// (an address, a nickname, in which letters) and how two of them are compared is the site's to say.
///
/// ```
/// use duck::auth::{Accounts, Credentials};
/// use duck::{Error, Result};
/// use std::collections::BTreeMap;
/// use std::sync::{Mutex, PoisonError};
///
/// #[derive(Clone, serde::Serialize)]
/// struct User {
///     id: u64,
///     name: String,
/// }
///
/// /// A table in memory: each user with the hash of the password.
/// struct Table(Mutex<BTreeMap<u64, (User, String)>>);
///
/// impl Table {
///     fn find<T>(&self, id: &str, read: impl Fn(&mut (User, String)) -> T) -> Option<T> {
///         let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         rows.get_mut(&id.parse().ok()?).map(read)
///     }
/// }
///
/// impl Accounts for Table {
///     type User = User;
///
///     // SELECT id, hash FROM users WHERE name = $1
///     async fn credentials(&self, name: &str) -> Result<Option<Credentials>> {
///         let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let row = rows.values().find(|(user, _)| user.name == name);
///         Ok(row.map(|(user, hash)| Credentials::new(user.id, hash)))
///     }
///
///     // SELECT hash FROM users WHERE id = $1
///     async fn hash(&self, id: &str) -> Result<Option<String>> {
///         Ok(self.find(id, |(_, hash)| hash.clone()))
///     }
///
///     // SELECT id, name FROM users WHERE id = $1
///     async fn user(&self, id: &str) -> Result<Option<User>> {
///         Ok(self.find(id, |(user, _)| user.clone()))
///     }
///
///     // UPDATE users SET hash = $3 WHERE id = $1 AND hash = $2
///     async fn set_hash(&self, id: &str, old: &str, new: &str) -> Result<bool> {
///         let replaced = self.find(id, |(_, hash)| {
///             let is_old = hash == old;
///             if is_old {
///                 new.clone_into(hash);
///             }
///             is_old
///         });
///         Ok(replaced.unwrap_or(false))
///     }
/// }
/// ```
///
/// An error of any of them is the request's: 500, or what it stands for, with the cause in the log.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say where the site's users are",
    label = "not `Accounts`",
    note = "implement `duck::auth::Accounts` for it: `credentials`, `hash`, `user` and `set_hash`"
)]
pub trait Accounts: Send + Sync + 'static {
    /// A user as views and templates see one. Leave the hash of the password out of it: whatever it
    /// holds, a template can show.
    type User: Serialize + Clone + Send + Sync + 'static;

    /// The id of the user of this name, and the hash of their password; `None` where there is no such
    /// user, or nobody can log in as them.
    ///
    /// The name is what the visitor typed, of 254 bytes at most and without control characters.
    fn credentials(&self, name: &str) -> impl Future<Output = Result<Option<Credentials>>> + Send;

    /// The hash of a user's password, by the user's id: the same as in [`credentials`](Self::credentials).
    /// `None` where there is no such user any more.
    ///
    /// It is asked for wherever the session of a user is loaded. Once it is that of another password,
    /// whoever wrote it, the sessions that began before are over. For a user who is to be shut out at
    /// once, answer `None`.
    fn hash(&self, id: &str) -> impl Future<Output = Result<Option<String>>> + Send;

    /// The user of this id; `None` where there is no such user any more, or nobody is to be logged in as
    /// them.
    fn user(&self, id: &str) -> impl Future<Output = Result<Option<Self::User>>> + Send;

    /// Replaces the hash of a user's password where it is still the `old` one, and says whether it was:
    /// `WHERE id = $1 AND hash = $2`, and one row that this has changed. `new` is that of a new password, or of
    /// the same one as the cost of hashes has grown. Of two that replace one hash at the same moment, the
    /// second finds another one and writes nothing.
    fn set_hash(&self, id: &str, old: &str, new: &str)
    -> impl Future<Output = Result<bool>> + Send;

    /// Adds a user of this name, whose password has this hash, and gives the id; `None` where the name is taken. It is for
    /// [`sign_up`](super::sign_up) and `sign_up_view`: a site without them leaves it out, and it is an error then.
    ///
    /// Leave it to the table whether a name is taken: `INSERT INTO users (name, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING
    /// RETURNING id`, with a unique index. Between a look and an insert somebody else may take it.
    fn add(&self, name: &str, hash: &str) -> impl Future<Output = Result<Option<String>>> + Send {
        let _ = (name, hash);
        async {
            Err(Error::internal(
                "nobody can sign up: the site's `Accounts` have no `add`",
            ))
        }
    }
}

/// What is compared at a login: who it would be, and the hash of their password.
pub struct Credentials {
    /// Which user: what the session keeps, and what [`Accounts::user`] is asked for.
    pub id: String,
    /// As [`hash`](super::hash) made it. Anything else (`""`, `"!"`) is a user without a password: nobody
    /// can log in with one.
    pub hash: String,
}

impl Credentials {
    /// Credentials of the user of this id, a number or a text.
    pub fn new(id: impl fmt::Display, hash: impl Into<String>) -> Self {
        Self {
            id: id.to_string(),
            hash: hash.into(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
