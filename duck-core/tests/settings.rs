//! What a settings file that is almost right is answered with: the key, the line, and what is right.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use duck::files::StaticFiles;
use duck::settings::Seconds;
use duck::{App, Settings};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Mail {
    mail_from: Option<String>,
    mail_folder: PathBuf,
    mail_port: u16,
    mail_limit: u64,
    mail_offset: i32,
    mail_share: f64,
    use_tls: bool,
    mail_pause: Option<Seconds>,
    mail_servers: Vec<String>,
    mail_order: Order,
    mail_headers: BTreeMap<String, String>,
    secret_key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Oldest,
    Newest,
}

/// The error of a file whose second line is this.
fn error(line: &str) -> String {
    let text = format!("# the settings\n{line}\n");
    let result = Settings::from_toml(&text).and_then(|settings| settings.part::<Mail>());
    result.expect_err(line).to_string()
}

fn is_answered(line: &str, right: &str) {
    let key = line
        .split([' ', ':'])
        .next()
        .expect("a line begins with its key");
    let expected = format!("the settings text, line 2: {key}: {right}");
    assert_eq!(error(line), expected, "{line}");
}

#[test]
fn a_value_of_the_wrong_type_is_answered_with_what_the_key_takes() {
    let port = "takes a whole number from 0 to 65535";
    let time = "takes a whole number of seconds or a text such as \"7 days\"";
    let order = "takes \"oldest\" or \"newest\"";
    for (line, right) in [
        ("MAIL_PORT = 'many'", format!("{port}, not a text")),
        (
            "MAIL_PORT = '25'",
            format!("{port}, not a text; a number stands without quotes"),
        ),
        ("MAIL_PORT = 70000", port.to_owned()),
        ("MAIL_PORT = -1", format!("{port}, not a negative number")),
        (
            "MAIL_PORT = 1.5",
            format!("{port}, not a number with a fraction"),
        ),
        ("MAIL_PORT = [25]", format!("{port}, not a list")),
        ("MAIL_PORT = true", format!("{port}, not true or false")),
        ("MAIL_PORT = { a = 1 }", format!("{port}, not a table")),
        (
            "MAIL_LIMIT = '2 MB'",
            "takes a whole number, 0 or more, not a text".into(),
        ),
        (
            "MAIL_LIMIT = -2",
            "takes a whole number, 0 or more, not a negative number".into(),
        ),
        ("MAIL_SHARE = 'half'", "takes a number, not a text".into()),
        (
            "MAIL_FROM = 25",
            "takes a text in quotes, not a number".into(),
        ),
        (
            "MAIL_FROM = ['a']",
            "takes a text in quotes, not a list".into(),
        ),
        (
            "MAIL_FROM = true",
            "takes a text in quotes, not true or false".into(),
        ),
        (
            "MAIL_FOLDER = 1",
            "takes a path in quotes, not a number".into(),
        ),
        (
            "USE_TLS = 'True'",
            "takes true or false, not a text; did you mean `true`?".into(),
        ),
        (
            "USE_TLS = 'off'",
            "takes true or false, not a text; did you mean `false`?".into(),
        ),
        (
            "USE_TLS = 1",
            "takes true or false, not a number; did you mean `true`?".into(),
        ),
        ("USE_TLS = 2", "takes true or false, not a number".into()),
        ("MAIL_PAUSE = 'soon'", time.to_owned()),
        ("MAIL_PAUSE = ''", time.to_owned()),
        (
            "MAIL_PAUSE = '60'",
            format!("{time}; a number stands without quotes"),
        ),
        ("MAIL_PAUSE = -60", format!("{time}, not a negative number")),
        (
            "MAIL_PAUSE = 1.5",
            format!("{time}, not a number with a fraction"),
        ),
        ("MAIL_PAUSE = [60]", format!("{time}, not a list")),
        ("MAIL_PAUSE = true", format!("{time}, not true or false")),
        (
            "MAIL_SERVERS = 'a.example.org'",
            "takes a list, such as [\"one\", \"two\"], not a text; put it into brackets: [\"…\"]"
                .into(),
        ),
        (
            "MAIL_SERVERS = ['a', 1]",
            "an entry of the list takes a text in quotes, not a number".into(),
        ),
        (
            "MAIL_ORDER = 'Newest'",
            format!("{order}; did you mean \"newest\"?"),
        ),
        (
            "MAIL_ORDER = 'newst'",
            format!("{order}; did you mean \"newest\"?"),
        ),
        ("MAIL_ORDER = 'random'", order.to_owned()),
        ("MAIL_ORDER = true", format!("{order}, not true or false")),
        ("MAIL_ORDER = ['newest']", format!("{order}, not a list")),
        ("MAIL_HEADERS = 'x'", "takes a table, not a text".into()),
    ] {
        is_answered(line, &right);
    }
}

