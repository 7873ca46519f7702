//! The duck.

use crate::report;
use crate::settings::Settings;
use crate::site::Site;
use crate::vendor::VERSION;

/// Greets, and says which settings rule.
pub(crate) fn show(site: &Site, settings: &Settings) {
    let file = Settings::path(&site.root);
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let debug = if settings.text("DEBUG").as_deref() == Some("true") {
        "  (debug)"
    } else {
        ""
    };
    report::line(format_args!(
        r"
    __
  <(o )___     Duck {VERSION:<13}{name}
   ( ._> /     settings          {file}{debug}
    `---'      sessions          {sessions}
",
        name = site.name,
        sessions = sessions(settings),
    ));
}

fn sessions(settings: &Settings) -> String {
    let text = |key, default: &str| settings.text(key).unwrap_or_else(|| default.to_owned());
    let engine = text("SESSION_ENGINE", "cache");
    let kept_by = match engine.as_str() {
        "cache" => text("SESSION_STORAGE", "KeyAsFolderCache"),
        _ => engine,
    };
    let kept_by = kept_by.rsplit('.').next().unwrap_or_default();
    let folder = match kept_by {
        "KeyAsFolderCache" | "DynamicFileCache" => {
            format!("  {}/", text("SESSION_DIR", "sessions"))
        }
        _ => String::new(),
    };
    let age = text("SESSION_COOKIE_AGE", "604800");
    format!("{kept_by}{folder}  {}", duration(&age))
}

/// Seconds as days where they come out even; what is already words stays.
fn duration(age: &str) -> String {
    match age.parse::<u64>() {
        Ok(86_400) => "1 day".into(),
        Ok(seconds) if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        Ok(seconds) => format!("{seconds} seconds"),
        Err(_) => age.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_days() {
        assert_eq!(duration("604800"), "7 days");
        assert_eq!(duration("86400"), "1 day");
        assert_eq!(duration("90"), "90 seconds");
        assert_eq!(duration("2 hours"), "2 hours");
    }

    #[test]
    fn a_folder_is_named_where_sessions_are_kept_in_one() {
        for (toml, expected) in [
            ("", "KeyAsFolderCache  sessions/  7 days"),
            (
                "SESSION_STORAGE = 'duck.DynamicFileCache'\nSESSION_DIR = 'here'",
                "DynamicFileCache  here/  7 days",
            ),
            ("SESSION_STORAGE = 'RedisCache'", "RedisCache  7 days"),
            ("SESSION_STORAGE = 'DatabaseCache'", "DatabaseCache  7 days"),
            ("SESSION_ENGINE = 'cookie'", "cookie  7 days"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("settings.toml"), toml).unwrap();
            let settings = Settings::load(folder.path()).unwrap();
            assert_eq!(sessions(&settings), expected, "{toml}");
        }
    }
}
