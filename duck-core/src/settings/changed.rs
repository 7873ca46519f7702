//! What has changed in the settings since the site read them.

use std::collections::BTreeSet;

use super::{Settings, SettingsError};

impl Settings {
    /// Reads the file and the environment again. A sentence for each key that has another value now: it does
    /// not count before the site is started again.
    pub(crate) fn changed(&self) -> Result<Vec<String>, SettingsError> {
        let Some(folder) = self.folder().filter(|_| !self.0.source.is_empty()) else {
            return Ok(Vec::new());
        };
        let now = Self::load(folder.join(&self.0.source))?;
        let keys: BTreeSet<&String> = self.0.values.keys().chain(now.0.values.keys()).collect();
        let differs = |key: &&String| match (self.0.values.get(*key), now.0.values.get(*key)) {
            (Some(before), _) if before.is_of_program() => false,
            (Some(before), Some(after)) => !before.content.is_same(&after.content),
            _ => true,
        };
        let text = "has changed, which counts when the site is started again";
        let changed = keys.into_iter().filter(differs);
        Ok(changed
            .map(|key| now.error(key, text).to_string())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_with_another_value_is_named_and_none_of_the_programs() {
        let folder = tempfile::tempdir().unwrap();
        let (file, variables) = (
            folder.path().join("settings.toml"),
            folder.path().join(".env"),
        );
        std::fs::write(
            &file,
            "DEBUG = true\nWORKERS = 2\nADDRESS = 'x:1'\nLOGIN_URL = 'a'\n[PRICES]\nbread = 3",
        )
        .unwrap();
        std::fs::write(&variables, "DUCK_TRUSTED_PROXIES=[\"10.0.0.1\"]").unwrap();
        let settings = Settings::load(&file).unwrap().with("ADDRESS", "x:2");
        assert!(settings.changed().unwrap().is_empty());
        let new = "WORKERS = 3\nSECRET_KEY = 'hush'\nADDRESS = 'x:3'\nLOGIN_URL = 'a'\n\
                   TRUSTED_PROXIES = ['10.0.0.1']\n[PRICES]\nbread = 4";
        std::fs::write(&file, new).unwrap();
        std::fs::remove_file(&variables).unwrap();
        let text = "has changed, which counts when the site is started again";
        assert_eq!(
            settings.changed().unwrap(),
            [
                format!("DEBUG (not set): {text}"),
                format!("settings.toml, line 6: PRICES: {text}"),
                format!("settings.toml, line 2: SECRET_KEY: {text}"),
                format!("settings.toml, line 1: WORKERS: {text}"),
            ]
        );
        std::fs::write(&file, "WORKERS = ").unwrap();
        assert!(
            settings
                .changed()
                .unwrap_err()
                .to_string()
                .contains("line 1")
        );
        assert!(
            Settings::from_toml("WORKERS = 1")
                .unwrap()
                .changed()
                .unwrap()
                .is_empty()
        );
    }
}