#[test]
fn a_line_of_another_format_is_answered_with_that_of_toml() {
    let text = "write a text in quotes: \"…\"";
    for (line, right) in [
        (
            "USE_TLS = True",
            "write `true`, in lower case and without quotes",
        ),
        (
            "USE_TLS = False  # for now",
            "write `false`, in lower case and without quotes",
        ),
        (
            "USE_TLS = yes",
            "write `true`, in lower case and without quotes",
        ),
        (
            "MAIL_FROM = None",
            "leave the line out where there is no value",
        ),
        (
            "MAIL_FROM = null",
            "leave the line out where there is no value",
        ),
        ("MAIL_FROM = duck@example.org", text),
        ("MAIL_FOLDER = /var/mail", text),
        ("MAIL_PAUSE = 7 days", text),
        ("MAIL_PAUSE = timedelta(days=7)", text),
        (
            "MAIL_PAUSE = 60 * 60",
            "write the number itself: TOML does not calculate",
        ),
        (
            "MAIL_SERVERS = ('a', 'b')",
            "write a list in brackets: [\"one\", \"two\"]",
        ),
        ("USE_TLS: true", "write `KEY = value`, with `=`"),
        (
            "MAIL_LIMIT = 1 000 000",
            "write the number in digits alone; `_` may stand between them",
        ),
        (
            "MAIL_LIMIT = 1,000,000",
            "write the number in digits alone; `_` may stand between them",
        ),
        (
            "MAIL_FOLDER = \"C:\\mail\"",
            "write a text that has a `\\` in it in single quotes: '…'",
        ),
    ] {
        is_answered(line, right);
    }
}

#[test]
fn a_list_with_nothing_in_it_was_answered_in_words_of_the_framework() {
    let settings = Settings::default().with("PORTS", [Some(25), None]);
    let error = settings.get::<Vec<Option<u16>>>("PORTS").unwrap_err();
    assert_eq!(
        error.to_string(),
        "PORTS (set by the program): no settings file could hold a `None` in a list or a table"
    );
}

/// The second line of `DEBUG = true` was answered with how to write `true`.
#[test]
fn a_key_that_is_set_twice_is_answered_as_that() {
    let error = Settings::from_toml("USE_TLS = true\nUSE_TLS = true").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the settings text, line 2: USE_TLS: is set a second time; leave one of the two lines out"
    );
}

/// Editors on Windows put them there.
#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing() {
    let settings =
        Settings::from_toml("\u{feff}MAIL_PORT = 25\r\nMAIL_FROM = 'duck'\r\nUSE_TLS = 1\r\n");
    let settings = settings.unwrap();
    assert_eq!(
        settings.get::<String>("MAIL_FROM").unwrap().as_deref(),
        Some("duck")
    );
    let error = settings.part::<Mail>().unwrap_err().to_string();
    assert!(
        error.contains("line 3: USE_TLS: takes true or false"),
        "{error}"
    );
    let error = Settings::from_toml("\u{feff}MAIL_PORT = 25\r\nUSE_TLS = True\r\n").unwrap_err();
    assert!(
        error.to_string().contains("line 2: USE_TLS: write `true`"),
        "{error}"
    );
}

