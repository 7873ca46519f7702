//! The settings that a session in the cookie cannot keep: refused where the site sets them, told to `check` where
//! they are defaults.

use duck::Settings;
use duck::settings::SettingsError;
use serde::de::IgnoredAny;

use crate::settings::{Conflict, Fsync, SessionSettings};

/// Browsers keep cookies of 4,096 bytes with name and attributes; this much JSON always fits.
pub(super) const MOST_BYTES: usize = 2_700;

const A_VISIT_WOULD_WRITE: &str = "needs a storage: a visit would send the whole session again, and undo what another request did";

/// What it cannot keep: whether the settings ask for it, the key, and why not.
fn promises(own: &SessionSettings) -> [(bool, &'static str, &'static str); 7] {
    [
        (
            own.session_idle_timeout.is_some(),
            "SESSION_IDLE_TIMEOUT",
            A_VISIT_WOULD_WRITE,
        ),
        (
            own.session_save_every_request,
            "SESSION_SAVE_EVERY_REQUEST",
            A_VISIT_WOULD_WRITE,
        ),
        (
            own.session_renewal_interval.is_some(),
            "SESSION_RENEWAL_INTERVAL",
            "needs a storage: a session in the cookie has no id, and a copy of the cookie stays good",
        ),
        (
            own.session_max_sessions_per_user > 0,
            "SESSION_MAX_SESSIONS_PER_USER",
            "needs a storage: nobody can count sessions that only browsers have; 0",
        ),
        (
            own.session_conflict != Conflict::LastWriteWins,
            "SESSION_CONFLICT",
            "needs a storage: in the cookie, the response that arrives last stands over the others; \"last_write_wins\"",
        ),
        (
            own.session_fsync != Fsync::None,
            "SESSION_FSYNC",
            "needs a storage: a logout is written nowhere, and a copy of the cookie is good until it expires; \"none\"",
        ),
        (
            own.session_max_bytes > MOST_BYTES,
            "SESSION_MAX_BYTES",
            "needs a storage: a cookie holds no more than 2700 bytes of JSON; 2700 or less",
        ),
    ]
}

/// What says how a storage is used. `SESSION_STORAGE` and where a storage is
/// (`SESSION_DIR`, `SESSION_DATABASE_URL`, `SESSION_REDIS_…`) only say which.
const OF_A_STORAGE: [&str; 12] = [
    "SESSION_DATABASE_POOL",
    "SESSION_RENEWAL_GRACE",
    "SESSION_ON_LIMIT",
    "SESSION_STORE_TIMEOUT",
    "SESSION_ON_STORE_ERROR",
    "SESSION_ON_REPLAY",
    "SESSION_MIN_FREE",
    "SESSION_SWEEP_INTERVAL",
    "SESSION_SWEEP_BATCH",
    "SESSION_MAX_SESSIONS",
    "SESSION_MEMORY_BYTES",
    "SESSION_SHARD_BYTES",
];

/// A sentence about each default that is not kept; an error if the site sets what is not.
pub(super) fn refuse_or_note(
    own: &SessionSettings,
    settings: &Settings,
) -> Result<Vec<String>, SettingsError> {
    let mut notes = Vec::new();
    for (_, key, why) in promises(own).into_iter().filter(|(is_asked, ..)| *is_asked) {
        let error = settings.error(key, format_args!("{why} (SESSION_ENGINE is \"cookie\")"));
        if is_set(settings, key)? {
            return Err(error);
        }
        notes.push(error.to_string());
    }
    for key in OF_A_STORAGE {
        if is_set(settings, key)? {
            let why = "is about a storage, and SESSION_ENGINE = \"cookie\" has none: leave it out";
            return Err(settings.error(key, why));
        }
    }
    Ok(notes)
}

fn is_set(settings: &Settings, key: &'static str) -> Result<bool, SettingsError> {
    Ok(settings.get::<IgnoredAny>(key)?.is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a session in the cookie keeps as one in a storage does.
    const KEPT: [&str; 25] = [
        "SESSION_DATABASE_URL",
        "SESSION_REDIS_URL",
        "SESSION_REDIS_PREFIX",
        "SESSION_REDIS_SENTINEL",
        "SESSION_REDIS_SENTINEL_PASSWORD",
        "SESSION_STORAGE",
        "SESSION_ENGINE",
        "SESSION_DIR",
        "SESSION_COOKIE_AGE",
        "SESSION_ABSOLUTE_TIMEOUT",
        "SESSION_TOUCH_INTERVAL",
        "SESSION_EXPIRE_AT_BROWSER_CLOSE",
        "SESSION_COOKIE_NAME",
        "SESSION_COOKIE_PATH",
        "SESSION_COOKIE_DOMAIN",
        "SESSION_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
        "SESSION_COOKIE_SAMESITE",
        "SESSION_COOKIE_PREFIX",
        "SESSION_COOKIE_PARTITIONED",
        "SESSION_CACHE_CONTROL",
        "SESSION_MAX_KEYS",
        "SESSION_SAVE_ON_ERROR",
        "SESSION_BIND",
        "SESSION_CLEAR_SITE_DATA",
    ];

    /// It always encrypts, so `false` asks for less than it does.
    const EXCEEDED: [&str; 1] = ["SESSION_ENCRYPT"];

    #[test]
    fn every_setting_of_sessions_is_kept_or_refused() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
        let page = std::fs::read_to_string(page).unwrap();
        let documented = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `SESSION_")?.split_once('`'));
        let documented: BTreeSet<_> = documented
            .map(|(name, _)| format!("SESSION_{name}"))
            .collect();
        let promised = promises(&SessionSettings::default()).map(|(_, key, _)| key);
        let decided = KEPT.iter().chain(&EXCEEDED).chain(&promised);
        let decided = decided.chain(&OF_A_STORAGE).map(|&key| key.to_owned());
        assert_eq!(documented, decided.collect());
    }
}
