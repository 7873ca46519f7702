//! What `duck run` needs to know of a site's settings. The site itself reads all of them, and checks
//! them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

use crate::env_file;
use crate::failure::{Context, Failure, Result};

/// The address when nobody has named one.
const ADDRESS: &str = "127.0.0.1:8000";

/// The file, where `DUCK_SETTINGS` names no other.
const FILE: &str = "settings.toml";

/// `settings.toml`, with `.env` over it, and the environment over both.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    table: Table,
    /// The variables of `.env`, by their names.
    variables: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the files of the site in `root`. A site may have none.
    ///
    /// # Errors
    /// When one of them cannot be read, with the line and nothing that is in it.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let file = Self::path(root);
        let env_file = file.with_file_name(".env");
        let variables = env_file::read(&env_file).map_err(Failure::new)?;
        Ok(Self {
            table: table(&file)?,
            variables: variables
                .into_iter()
                .map(|variable| (variable.name, variable.value))
                .collect(),
        })
    }

    /// The file: `settings.toml` in `root` or the nearest folder above it, as the site finds it, or
    /// what `DUCK_SETTINGS` names.
    pub(crate) fn path(root: &Path) -> PathBuf {
        if let Some(named) = env::var_os("DUCK_SETTINGS") {
            return root.join(named);
        }
        let files = root.ancestors().map(|folder| folder.join(FILE));
        files
            .into_iter()
            .find(|file| file.is_file())
            .unwrap_or_else(|| root.join(FILE))
    }

    /// A setting as text: the variable `DUCK_<KEY>` of the environment or of `.env`, else the file's.
    /// One in the environment that is not UTF-8 is left to the site, which says so.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let name = format!("DUCK_{key}");
        let variable = env::var(&name)
            .ok()
            .or_else(|| self.variables.get(&name).cloned());
        variable.or_else(|| match self.table.get(key)? {
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        })
    }

    /// Where to listen: host and port.
    pub(crate) fn address(&self) -> Result<(String, u16)> {
        // A Unix socket is for a proxy. Who develops a site has a browser.
        let address = self
            .text("ADDRESS")
            .filter(|address| !address.starts_with("unix:"));
        let address = address.unwrap_or_else(|| ADDRESS.to_owned());
        split(&address).ok_or_else(|| {
            Failure::new(format!(
                "ADDRESS is `{address}`; it should be a host and a port, as in `{ADDRESS}`"
            ))
        })
    }
}

fn table(file: &Path) -> Result<Table> {
    if !file.exists() {
        return Ok(Table::new());
    }
    let shown = file.display();
    let text = fs::read_to_string(file).context(|| format!("cannot read {shown}"))?;
    // The error itself would quote the line.
    text.parse().map_err(|error: toml::de::Error| {
        let place = error.span().map_or(0, |span| span.start);
        let before = text.get(..place).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        Failure::new(format!("{shown}, line {line}: {}", error.message()))
    })
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
            ..Settings::default()
        }
    }

    /// The settings of a folder with these two files.
    fn load(toml: &str, env_file: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), toml).unwrap();
        fs::write(folder.path().join(".env"), env_file).unwrap();
        Settings::load(folder.path())
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

    #[test]
    fn settings_above_the_package_are_found_with_their_env_file() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("sites/shop");
        fs::create_dir_all(&package).unwrap();
        fs::write(folder.path().join(FILE), "DEBUG = true").unwrap();
        fs::write(folder.path().join(".env"), "DUCK_ADDRESS=[::1]:2").unwrap();
        let settings = Settings::load(&package).unwrap();
        assert_eq!(settings.text("DEBUG").as_deref(), Some("true"));
        assert_eq!(settings.address().unwrap(), ("::1".into(), 2));
    }

    #[test]
    fn a_faulty_file_keeps_its_values_to_itself() {
        for (toml, env_file, place) in [
            (
                "DEBUG = true\nSECRET_KEY = hush",
                "",
                "settings.toml, line 2: ",
            ),
            ("SECRET_KEY = 'hush", "", "settings.toml, line 1: "),
            ("", "DUCK_SECRET_KEY='hush", ".env, line 1: "),
            ("", "DUCK_SECRET_KEY=hush\nhush", ".env, line 2: "),
        ] {
            let error = load(toml, env_file).unwrap_err().to_string();
            assert!(error.contains(place) && !error.contains("hush"), "{error}");
        }
    }
}
