use std::ffi::OsString;

use super::*;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
#[expect(clippy::struct_field_names, reason = "they are the names of settings")]
struct Mail {
    mail_from: String,
    mail_port: Option<u16>,
    use_tls: bool,
}

#[test]
fn the_environment_stands_over_the_file() {
    let mut inner = Inner {
        values: value::from_toml("MAIL_PORT = 25", "x").unwrap(),
        ..Inner::default()
    };
    let env = [
        ("DUCK_MAIL_PORT", "2525"),
        ("DUCK_USE_TLS", "true"),
        ("DUCK_MAIL_FROM", "0123"),
        ("X", "y"),
    ];
    let env = env.map(|(key, value)| (key.into(), value.into()));
    inner.add_env(env.into_iter()).unwrap();
    let mail: Mail = Settings(Arc::new(inner)).part().unwrap();
    assert_eq!(
        (mail.mail_port, mail.use_tls, mail.mail_from.as_str()),
        (Some(2525), true, "0123")
    );
}

#[test]
fn misspelt_keys_are_reported_with_the_nearest() {
    let settings = Settings::from_toml("MAIL_FORM = 'x'\nZZZ = 1").unwrap();
    settings.part::<Mail>().unwrap();
    let warnings = settings.warnings();
    assert!(
        warnings[0].contains("line 1") && warnings[0].contains("did you mean `MAIL_FROM`?"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("ZZZ"), "{warnings:?}");
}

#[test]
fn debug_shows_no_values() {
    let settings = Settings::from_toml("SECRET_KEY = 'hush'").unwrap();
    assert!(!format!("{settings:?}").contains("hush"));
}

/// A variable is named as it is written, and what it holds is in no error: it may be a secret.
#[test]
fn a_variable_of_the_wrong_type_is_named_with_what_it_takes() {
    for (name, text, right) in [
        (
            "MAIL_PORT",
            "hush",
            "takes a whole number from 0 to 65535, not a text",
        ),
        (
            "MAIL_PORT",
            "'2525'",
            "not a text; a number stands without quotes",
        ),
        ("MAIL_PORT", "-2525", "not a negative number"),
        ("MAIL_PORT", "2525.5", "not a number with a fraction"),
        (
            "USE_TLS",
            "True",
            "takes true or false, not a text; did you mean `true`?",
        ),
        (
            "USE_TLS",
            "1",
            "takes true or false, not a number; did you mean `true`?",
        ),
        ("USE_TLS", "off", "did you mean `false`?"),
        ("USE_TLS", "hush", "takes true or false, not a text"),
    ] {
        let mut inner = Inner::default();
        let variable = (format!("DUCK_{name}").into(), text.into());
        inner.add_env([variable].into_iter()).unwrap();
        let error = Settings(Arc::new(inner)).part::<Mail>().unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("environment variable DUCK_{name}: "))
                && error.ends_with(right),
            "{error}"
        );
        assert!(
            !error.contains("hush") && !error.contains("2525"),
            "{error}"
        );
    }
}

/// Settings of a folder with these two files, and no variables of the environment.
fn settings_of(env_file: impl AsRef<[u8]>, toml: &str) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    std::fs::write(&file, env_file).unwrap();
    let mut inner = Inner {
        values: value::from_toml(toml, "settings.toml")?,
        ..Inner::default()
    };
    inner.add_env_file(&file)?;
    Ok(Settings(Arc::new(inner)))
}

#[test]
fn a_wrong_value_in_the_env_file_is_named_with_its_line() {
    let settings = settings_of("# mail\nDUCK_MAIL_PORT=x", "MAIL_PORT = 25").unwrap();
    let error = settings.part::<Mail>().unwrap_err().to_string();
    assert!(error.starts_with(".env, line 2: MAIL_PORT: "), "{error}");
}

