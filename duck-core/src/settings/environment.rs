//! Settings in the environment, and in the `.env` file beside the settings file.

use std::ffi::OsString;
use std::path::Path;

use super::env_file::{self, Variable};
use super::error::SettingsError;
use super::value::Value;
use super::{ENV_FILE, ENV_PREFIX, Inner};

impl Inner {
    /// The environment stands over the files.
    pub(super) fn add_env(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), SettingsError> {
        for (name, text) in variables {
            let Some(key) = name.to_str().and_then(key_of) else {
                continue;
            };
            let text = text.into_string().map_err(|_| {
                SettingsError::new(format!(
                    "environment variable {ENV_PREFIX}{key}: the value is not UTF-8 text"
                ))
            })?;
            self.values.insert(key.to_owned(), Value::from_env(text));
        }
        Ok(())
    }

    /// `.env` beside the settings file stands over that, and under the environment itself.
    pub(super) fn add_env_file(&mut self, file: &Path) -> Result<(), SettingsError> {
        for Variable { name, value, line } in env_file::read(file).map_err(SettingsError::new)? {
            if let Some(key) = key_of(&name) {
                let value = Value::from_env_file(value, ".env", line);
                self.values.insert(key.to_owned(), value);
            }
        }
        Ok(())
    }
}

/// The key that a variable sets, if it sets one.
fn key_of(name: &str) -> Option<&str> {
    name.strip_prefix(ENV_PREFIX)
        .filter(|key| !key.is_empty() && name != ENV_FILE)
}
