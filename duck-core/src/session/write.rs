//! Changing what a session holds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::value::{decode, encode};
use super::{Inner, Session, SessionGuard, data};
use crate::session::error::SessionError;

/// Writing.
impl Session {
    /// Puts `value` under `key`. A value equal to the one that is there is no change.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] when the session would pass a limit of the settings, and
    /// [`SessionError::Value`] when JSON could not give the value back as it is: NaN and infinity,
    /// `Some(None)`, maps whose keys are neither text nor numbers.
    pub async fn set<T: Serialize>(&self, key: &str, value: T) -> Result<(), SessionError> {
        let json = encode(key, &value)?;
        let inner = self.open(key).await?;
        inner.state().set(key, &json, inner.engine.policy())
    }

    /// Changes the value under `key`, or the type's default if there is none, and gives it back
    /// as this request sees it.
    ///
    /// Should another request save first, the change is made again on the newer value, so counters
    /// and lists are exact however many requests overlap. That is why it may run more than once,
    /// and has to own what it uses.
    ///
    /// ```
    /// # async fn view(request: duck::Request) -> duck::Result<()> {
    /// let item = 7_u32;
    /// request.session.update("cart", move |cart: &mut Vec<u32>| cart.push(item)).await?;
    ///
    /// // It may run again, so what is not `Copy` stays with it: each run takes a clone.
    /// let name = String::from("Ada");
    /// request.session.update("names", move |names: &mut Vec<String>| names.push(name.clone())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub async fn update<T>(
        &self,
        key: &str,
        change: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        self.open(key).await?.update(key, change)
    }

    /// Lends the value under `key` for changing; `None` if there is none. The change is noticed
    /// when the guard goes out of scope.
    ///
    /// ```
    /// # async fn view(request: duck::Request) -> duck::Result<()> {
    /// if let Some(mut cart) = request.session.get_mut::<Vec<u32>>("cart").await? {
    ///     cart.retain(|item| *item != 7);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The whole value is stored: of two requests that change it side by side, the last one counts.
    /// Where that matters, use [`update`](Self::update).
    pub async fn get_mut<T>(&self, key: &str) -> Result<Option<SessionGuard<T>>, SessionError>
    where
        T: Serialize + DeserializeOwned,
    {
        let value = self.get(key).await?;
        value.map(|value| self.lend(key, value)).transpose()
    }

    /// Lends the value under `key` for changing, or the type's default if there is none: to append to
    /// a list that may not be there yet. A default that is not changed is not stored.
    ///
    /// ```
    /// # async fn view(request: duck::Request) -> duck::Result<()> {
    /// request.session.get_mut_or_default::<Vec<u32>>("cart").await?.push(7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// As with [`get_mut`](Self::get_mut), of two requests side by side the last one counts.
    pub async fn get_mut_or_default<T>(&self, key: &str) -> Result<SessionGuard<T>, SessionError>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let value = self.get_or_default(key).await?;
        self.lend(key, value)
    }

    fn lend<T: Serialize>(&self, key: &str, value: T) -> Result<SessionGuard<T>, SessionError> {
        // Not what is stored: `T` may see less of that than there is.
        let before = encode(key, &value)?;
        Ok(SessionGuard::new(self.clone(), key, before, value))
    }

    /// Takes the value under `key` out and gives it back.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when it is of another type; it stays then.
    pub async fn pop<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let mut state = self.open(key).await?.state();
        let Some(json) = state.data.get(key) else {
            return Ok(None);
        };
        let value = decode(key, json)?;
        state.remove(key)?;
        Ok(Some(value))
    }

    /// Takes `key` out and says whether it was there. If it was not, nothing changed.
    pub async fn remove(&self, key: &str) -> Result<bool, SessionError> {
        self.open(key).await?.state().remove(key)
    }

    /// Takes out everything that the site has set. The session stays, and so does its user.
    pub async fn clear(&self) -> Result<(), SessionError> {
        self.access().await?.state().clear()
    }

    /// Stores a struct as [`to_struct`](Self::to_struct) reads it: each field is a key, and keys
    /// that are no fields stay as they are. Where one field cannot be stored, none is.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when the value is not a struct or map; else as [`set`](Self::set).
    pub async fn set_struct<T: Serialize>(&self, value: &T) -> Result<(), SessionError> {
        let json = encode("the session", value)?;
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(&json)
            .map_err(|error| SessionError::value("the session", &error))?;
        if let Some(key) = fields.keys().find(|key| data::is_reserved(key)) {
            return Err(SessionError::ReservedKey(key.clone()));
        }
        let inner = self.access().await?;
        let fields = fields.iter();
        let fields = fields.map(|(key, value)| (key.as_str(), value.get().as_bytes()));
        inner.state().set_all(fields, inner.engine.policy())
    }
}

impl Inner {
    pub(super) fn update<T>(
        &self,
        key: &str,
        change: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        loop {
            // The lock is not held meanwhile: the site's code may ask the session something.
            let (mut value, seen) = {
                let state = self.state();
                (current(key, state.data.get(key))?, state.edits)
            };
            change(&mut value);
            let json = encode(key, &value)?;
            let mut state = self.state();
            if state.edits != seen {
                continue;
            }
            let again = move |key: &str, json: Option<&[u8]>| {
                let mut value = current(key, json)?;
                change(&mut value);
                encode(key, &value)
            };
            state.update(key, &json, self.engine.policy(), || Box::new(again))?;
            return Ok(value);
        }
    }
}

/// The value to change: what is there, or the type's default.
fn current<T: DeserializeOwned + Default>(
    key: &str,
    json: Option<&[u8]>,
) -> Result<T, SessionError> {
    json.map_or_else(|| Ok(T::default()), |json| decode(key, json))
}