#[test]
fn a_time_may_have_spaces_around_it() {
    let settings = Settings::from_toml("A = '60s '\nB = ' 1h 30m'\nC = 90").unwrap();
    let seconds = |key| settings.get::<Seconds>(key).unwrap().unwrap().0.as_secs();
    assert_eq!((seconds("A"), seconds("B"), seconds("C")), (60, 5400, 90));
}

/// `SESSION_LOCK_TIMEOUT = 9223372036854775807`, for "never", was a panic in every request.
#[test]
fn a_time_for_ever_can_be_added_to_a_clock() {
    let settings =
        Settings::from_toml("A = 9223372036854775807\nB = '9000000000 years'\nC = '90 years'")
            .unwrap()
            .with("D", u64::MAX);
    let time = |key| settings.get::<Seconds>(key).unwrap().unwrap().0;
    for forever in [time("A"), time("B"), time("D")] {
        assert!(Instant::now().checked_add(forever).is_some());
        assert!(SystemTime::now().checked_add(forever).is_some());
        assert!(forever > time("C") * 10);
    }
}

/// Whatever is wrong with a secret's line, the message does not tell the secret.
#[test]
fn no_error_has_a_value_in_it() {
    struct Picky;
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("{text} is too short")))
        }
    }
    for value in [
        "hush-hush",
        "\"hush",
        "'hush",
        "\"hush\\qhush\"",
        "hush hush",
        "[\"hush\"",
        "['hush']",
        "{ a = 'hush' }",
        "hush.hush",
        "\"hush\" \"hush\"",
        "\"\"\"hush",
        "0hush",
        "(\"hush\")",
        "\"hush\"x",
        "'hush' # hush",
        "\"hush\u{7}\"",
    ] {
        let text = format!("SECRET_KEY = {value}");
        let shown = match Settings::from_toml(&text) {
            Err(error) => format!("{error} {error:?}"),
            Ok(settings) => {
                let errors = [
                    settings.get::<u16>("SECRET_KEY").err(),
                    settings.get::<bool>("SECRET_KEY").err(),
                    settings.get::<Seconds>("SECRET_KEY").err(),
                    settings.get::<Order>("SECRET_KEY").err(),
                    settings.get::<Vec<u16>>("SECRET_KEY").err(),
                    settings.get::<HashMap<String, u16>>("SECRET_KEY").err(),
                    settings.get::<Picky>("SECRET_KEY").err(),
                ];
                format!("{errors:?}")
            }
        };
        assert!(
            shown.contains("SECRET_KEY") && !shown.contains("hush"),
            "{value}: {shown}"
        );
    }
}

#[test]
fn a_missing_key_without_a_default_is_named_with_where_to_set_it() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    #[expect(dead_code, reason = "only the error of reading it matters")]
    struct Database {
        database_url: String,
    }
    let error = Settings::default()
        .part::<Database>()
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("DATABASE_URL (not set)") && error.contains("DUCK_DATABASE_URL"),
        "{error}"
    );
}

async fn build(settings: Settings) -> Result<(), String> {
    let built = App::new(settings).start().await;
    built.map(drop).map_err(|error| error.to_string())
}

async fn refused(text: &str) -> String {
    build(Settings::from_toml(text).expect(text))
        .await
        .expect_err(text)
}

