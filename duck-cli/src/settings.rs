//! What `duck run` needs to know of a site's settings. The site itself reads all of them, and checks
//! them.

use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

use crate::failure::{Context, Failure, Result};

/// The address when nobody has named one.
const ADDRESS: &str = "127.0.0.1:8000";

/// `settings.toml`, with the environment over it.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    table: Table,
}

impl Settings {
    /// Reads the file of the site in `root`. A site may have none.
    ///
    /// # Errors
    /// When it is not TOML, with the line.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let path = Self::path(root);
        let shown = || format!("cannot read {}", path.display());
        if !path.exists() {
            return Ok(Self::default());
        }
        let table = fs::read_to_string(&path)
            .context(shown)?
            .parse()
            .context(shown)?;
        Ok(Self { table })
    }

    /// The file: `settings.toml`, or what `DUCK_SETTINGS` names.
    pub(crate) fn path(root: &Path) -> PathBuf {
        root.join(env::var_os("DUCK_SETTINGS").unwrap_or_else(|| "settings.toml".into()))
    }

    /// A setting as text: `DUCK_<KEY>`, else the file's.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        env::var(format!("DUCK_{key}"))
            .ok()
            .or_else(|| match self.table.get(key)? {
                Value::String(text) => Some(text.clone()),
                value => Some(value.to_string()),
            })
    }

    /// Where to listen: host and port.
    ///
    /// # Errors
    /// When `ADDRESS` is not one.
    pub(crate) fn address(&self) -> Result<(String, u16)> {
        let address = self.text("ADDRESS").unwrap_or_else(|| ADDRESS.to_owned());
        split(&address).ok_or_else(|| {
            Failure::new(format!(
                "ADDRESS is `{address}`; it should be a host and a port, as in `{ADDRESS}`"
            ))
        })
    }
}

fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = port.parse().ok()?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings {
            table: text.parse().unwrap(),
        }
    }

    #[test]
    fn the_address_is_read_with_and_without_brackets() {
        assert_eq!(settings("").address().unwrap(), ("127.0.0.1".into(), 8000));
        assert_eq!(
            settings("ADDRESS = '[::1]:80'").address().unwrap(),
            ("::1".into(), 80)
        );
        assert_eq!(
            settings("ADDRESS = 'localhost:0'").address().unwrap(),
            ("localhost".into(), 0)
        );
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "ADDRESS = '8000'",
            "ADDRESS = ':8000'",
            "ADDRESS = 'a:99999'",
            "ADDRESS = 8000",
        ] {
            assert!(
                settings(text)
                    .address()
                    .unwrap_err()
                    .to_string()
                    .starts_with("ADDRESS is")
            );
        }
    }

    #[test]
    fn other_values_are_shown_as_they_are_written() {
        assert_eq!(
            settings("DEBUG = true").text("DEBUG").as_deref(),
            Some("true")
        );
        assert_eq!(settings("").text("DEBUG"), None);
    }
}
