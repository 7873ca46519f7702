//! Reading a session.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::value::decode;
use super::{Session, SessionData, USER};
use crate::session::error::SessionError;

/// Reading.
impl Session {
    /// The keys that the session holds and how many bytes each value has, as JSON; `None` where nobody has
    /// asked for the session so far. It is not loaded for this.
    pub(crate) fn sizes_if_loaded(&self) -> Option<Vec<(String, usize)>> {
        let inner = self.0.as_ref()?;
        inner.is_loaded().then(|| {
            let state = inner.state();
            let sizes = state.data.entries();
            sizes
                .map(|(key, json)| (key.into_owned(), json.len()))
                .collect()
        })
    }

    /// The value under `key`; `None` if there is none. A stored null is a value: read an
    /// `Option` to tell.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when the value is of another type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let state = self.open(key).await?.state();
        let json = state.data.get(key);
        json.map(|json| decode(key, json)).transpose()
    }

    /// The value under `key`, or the type's default if there is none.
    ///
    /// ```
    /// # async fn view(request: duck::Request) -> duck::Result<()> {
    /// let cart: Vec<u32> = request.session.get_or_default("cart").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_or_default<T>(&self, key: &str) -> Result<T, SessionError>
    where
        T: DeserializeOwned + Default,
    {
        Ok(self.get(key).await?.unwrap_or_default())
    }

    /// Whether there is a value under `key`.
    pub async fn contains(&self, key: &str) -> Result<bool, SessionError> {
        Ok(self.open(key).await?.state().data.get(key).is_some())
    }

    /// All keys that the site has set, in order.
    pub async fn keys(&self) -> Result<Vec<String>, SessionError> {
        Ok(self
            .access()
            .await?
            .state()
            .data
            .keys()
            .map(Cow::into_owned)
            .collect())
    }

    /// How many keys the site has set.
    pub async fn len(&self) -> Result<usize, SessionError> {
        Ok(self.access().await?.state().data.count())
    }

    /// Whether the site has set nothing.
    pub async fn is_empty(&self) -> Result<bool, SessionError> {
        Ok(self.len().await? == 0)
    }

    /// Whether the visitor came without a live session.
    pub async fn is_new(&self) -> Result<bool, SessionError> {
        Ok(self.access().await?.state().is_new())
    }

    /// The whole session as one struct: each field is a key.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Visitor {
    ///     name: Option<String>,
    ///     visits: u32,
    /// }
    ///
    /// async fn greet(request: Request) -> Result<String> {
    ///     let mut visitor: Visitor = request.session.to_struct().await?;
    ///     visitor.visits += 1;
    ///     request.session.set_struct(&visitor).await?;
    ///     Ok(format!("visit {}", visitor.visits))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when a field is missing or of another type; `#[serde(default)]`
    /// on the struct is for visitors who come for the first time.
    pub async fn to_struct<T: DeserializeOwned>(&self) -> Result<T, SessionError> {
        let mut site = SessionData::default();
        for (key, value) in self.access().await?.state().data.site_entries() {
            site.set(&key, value);
        }
        decode("the session", &site.to_json())
    }

    /// Who is logged in: what [`login`](Self::login) was given.
    pub async fn user(&self) -> Result<Option<String>, SessionError> {
        let state = self.access().await?.state();
        let json = state.data.get(USER);
        json.map(|json| decode(USER, json)).transpose()
    }
}