/// A site that believes it has set `debug` does not run without.
#[tokio::test]
async fn keys_in_lower_case_are_refused_with_the_ones_they_mean() {
    for (text, says) in [
        (
            "A = 1\ndebug = true",
            "line 2: debug: keys are in upper case: write it as `DEBUG`",
        ),
        (
            "secret_key = 'hush'",
            "line 1: secret_key: keys are in upper case: write it as `SECRET_KEY`",
        ),
        ("Debug = true", "write it as `DEBUG`"),
        ("max_Body_bytes = 1", "write it as `MAX_BODY_BYTES`"),
        ("maxBodyBytes = 1", "write it as `MAX_BODY_BYTES`"),
        ("SecretKey = 'hush'", "write it as `SECRET_KEY`"),
        ("secret-key = 'hush'", "write it as `SECRET_KEY`"),
    ] {
        let error = refused(text).await;
        assert!(error.contains(says) && !error.contains("hush"), "{error}");
    }
    let error = build(Settings::default().with("debug", true))
        .await
        .unwrap_err();
    assert!(
        error.contains("debug (set by the program)") && error.contains("`DEBUG`"),
        "{error}"
    );
}

/// What stands in a section sets nothing, and neither does what follows it.
#[tokio::test]
async fn a_section_is_refused_with_the_flat_key() {
    for (text, says) in [
        (
            "\n[session.cookie]\nmaxAge = 60",
            "write `SESSION_COOKIE_MAX_AGE = …`",
        ),
        (
            "\n[session]\ncookie_age = 60",
            "line 2: session: settings are one flat table without sections; leave [session] out, and write `SESSION_COOKIE_AGE = …`",
        ),
        (
            "[session]\nSESSION_COOKIE_AGE = 60",
            "write `SESSION_COOKIE_AGE = …`",
        ),
        ("session.cookie_age = 60", "write `SESSION_COOKIE_AGE = …`"),
        (
            "session = { cookie_age = 60 }",
            "write `SESSION_COOKIE_AGE = …`",
        ),
        ("[duck]\ndebug = true", "write `DEBUG = …`"),
        (
            "[MAX]\nBODY_BYTES = 60",
            "line 1: MAX: settings are one flat table",
        ),
        (
            "[SITE]\nDEBUG = true",
            "line 1: SITE: settings are one flat table",
        ),
    ] {
        let error = refused(text).await;
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_table_of_the_sites_own_is_no_mistake() {
    let settings = Settings::from_toml("MAIL = { from = 'duck@example.org' }").unwrap();
    assert_eq!(build(settings.clone()).await, Ok(()));
    let mail: HashMap<String, String> = settings.get("MAIL").unwrap().unwrap();
    assert_eq!(mail["from"], "duck@example.org");
}

#[tokio::test]
async fn what_would_only_fail_when_the_site_runs_fails_at_its_start() {
    for (text, says) in [
        (
            "WORKERS = '4'",
            "line 1: WORKERS: takes a whole number, 0 or more, not a text",
        ),
        ("WORKERS = 0", "line 1: WORKERS"),
        (
            "ADDRESS = 8000",
            "line 1: ADDRESS: takes a text in quotes, not a number",
        ),
        (
            "ADDRESS = 'http://127.0.0.1:8000'",
            "line 1: ADDRESS: takes a host and a port",
        ),
        ("MAX_CONNECTIONS = 0", "line 1: MAX_CONNECTIONS"),
        (
            "MAX_NEW_CONNECTIONS_PER_ADDRESS = 0",
            "line 1: MAX_NEW_CONNECTIONS_PER_ADDRESS",
        ),
        ("HEAD_TIMEOUT = 0", "line 1: HEAD_TIMEOUT"),
        (
            "IDLE_TIMEOUT = '60'",
            "line 1: IDLE_TIMEOUT: takes a whole number of seconds or a text such as \"7 days\"",
        ),
        (
            "TRAILING_SLASH = 'Strict'",
            "line 1: TRAILING_SLASH: takes \"redirect\" or \"strict\"",
        ),
    ] {
        let error = refused(text).await;
        assert!(error.contains(says), "{error}");
    }
    let all = ["HEAD", "BODY", "IDLE", "WRITE", "SHUTDOWN"];
    let times = all
        .map(|name| format!("{name}_TIMEOUT = '1 min'\n"))
        .concat();
    assert_eq!(build(Settings::from_toml(&times).unwrap()).await, Ok(()));
    let most = Settings::default().with("MAX_CONNECTIONS", u64::MAX);
    assert_eq!(build(most).await, Ok(()));
}

/// A URL that no page could lead to would be a site without its files.
#[tokio::test]
async fn a_static_url_that_is_no_path_is_refused_by_key_and_line() {
    for wrong in [
        "static/",
        "https://cdn.example.org/",
        "//cdn.example.org/",
        "",
        "/static?v=1",
        "/static#a",
        "/sta tic/",
        "/<name>/",
        "/é/",
        "/a\\\\b/",
        "/a\\u0000b",
        "/a\\r\\nx: y",
    ] {
        let settings = Settings::from_toml(&format!("\nSTATIC_URL = \"{wrong}\"")).unwrap();
        let error = App::new(settings)
            .with(StaticFiles::new())
            .start()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2: STATIC_URL: takes a path") && error.contains("\"/static/\""),
            "{wrong}: {error}"
        );
    }
    for right in ["/static/", "/static", "/", "/a/b-c_d~e/", "/%C3%A9/"] {
        let settings = Settings::default().with("STATIC_URL", right);
        assert!(
            App::new(settings)
                .with(StaticFiles::new())
                .start()
                .await
                .is_ok(),
            "{right}"
        );
    }
}

