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
fn a_wrong_type_names_key_and_line() {
    let settings = Settings::from_toml("MAIL_FROM = 'x'\n\nMAIL_PORT = 'many'").unwrap();
    let error = settings.part::<Mail>().unwrap_err().to_string();
    assert!(
        error.contains("the settings text, line 3: MAIL_PORT"),
        "{error}"
    );
    let right = "takes a whole number from 0 to 65535, not a text";
    assert!(error.ends_with(right), "{error}");
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
    inner.add_env(
        env.into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let mail: Mail = Settings(Arc::new(inner)).part().unwrap();
    assert_eq!(
        (mail.mail_port, mail.use_tls, mail.mail_from.as_str()),
        (Some(2525), true, "0123")
    );
}

#[test]
fn a_wrong_variable_is_named_as_such() {
    let mut inner = Inner::default();
    inner.add_env([("DUCK_MAIL_PORT".to_owned(), "x".to_owned())].into_iter());
    let error = Settings(Arc::new(inner))
        .part::<Mail>()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("environment variable DUCK_MAIL_PORT"),
        "{error}"
    );
}

#[test]
fn broken_toml_names_the_line() {
    let error = Settings::from_toml("A = 1\nB = ").unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
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
        inner.add_env([(format!("DUCK_{name}"), text.to_owned())].into_iter());
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
