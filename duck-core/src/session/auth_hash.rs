use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use crate::BoxFuture;
use crate::error::Result;

type Find = dyn Fn(String) -> BoxFuture<'static, Result<Option<String>>> + Send + Sync;

/// What the sessions of a user stand and fall with: mostly the hash of their password.
///
/// A session middleware asks it at a login and whenever the session of a user is loaded; a session whose
/// user has another one by then, or none, is over. The middleware leaves it for the components after it
/// ([`Setup::insert`](crate::Setup::insert)), so that the one that knows the users can say what it is.
/// Clones share one.
///
/// ```
/// use duck::session::AuthHash;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let auth_hash = AuthHash::default();
/// assert!(!auth_hash.is_set());
/// assert!(auth_hash.set(async |user: String| Ok(Some(format!("the hash of {user}")))));
/// assert_eq!(auth_hash.of("ada".into()).await?.as_deref(), Some("the hash of ada"));
/// assert!(!auth_hash.set(async |_: String| Ok(None)), "the first one stays");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct AuthHash(Arc<OnceLock<Box<Find>>>);

impl AuthHash {
    /// Says how to find it for a user; `false` where that was said before, and stays.
    pub fn set<F>(&self, find: impl Fn(String) -> F + Send + Sync + 'static) -> bool
    where
        F: Future<Output = Result<Option<String>>> + Send + 'static,
    {
        self.0
            .set(Box::new(move |user| Box::pin(find(user))))
            .is_ok()
    }

    /// Whether anybody has said it.
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// What it is for a user. `None` ends the user's sessions, and is the answer where nobody has said
    /// how to find it.
    ///
    /// # Errors
    ///
    /// What the lookup fails with.
    pub async fn of(&self, user: String) -> Result<Option<String>> {
        match self.0.get() {
            Some(find) => find(user).await,
            None => Ok(None),
        }
    }
}

impl fmt::Debug for AuthHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthHash").field(&self.is_set()).finish()
    }
}