#[test]
fn a_program_sets_values_of_its_own_types() {
    #[derive(Serialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    struct Own {
        mail_from: &'static str,
        mail_port: u16,
        mail_limit: u64,
        mail_pause: Option<u64>,
        mail_servers: Vec<String>,
    }
    let own = Own {
        mail_from: "duck@example.org",
        mail_port: 25,
        mail_limit: u64::MAX,
        mail_pause: None,
        mail_servers: vec!["a".into()],
    };
    let settings = Settings::from_struct(&own).unwrap();
    let mail: Mail = settings.part().unwrap();
    assert_eq!(
        (mail.mail_port, mail.mail_limit, mail.mail_servers.len()),
        (25, u64::MAX, 1)
    );
    assert!(mail.mail_pause.is_none() && mail.mail_from.as_deref() == Some("duck@example.org"));

    let settings = settings
        .with("MAIL_PORT", 26)
        .with("MAIL_OFFSET", -1)
        .with("MAIL_SHARE", 0.5)
        .with("USE_TLS", true)
        .with("MAIL_FOLDER", std::path::Path::new("/var/mail"))
        .with("MAIL_SERVERS", ["a", "b"])
        .with("MAIL_PAUSE", Some(7_u64))
        .with("MAIL_FROM", None::<String>);
    let mail: Mail = settings.part().unwrap();
    assert_eq!(
        (mail.mail_port, mail.mail_offset, mail.mail_servers.len()),
        (26, -1, 2)
    );
    assert_eq!(mail.mail_pause.map(|pause| pause.0.as_secs()), Some(7));
    assert_eq!(mail.mail_from, None, "`None` takes a key out");
    assert!(mail.use_tls && mail.mail_folder.as_os_str() == "/var/mail");
    assert!((mail.mail_share - 0.5).abs() < f64::EPSILON);

    let error = Settings::from_struct(&[1, 2]).unwrap_err().to_string();
    assert!(error.contains("struct"), "{error}");
    let error = Settings::default()
        .with("MAIL_PORT", u128::MAX)
        .part::<Mail>();
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("MAIL_PORT (set by the program)"),
        "{error}"
    );
}

#[test]
fn a_date_reads_as_a_text() {
    let settings = Settings::from_toml("START = 2026-11-27\nTIMES = [07:30:00]").unwrap();
    assert_eq!(
        settings.get::<String>("START").unwrap().unwrap(),
        "2026-11-27"
    );
    assert_eq!(
        settings.get::<Vec<String>>("TIMES").unwrap().unwrap(),
        ["07:30:00"]
    );
}
