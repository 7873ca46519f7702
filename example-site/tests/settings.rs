//! What `docs/settings.md` and `settings.toml` say about the settings is what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use duck::auth::{Accounts, Auth, Credentials};
use duck::files::StaticFiles;
use duck::live::{WebSocket, websocket};
use duck::metrics::Metrics;
use duck::middleware::{Compression, Cors};
use duck::{App, Request, Result, Settings};
use duck_session::{SessionMiddleware, SessionSettings};
use sqlx::migrate::Migrator;
use toml::Value;

/// Keys whose default is not one value.
const OTHER_DEFAULT: [(&str, &str); 23] = [
    ("ACCESS_LOG", "as `DEBUG`"),
    ("ACCESS_LOG_FILE", "unset"),
    ("CONTENT_SECURITY_POLICY", "unset"),
    ("DATABASE_URL", "unset"),
    ("HTTP_REDIRECT_ADDRESS", "unset"),
    ("HTTP_REDIRECT_PORT", "unset"),
    ("MAX_NEW_CONNECTIONS_PER_ADDRESS", "unset"),
    ("METRICS_ADDRESS", "unset"),
    ("REQUEST_ID_HEADER", "unset"),
    ("SECRET_KEY", "unset"),
    ("SESSION_ABSOLUTE_TIMEOUT", "unset"),
    ("SESSION_COOKIE_DOMAIN", "unset"),
    ("SESSION_DATABASE_URL", "unset"),
    ("SESSION_IDLE_TIMEOUT", "unset"),
    ("SESSION_REDIS_PREFIX", "unset"),
    ("SESSION_REDIS_SENTINEL", "unset"),
    ("SESSION_REDIS_SENTINEL_PASSWORD", "unset"),
    ("SESSION_REDIS_URL", "unset"),
    ("SESSION_RENEWAL_INTERVAL", "unset"),
    ("SESSION_TOUCH_INTERVAL", "unset"),
    ("TLS_CERT", "unset"),
    ("TLS_KEY", "unset"),
    ("WORKERS", "unset"),
];

/// Keys that `settings.toml` sets to something else, as it says there.
const CHANGED_IN_FILE: [&str; 2] = ["DEBUG", "STATIC_DIR"];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the page's tables: key and default, as written.
fn documented() -> BTreeMap<String, String> {
    let page = read("docs/settings.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.trim_end_matches('`').to_owned();
        Some((key, cells.nth(1)?.to_owned()))
    };
    let rows: Vec<_> = page.lines().filter_map(row).collect();
    let count = rows.len();
    let rows = BTreeMap::from_iter(rows);
    assert_eq!(rows.len(), count, "a key is documented twice");
    rows
}

/// The defaults of the page that are values.
fn documented_defaults() -> toml::Table {
    let value = |(key, default): (String, String)| {
        if OTHER_DEFAULT.contains(&(key.as_str(), default.as_str())) {
            return None;
        }
        let text = default.trim_matches('`');
        let table: toml::Table = format!("value = {text}")
            .parse()
            .unwrap_or_else(|error| panic!("the default of {key}: {error}"));
        Some((key, table["value"].clone()))
    };
    documented().into_iter().filter_map(value).collect()
}

/// Accounts of a site that nobody logs in to.
struct Nobody;

impl Accounts for Nobody {
    type User = ();

    async fn credentials(&self, _: &str) -> Result<Option<Credentials>> {
        Ok(None)
    }

    async fn hash(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn user(&self, _: &str) -> Result<Option<()>> {
        Ok(None)
    }

    async fn set_hash(&self, _: &str, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }
}

/// A site with everything that reads settings.
async fn site(settings: Settings) -> duck::Site {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings
        .in_folder(folder.path())
        .with("DATABASE_URL", "sqlite:test.db")
        .with("SESSION_STORAGE", "InMemoryCache");
    App::new(settings)
        .with(Compression::new())
        .with(Cors::new())
        .with(Metrics::new())
        .with(StaticFiles::new())
        .with(duck::database::sqlite(Migrator::DEFAULT))
        .with(SessionMiddleware::new())
        .with(Auth::new(|_| Ok(Nobody)))
        .urls([websocket("/", async |_: Request, _: WebSocket| {})])
        .start()
        .await
        .expect("every default fits")
}

#[tokio::test]
async fn every_key_is_documented_and_every_documented_key_is_known() {
    let site = site(Settings::from_toml(&documented_defaults().to_string()).unwrap()).await;
    let known: BTreeSet<_> = site.settings().known_keys().into_iter().collect();
    let page = documented();
    assert_eq!(
        page.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known
    );
    assert!(site.settings().unknown_keys().is_empty());
}

#[test]
fn documented_defaults_of_sessions_are_the_defaults() {
    let settings = Settings::from_toml(&documented_defaults().to_string()).unwrap();
    let own: SessionSettings = settings.part().unwrap();
    assert_eq!(
        format!("{own:#?}"),
        format!("{:#?}", SessionSettings::default())
    );
}

#[test]
fn the_settings_file_has_every_key_with_its_default() {
    let file = read("settings.toml");
    let commented = file.lines().filter_map(|line| {
        let (key, _) = line.strip_prefix("# ")?.split_once(" = ")?;
        let is_key = key
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        is_key.then(|| key.to_owned())
    });
    let table: toml::Table = file.parse().unwrap();
    let keys: BTreeSet<String> = table.keys().cloned().chain(commented).collect();
    assert_eq!(keys, documented().into_keys().collect());

    for (key, default) in documented_defaults() {
        let differs = table
            .get(&key)
            .is_some_and(|value: &Value| *value != default);
        assert_eq!(differs, CHANGED_IN_FILE.contains(&key.as_str()), "{key}");
    }
}
