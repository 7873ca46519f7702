//! A site's accounts, whatever type they are of.

use std::any::{Any, type_name};
use std::sync::Arc;

use super::accounts::{Accounts, Credentials};
use crate::BoxFuture;
use crate::error::{Error, Result};

/// [`Accounts`] whose type is forgotten.
pub(super) trait ErasedAccounts: Send + Sync {
    fn credentials<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>>;
    fn hash<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    fn user<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>>>;
    fn set_hash<'a>(&'a self, id: &'a str, hash: &'a str) -> BoxFuture<'a, Result<()>>;
}

impl<A: Accounts> ErasedAccounts for A {
    fn credentials<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        Box::pin(Accounts::credentials(self, name))
    }

    fn hash<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(Accounts::hash(self, id))
    }

    fn user<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>>> {
        Box::pin(async move {
            let user = Accounts::user(self, id).await?;
            Ok(user.map(AnyUser::new))
        })
    }

    fn set_hash<'a>(&'a self, id: &'a str, hash: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(Accounts::set_hash(self, id, hash))
    }
}

/// A user of the site's own type.
#[derive(Clone)]
pub(super) struct AnyUser {
    user: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

impl AnyUser {
    fn new<U: Clone + Send + Sync + 'static>(user: U) -> Self {
        Self {
            user: Arc::new(user),
            type_name: type_name::<U>(),
        }
    }

    /// The user, where this is the type of the site's users.
    pub(super) fn read<U: Clone + 'static>(&self) -> Result<U> {
        self.user.downcast_ref().cloned().ok_or_else(|| {
            Error::internal(format!(
                "a user of this site is a `{}`, not a `{}`: that is the type `User` of its `Accounts`",
                self.type_name,
                type_name::<U>()
            ))
        })
    }
}