#[test]
fn lists_in_the_env_file_keep_their_quotes() {
    for text in ["[\"10.0.0.0/8\"]", "'[\"10.0.0.0/8\"]'", "[ '10.0.0.0/8' ]"] {
        let settings = settings_of(format!("DUCK_TRUSTED_PROXIES={text}"), "").unwrap();
        let proxies: Option<Vec<String>> = settings.get("TRUSTED_PROXIES").unwrap();
        assert_eq!(proxies, Some(vec!["10.0.0.0/8".to_owned()]), "{text}");
    }
}

#[test]
fn a_second_line_of_a_variable_was_dropped_without_a_word() {
    let settings = settings_of("DUCK_MAIL_PORT=\"25\nMAIL_FROM = 1\"", "").unwrap();
    let error = settings.part::<Mail>().unwrap_err().to_string();
    assert!(error.ends_with("not a text"), "{error}");
    let settings = settings_of("DUCK_SERVERS=\"[\n  'a',\n  'b',\n]\n\"", "").unwrap();
    let servers: Option<Vec<String>> = settings.get("SERVERS").unwrap();
    assert_eq!(servers, Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn a_section_is_told_from_a_table_in_it() {
    let settings = Settings::from_toml("[MAIL]\nHEADERS = { a = 'x' }").unwrap();
    let headers = settings.get::<std::collections::BTreeMap<String, String>>("MAIL_HEADERS");
    assert!(headers.unwrap().is_none());
    let error = settings.refuse_sections().unwrap_err().to_string();
    assert!(error.contains("write `MAIL_HEADERS = …`"), "{error}");
}

#[test]
fn what_may_be_secret_is_in_no_error() {
    for key in [
        "SECRET_KEY",
        "DATABASE_URL",
        "MAIL_PASSWORD",
        "API_TOKEN",
        "signing_seed",
    ] {
        let key: &'static str = key;
        for value in [
            "'hush'",
            "741853",
            "['hush', 741853]",
            "{ hush = 741853 }",
            "7418.53",
        ] {
            let settings = Settings::from_toml(&format!("{key} = {value}")).unwrap();
            let variable = settings_of(format!("DUCK_{key}={value}"), "").unwrap();
            for settings in [settings, variable] {
                for error in [
                    settings.get::<bool>(key).unwrap_err(),
                    settings.get::<(bool, bool)>(key).unwrap_err(),
                    settings.get::<std::net::IpAddr>(key).unwrap_err(),
                    settings.get::<Choice>(key).unwrap_err(),
                ] {
                    let error = error.to_string();
                    assert!(error.contains("line 1: "), "{error}");
                    assert!(
                        !error.contains("hush") && !error.contains("7418"),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[derive(Debug, serde::Deserialize)]
enum Choice {}

#[test]
fn broken_toml_keeps_its_values_to_itself() {
    for line in [
        "SECRET_KEY = hush",
        "SECRET_KEY = 'hush",
        "SECRET_KEY = \"hush\\q\"",
        "SECRET_KEY = 'hush' 'hush'",
        "SECRET_KEY = hush-hush",
        "SECRET_KEY 'hush'",
        "SECRET_KEY: 'hush'",
        "hush hush",
        "SECRET_KEY = ['hush'",
        "SECRET_KEY = 1hush",
        "SECRET_KEY = 'a'\nSECRET_KEY = 'hush'",
        "SECRET_KEY = \"hush\u{1}\"",
    ] {
        let error = Settings::from_toml(line).unwrap_err().to_string();
        assert!(
            error.contains("line ") && !error.contains("hush"),
            "{error}"
        );
    }
}

#[test]
fn a_variable_that_is_not_text_is_an_error_and_others_are_no_concern() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(b"hush\xff".to_vec());
    let mut inner = Inner::default();
    let others = [("PATH".into(), broken()), (broken(), "x".into())];
    inner.add_env(others.into_iter()).unwrap();
    let variable = [("DUCK_SECRET_KEY".into(), broken())];
    let error = inner.add_env(variable.into_iter()).unwrap_err().to_string();
    assert!(
        error.contains("DUCK_SECRET_KEY") && !error.contains("hush"),
        "{error}"
    );
}
