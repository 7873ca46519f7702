use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;

use super::Session;
use super::value::Json;

/// A value of the session, lent for changing: [`Session::get_mut`].
///
/// When it goes out of scope, the value is stored if it differs from what it was. As dropping
/// cannot fail, a value that cannot be stored (too large, say) makes the saving of the session fail.
pub struct SessionGuard<T: Serialize> {
    session: Session,
    key: Box<str>,
    before: Json,
    value: T,
}

impl<T: Serialize> SessionGuard<T> {
    pub(super) fn new(session: Session, key: &str, before: Json, value: T) -> Self {
        Self {
            session,
            key: key.into(),
            before,
            value,
        }
    }
}

impl<T: Serialize> Deref for SessionGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> DerefMut for SessionGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Serialize> Drop for SessionGuard<T> {
    fn drop(&mut self) {
        self.session
            .store_guarded(&self.key, &self.before, &self.value);
    }
}

impl<T: Serialize + fmt::Debug> fmt::Debug for SessionGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
