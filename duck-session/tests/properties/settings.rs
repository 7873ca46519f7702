//! Whatever stands under a `SESSION_…` key: the site works, or it does not start and says which key
//! in which line is to blame.

use std::collections::BTreeMap;
use std::path::Path;

use duck::testing::TestClient;
use duck::{App, Request, Settings, path, text};
use duck_session::SessionMiddleware;
use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::cases;

/// The keys that `docs/settings.md` has.
fn keys() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let page = std::fs::read_to_string(page).unwrap();
    let key = |line: &str| {
        line.strip_prefix("| `")?
            .split_once('`')
            .map(|row| row.0.to_owned())
    };
    let keys: Vec<_> = page.lines().filter_map(key).collect();
    let keys: Vec<_> = keys
        .into_iter()
        .filter(|key| key.starts_with("SESSION_"))
        .collect();
    assert!(keys.len() > 30, "{keys:?}");
    keys
}

/// With these a session may hold nothing, or find no time to be stored.
const LIMITS: [&str; 6] = [
    "SESSION_MAX_BYTES",
    "SESSION_MAX_KEYS",
    "SESSION_MAX_SESSIONS",
    "SESSION_MEMORY_BYTES",
    "SESSION_STORE_TIMEOUT",
    "SESSION_MIN_FREE",
];

/// Words that mean something somewhere, and such as never do.
const WORDS: [&str; 56] = [
    "True",
    "localhost",
    "co.uk",
    "EXAMPLE.org",
    "https://example.org/",
    "example.org:8000",
    "*.example.org",
    "example..org",
    "/a?b",
    "/a#b",
    "__Host-id",
    "private, no-cache",
    "auto",
    "host",
    "secure",
    "none",
    "None",
    "Lax",
    "Strict",
    "lax",
    "cookie",
    "cache",
    "memory",
    "InMemoryCache",
    "KeyAsFolderCache",
    "DynamicFileCache",
    "duck.utils.caching.InMemoryCache",
    "merge",
    "fail",
    "lock",
    "last_write_wins",
    "open",
    "closed",
    "all",
    "security",
    "ua",
    "evict_oldest",
    "refuse",
    "7 days",
    "0s",
    "1ns",
    "1h 30m",
    "500000000000 years",
    "-5",
    "",
    "/",
    "/a",
    "/a;b",
    "a b",
    "é",
    "127.0.0.1",
    "example.org",
    ".example.org",
    "a\r\nb",
    "\0",
    "no-store",
];

/// A value as it stands in the file.
fn value() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "[a-z]{250,300}",
    ];
    prop_oneof![
        4 => word.prop_map(|word| toml(&word)),
        2 => prop::sample::select(vec![0, 1, -1, 2, 30, 127, 128, i64::MAX, i64::MIN]).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        2 => any::<bool>().prop_map(|value| value.to_string()),
        1 => prop::sample::select(vec!["1.5", "nan", "inf", "[]", "['a']", "{}", "{ a = 1 }", "1979-05-27"])
            .prop_map(str::to_owned),
    ]
}

/// A text in TOML, which is JSON's as long as nothing exotic is escaped.
fn toml(text: &str) -> String {
    let escape = |character: char| match character {
        '"' | '\\' => format!("\\{character}"),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        plain => plain.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// The file: each key in a line of its own, and which lines these are.
struct File {
    text: String,
    lines: BTreeMap<String, usize>,
}

fn file(dir: &Path, chosen: &BTreeMap<String, String>) -> File {
    let mut all = BTreeMap::from([
        (
            "SECRET_KEY".to_owned(),
            toml("a key for tests of more than thirty-two bytes"),
        ),
        ("DEBUG".to_owned(), "true".to_owned()),
        ("SESSION_STORAGE".to_owned(), toml("InMemoryCache")),
        (
            "SESSION_DIR".to_owned(),
            toml(dir.join("sessions").to_str().unwrap()),
        ),
    ]);
    for (key, value) in chosen {
        // No folder is made outside of this one.
        let inside = value.strip_prefix('"').filter(|_| key == "SESSION_DIR");
        let value = match inside {
            Some(rest) => format!("\"{}/x/{rest}", dir.display()),
            None => value.clone(),
        };
        all.insert(key.clone(), value);
    }
    let mut file = File {
        text: String::new(),
        lines: BTreeMap::new(),
    };
    for (line, (key, value)) in all.iter().enumerate() {
        file.text += &format!("{key} = {value}\n");
        file.lines.insert(key.clone(), line + 1);
    }
    file
}

fn app(settings: Settings) -> App {
    let set = async |request: Request| {
        request.session.set("a", 1).await?;
        Ok::<_, duck::Error>(text("set"))
    };
    let get = async |request: Request| {
        let value: Option<u8> = request.session.get("a").await?;
        Ok::<_, duck::Error>(text(format!("{value:?}")))
    };
    App::new(settings)
        .with(SessionMiddleware::new())
        .urls([path("/set", set), path("/get", get)])
}

fn try_settings(chosen: &BTreeMap<String, String>) {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("x")).unwrap();
    let file = file(temp.path(), chosen);
    let settings = Settings::from_toml(&file.text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        match app(settings).start().await {
            Err(error) => names_key_and_line(&error.chain(), &file, chosen),
            Ok(site) => works(&TestClient::of(site), &file, chosen).await,
        }
    });
}

fn names_key_and_line(error: &str, file: &File, chosen: &BTreeMap<String, String>) {
    let blamed = chosen.keys().any(|key| {
        let line = file.lines[key];
        error.contains(&format!("line {line}: {key}"))
    });
    assert!(blamed, "{error}\n{}", file.text);
}

async fn works(client: &TestClient, file: &File, chosen: &BTreeMap<String, String>) {
    let set = client.get("/set").await;
    let get = client.get("/get").await;
    for response in [&set, &get] {
        assert!(
            !response.text().contains("panicked"),
            "{}\n{}",
            response.text(),
            file.text
        );
    }
    if chosen.keys().any(|key| LIMITS.contains(&&**key)) {
        return;
    }
    assert_eq!(set.status(), 200, "{}\n{}", set.text(), file.text);
    assert_eq!(set.set_cookies().len(), 1, "{}", file.text);
    // The session is there for those who send the cookie back.
    let (name, rest) = set.set_cookies()[0].split_once('=').unwrap();
    let (value, _) = rest.split_once(';').unwrap();
    let cookie = format!("{name}={value}");
    let get = client.another().get("/get").header("cookie", &cookie).await;
    assert_eq!(get.text(), "Some(1)", "{}", file.text);
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn settings_make_a_site_that_works_or_an_error_that_says_why(
        chosen in btree_map(prop::sample::select(keys()), value(), 1..4),
    ) {
        try_settings(&chosen);
    }
}
