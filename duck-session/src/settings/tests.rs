use super::*;

fn read(toml: &str) -> Result<SessionSettings> {
    SessionSettings::from_settings(&Settings::from_toml(toml).unwrap())
}

#[test]
fn a_value_with_which_nothing_works_is_refused() {
    for (toml, says) in [
        ("SESSION_SWEEP_BATCH = 0", "SESSION_SWEEP_INTERVAL = 0"),
        ("SESSION_MAX_BYTES = 0", "no session could hold anything"),
        ("SESSION_STORE_TIMEOUT = 0", "needs some time to answer"),
        ("SESSION_COOKIE_AGE = '0s'", "at least one second"),
        ("SESSION_COOKIE_AGE = '500ms'", "at least one second"),
    ] {
        let error = read(toml).unwrap_err().to_string();
        let (key, _) = toml.split_once(" = ").unwrap();
        let is_named = error.contains(&format!("line 1: {key}: "));
        assert!(is_named && error.contains(says), "{error}");
    }
}

#[test]
fn secure_takes_the_originals_booleans_too() {
    assert_eq!(
        read("SESSION_COOKIE_SECURE = false")
            .unwrap()
            .session_cookie_secure,
        Secure::Never
    );
    assert_eq!(
        read("SESSION_COOKIE_SECURE = 'auto'")
            .unwrap()
            .session_cookie_secure,
        Secure::Auto
    );
    let error = read("SESSION_COOKIE_SECURE = 'yes'")
        .unwrap_err()
        .to_string();
    let right = "takes true, false or \"auto\"; did you mean `true`?";
    assert!(error.ends_with(right), "{error}");
}

#[test]
fn a_misspelt_choice_names_the_right_ones() {
    let error = read("\nSESSION_COOKIE_SAMESITE = 'Laxx'")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with(
            "line 2: SESSION_COOKIE_SAMESITE: takes \"Lax\", \"Strict\" or \"None\"; did you mean \"Lax\"?"
        ),
        "{error}"
    );
}

#[test]
fn settings_that_do_not_fit_together_are_refused_by_name() {
    for toml in [
        "SESSION_COOKIE_SAMESITE = 'None'",
        "SESSION_COOKIE_PARTITIONED = true",
        "SESSION_COOKIE_PREFIX = 'host'\nSESSION_COOKIE_PATH = '/a'",
        "SESSION_COOKIE_PREFIX = 'host'\nSESSION_COOKIE_DOMAIN = 'a.org'",
        "SESSION_COOKIE_PREFIX = 'secure'\nSESSION_COOKIE_SECURE = false",
        "SESSION_COOKIE_PREFIX = 'host'\nSESSION_COOKIE_SECURE = false",
        "SESSION_RENEWAL_INTERVAL = 20\nSESSION_RENEWAL_GRACE = 30",
    ] {
        let error = read(&format!("\n{toml}")).unwrap_err().to_string();
        let (key, _) = toml.split_once(" = ").unwrap();
        let is_named = error.contains(&format!("line 2: {key}: "));
        assert!(is_named, "{toml}: {error}");
    }
}

/// Else a misspelt key would be told that one of them was meant.
#[test]
fn a_setting_that_is_gone_is_no_known_key() {
    let settings = Settings::default();
    SessionSettings::from_settings(&settings).unwrap();
    let known = settings.known_keys();
    assert!(known.contains(&"SESSION_CONFLICT"));
    assert!(!known.contains(&"SESSION_LOCK_TIMEOUT"));
}
