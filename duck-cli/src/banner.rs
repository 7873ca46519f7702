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
    let storage = settings
        .text("SESSION_STORAGE")
        .unwrap_or_else(|| "KeyAsFolderCache".into());
    let storage = storage.rsplit('.').next().unwrap_or_default();
    let folder = match storage {
        "InMemoryCache" => String::new(),
        _ => format!(
            "  {}/",
            settings
                .text("SESSION_DIR")
                .unwrap_or_else(|| "sessions".into())
        ),
    };
    let age = settings
        .text("SESSION_COOKIE_AGE")
        .unwrap_or_else(|| "604800".into());
    format!("{storage}{folder}  {}", duration(&age))
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
}
