//! A site's accounts, whatever type they are of.

use std::any::{Any, type_name};
use std::sync::Arc;

use serde::Serialize;

use super::accounts::{Accounts, Credentials};
use crate::BoxFuture;
use crate::error::{Error, Result};

/// [`Accounts`] whose type is forgotten.
pub(super) trait ErasedAccounts: Send + Sync {
    fn credentials<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>>;
    fn hash<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    fn user<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>>>;
    fn set_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;
    fn add<'a>(&'a self, name: &'a str, hash: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
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
            Ok(user.map(|user| AnyUser(Arc::new(user))))
        })
    }

    fn set_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(Accounts::set_hash(self, id, old, new))
    }

    fn add<'a>(&'a self, name: &'a str, hash: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(Accounts::add(self, name, hash))
    }
}

/// A user of the site's own type.
#[derive(Clone)]
pub(super) struct AnyUser(Arc<dyn ErasedUser>);

impl AnyUser {
    /// The user, where this is the type of the site's users.
    pub(super) fn read<U: Clone + 'static>(&self) -> Result<U> {
        self.0.as_any().downcast_ref().cloned().ok_or_else(|| {
            Error::internal(format!(
                "a user of this site is a `{}`, not a `{}`: that is the type `User` of its `Accounts`",
                self.0.type_name(),
                type_name::<U>()
            ))
        })
    }

    /// The user as templates see one.
    #[cfg(feature = "templates")]
    pub(super) fn value(&self) -> minijinja::Value {
        self.0.value()
    }
}

trait ErasedUser: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &'static str;
    #[cfg(feature = "templates")]
    fn value(&self) -> minijinja::Value;
}

impl<U: Serialize + Send + Sync + 'static> ErasedUser for U {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &'static str {
        type_name::<U>()
    }

    #[cfg(feature = "templates")]
    fn value(&self) -> minijinja::Value {
        minijinja::Value::from(minijinja::value::Serde(self))
    }
}
