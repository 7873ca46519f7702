//! A session as one struct that has versions.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::state::{State, Writing};
use super::value::{decode, encode};
use super::{Session, SessionData, SessionPolicy, data};
use crate::session::error::SessionError;

/// Under this key a session keeps the version of the struct that it was last written as.
const VERSION: &str = "_duck.version";

/// For messages, in the place of a key.
const SESSION: &str = "the session";

/// What a session holds, as a struct whose form changes over time: [`Session::typed`].
///
/// Each field is a key. A session that an earlier version of the site wrote is brought up to date by
/// [`migrate`](Self::migrate):
///
/// ```
/// use duck::session::TypedSession;
/// use serde_json::{Map, Value};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Visitor {
///     name: Option<String>,
///     visits: u32,
/// }
///
/// impl TypedSession for Visitor {
///     const VERSION: u32 = 2;
///
///     /// In version 1, `visits` was called `count`.
///     fn migrate(from: u32, mut values: Map<String, Value>) -> Option<Map<String, Value>> {
///         if from == 1 {
///             let count = values.remove("count")?;
///             values.insert("visits".into(), count);
///             return Some(values);
///         }
///         None
///     }
/// }
/// ```
pub trait TypedSession: Serialize + DeserializeOwned + Default {
    /// The form of the struct: one more with every change that older values do not fit.
    const VERSION: u32;

    /// The values of a session that was written as version `from`, in the form of this version;
    /// `None` where there is no way. Values that are no fields are among them, and stay if they are
    /// given back.
    ///
    /// 0 stands for a session that was never written as a struct with a version. It is asked about
    /// only if its values do not fit as they are, and so is one of this very version.
    ///
    /// A session for which this is `None` is ended: the visitor begins anew.
    fn migrate(from: u32, values: Map<String, Value>) -> Option<Map<String, Value>> {
        let _ = (from, values);
        None
    }
}

/// The whole session as a struct with a version.
impl Session {
    /// The whole session as one struct: each field is a key, and a field that is not there is as in
    /// the struct's default.
    ///
    /// A session of another version is brought to this one, and saved as such. One that cannot be
    /// read (no way from its version, a value of another type) counts as dead: it is ended, the
    /// log says so, and the visitor starts afresh, with the default, and with a new id as soon as
    /// something is set.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when the struct's default cannot be JSON, or is no struct.
    pub async fn typed<T: TypedSession>(&self) -> Result<T, SessionError> {
        let inner = self.access().await?;
        let mut state = inner.state();
        let version = version(&state);
        let from = version.unwrap_or_default();
        match read(version, &state.data)? {
            Read::AsItIs(value) => return Ok(value),
            Read::Migrated(value, migrated) => {
                if state.writing == Writing::Open {
                    let old = values(&state.data);
                    replace(&mut state, &old, migrated, inner.engine.policy())?;
                    set_version::<T>(&mut state, inner.engine.policy())?;
                }
                return Ok(value);
            }
            Read::Nothing => {}
        }
        tracing::warn!(
            target: "duck_session",
            event = "unreadable_values", from, version = T::VERSION,
            "a session has values that this version of the site cannot read: it is ended"
        );
        if state.writing == Writing::Open {
            state.flush()?;
        }
        Ok(T::default())
    }

    /// Stores a struct as [`typed`](Self::typed) reads it, with its version. Keys that are no fields
    /// stay as they are.
    ///
    /// A field that a parallel request changed too holds what was saved last; for numbers that count,
    /// there is [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// As [`set_struct`](Self::set_struct).
    pub async fn set_typed<T: TypedSession>(&self, value: &T) -> Result<(), SessionError> {
        self.set_struct(value).await?;
        let inner = self.access().await?;
        set_version::<T>(&mut inner.state(), inner.engine.policy())
    }
}

/// What a session's values are as a struct.
enum Read<T> {
    AsItIs(T),
    Migrated(T, Map<String, Value>),
    Nothing,
}

fn read<T: TypedSession>(
    version: Option<u32>,
    data: &SessionData,
) -> Result<Read<T>, SessionError> {
    let default = encode(SESSION, &T::default())?;
    if version.is_none_or(|version| version == T::VERSION)
        && let Some(value) = as_it_is(&default, data)?
    {
        return Ok(Read::AsItIs(value));
    }
    let default: Map<String, Value> = decode(SESSION, &default)?;
    let fits = |values: &Map<String, Value>| {
        let mut all = default.clone();
        all.extend(values.clone());
        serde_json::from_value(Value::Object(all)).ok()
    };
    let migrated = T::migrate(version.unwrap_or_default(), values(data));
    Ok(match migrated.map(|values| (fits(&values), values)) {
        Some((Some(value), values)) => Read::Migrated(value, values),
        _ => Read::Nothing,
    })
}

/// The struct, where the session's values fit it. They are read as they are stored: a [`Value`] has no
/// integers beyond 64 bits.
fn as_it_is<T: TypedSession>(
    default: &[u8],
    data: &SessionData,
) -> Result<Option<T>, SessionError> {
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_slice(default).map_err(|error| SessionError::value(SESSION, &error))?;
    let mut all = SessionData::default();
    for (key, json) in fields {
        all.set(&key, Bytes::copy_from_slice(json.get().as_bytes()));
    }
    for (key, json) in data.site_entries() {
        all.set(key, json.clone());
    }
    Ok(serde_json::from_slice(&all.to_json()).ok())
}

fn version(state: &State) -> Option<u32> {
    let json = state.data.get(VERSION)?;
    serde_json::from_slice(json).ok()
}

fn set_version<T: TypedSession>(
    state: &mut State,
    policy: &SessionPolicy,
) -> Result<(), SessionError> {
    state.set(VERSION, encode(VERSION, &T::VERSION)?, policy)
}

/// What the site has set.
fn values(data: &SessionData) -> Map<String, Value> {
    let value = |(key, json): (&str, &Bytes)| {
        let value = serde_json::from_slice(json).unwrap_or_default();
        (key.to_owned(), value)
    };
    data.site_entries().map(value).collect()
}

/// Puts migrated values in the place of the old ones.
fn replace(
    state: &mut State,
    old: &Map<String, Value>,
    new: Map<String, Value>,
    policy: &SessionPolicy,
) -> Result<(), SessionError> {
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        state.remove(key)?;
    }
    for (key, value) in new {
        if data::is_reserved(key.as_bytes()) {
            return Err(SessionError::ReservedKey(key));
        }
        if old.get(&key) != Some(&value) {
            state.set(&key, encode(&key, &value)?, policy)?;
        }
    }
    Ok(())
}
