use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;

use crate::error::{Error, Result};
use crate::settings::Settings;

/// How many bytes a key has at least.
const LENGTH: usize = 32;

/// `SECRET_KEY`, and the older keys in `SECRET_KEY_FALLBACKS` that are still good for reading.
#[derive(Clone)]
pub struct SecretKey {
    current: Vec<u8>,
    fallbacks: Vec<Vec<u8>>,
}

impl SecretKey {
    /// The site's key. With `DEBUG` on and no key set, one is made and kept in
    /// `.duck/secret_key` beside the settings file, so that sessions outlive a restart on a
    /// developer's machine too.
    ///
    /// # Errors
    ///
    /// When there is no key, or one is shorter than 32 bytes.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let fallbacks: Vec<String> = settings.get("SECRET_KEY_FALLBACKS")?.unwrap_or_default();
        for key in &fallbacks {
            check(settings, "SECRET_KEY_FALLBACKS", key)?;
        }
        let fallbacks = fallbacks.into_iter().map(String::into_bytes).collect();
        let current = match settings.get::<String>("SECRET_KEY")? {
            Some(key) => {
                check(settings, "SECRET_KEY", &key)?;
                key.into_bytes()
            }
            None => development_key(settings)?,
        };
        Ok(Self { current, fallbacks })
    }

    /// A new key: 48 random bytes as 64 characters.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes to give.
    pub fn generate() -> Result<String> {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes)?;
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The key to write with.
    pub fn current(&self) -> &[u8] {
        &self.current
    }

    /// The keys to read with: the current one first.
    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.current)
            .chain(&self.fallbacks)
            .map(Vec::as_slice)
    }
}

fn check(settings: &Settings, name: &str, key: &str) -> Result<()> {
    if key.len() >= LENGTH {
        return Ok(());
    }
    let message =
        format_args!("a key has at least {LENGTH} bytes; `duck secret` prints a good one");
    Err(settings.error(name, message).into())
}

fn development_key(settings: &Settings) -> Result<Vec<u8>> {
    match settings.folder() {
        Some(folder) if settings.is_debug() => read_or_make(&folder.join(".duck")),
        _ => {
            let message = "the site needs a key; put DUCK_SECRET_KEY into the environment or a `.env` beside the settings (`duck secret` prints one)";
            Err(settings.error("SECRET_KEY", message).into())
        }
    }
}

/// The key of a developer's machine, made at the first start.
fn read_or_make(folder: &Path) -> Result<Vec<u8>> {
    let file = folder.join("secret_key");
    if !file.exists() {
        make(folder, &file)?;
    }
    let key = fs::read(&file)?;
    if key.len() < LENGTH {
        return Err(Error::internal(format!(
            "{} is damaged; delete it, and a new key is made",
            file.display()
        )));
    }
    Ok(key)
}

/// Writes the key beside its place and links it there: of two processes that start at once, both
/// end up with the same whole key.
fn make(folder: &Path, file: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let temporary = folder.join(format!("secret_key.{}", uuid::Uuid::new_v4().simple()));
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    new.write_all(SecretKey::generate()?.as_bytes())?;
    let linked = fs::hard_link(&temporary, file);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_on_a_developers_machine() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::from_toml("DEBUG = true")
            .unwrap()
            .in_folder(folder.path());
        let first = SecretKey::from_settings(&settings).unwrap();
        assert_eq!(
            first.current(),
            SecretKey::from_settings(&settings).unwrap().current()
        );
        assert_eq!(first.current().len(), 64);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(folder.path().join(".duck/secret_key"))
                .unwrap()
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn production_needs_a_key_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::from_toml("DEBUG = false")
            .unwrap()
            .in_folder(folder.path());
        let error = SecretKey::from_settings(&settings).unwrap_err().to_string();
        assert!(
            error.contains("SECRET_KEY") && error.contains("DUCK_SECRET_KEY"),
            "{error}"
        );
        assert!(!folder.path().join(".duck").exists());
    }

    #[test]
    fn short_keys_are_refused_by_name() {
        let settings = Settings::from_toml("SECRET_KEY = 'short'").unwrap();
        let error = SecretKey::from_settings(&settings).unwrap_err().to_string();
        assert!(
            error.contains("line 1: SECRET_KEY") && !error.contains("short'"),
            "{error}"
        );
    }
}
