//! What the settings choose, and what they may not.

use duck::App;
use duck_session::SessionMiddleware;
use duck_session::store::InMemoryCache;

use crate::support::{ScriptedStore, over, read, settings, visit};

async fn refusal(settings: duck::Settings) -> String {
    let app = App::new(settings).with(SessionMiddleware::new());
    app.start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn storages_have_short_names_and_those_of_the_python_duck() {
    for name in ["InMemoryCache", "duck.utils.caching.InMemoryCache"] {
        let client = visit(
            settings().with("SESSION_STORAGE", name),
            SessionMiddleware::new(),
            [],
        )
        .await;
        read(&client, "/set/a/1").await;
        assert_eq!(read(&client, "/get/a").await, "\"1\"", "{name}");
    }
}

#[tokio::test]
async fn a_name_with_dots_may_be_registered_too() {
    let open = |_: &_| Ok(InMemoryCache::new(10, 1 << 20));
    for (registered, chosen) in [
        ("shop.caches.Tiny", "shop.caches.Tiny"),
        ("Tiny", "shop.caches.Tiny"),
        ("Tiny", "Tiny"),
    ] {
        let sessions = SessionMiddleware::new().cache(registered, open);
        let client = visit(settings().with("SESSION_STORAGE", chosen), sessions, []).await;
        read(&client, "/set/a/1").await;
        assert_eq!(
            read(&client, "/get/a").await,
            "\"1\"",
            "{registered} {chosen}"
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_refused_by_name() {
    let error = refusal(settings().with("SESSION_STORAGE", "duck.Redis")).await;
    for part in [
        "SESSION_STORAGE",
        "duck.Redis",
        "KeyAsFolderCache",
        "InMemoryCache",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = refusal(settings().with("SESSION_ENGINE", "django")).await;
    for part in ["SESSION_ENGINE", "django", "cache", "cookie"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_misspelt_storage_or_engine_was_refused_without_the_right_word() {
    for (key, name, meant) in [
        ("SESSION_STORAGE", "inmemorycache", "\"InMemoryCache\""),
        ("SESSION_STORAGE", "InMemory", "\"InMemoryCache\""),
        ("SESSION_STORAGE", "memory", "\"InMemoryCache\""),
        (
            "SESSION_STORAGE",
            "dynamicfilecache",
            "\"DynamicFileCache\"",
        ),
        ("SESSION_STORAGE", "DynamicFile", "\"DynamicFileCache\""),
        ("SESSION_STORAGE", "Redis", "\"RedisCache\""),
        ("SESSION_STORAGE", "KeyAsFolder", "\"KeyAsFolderCache\""),
        (
            "SESSION_STORAGE",
            "duck.utils.caching.KeyAsFolder",
            "\"KeyAsFolderCache\"",
        ),
        (
            "SESSION_STORAGE",
            "django.contrib.sessions.backends.cache",
            "SESSION_ENGINE = \"cache\"",
        ),
        ("SESSION_STORAGE", "cookies", "SESSION_ENGINE = \"cookie\""),
        ("SESSION_ENGINE", "Cookie", "\"cookie\""),
        (
            "SESSION_ENGINE",
            "django.contrib.sessions.backends.signed_cookies",
            "\"cookie\"",
        ),
        (
            "SESSION_ENGINE",
            "django.contrib.sessions.backends.cached_db",
            "\"cache\"",
        ),
        (
            "SESSION_ENGINE",
            "duck.utils.caching.KeyAsFolderCache",
            "SESSION_STORAGE = \"KeyAsFolderCache\"",
        ),
    ] {
        let error = refusal(settings().with(key, name)).await;
        let ending = format!("; did you mean {meant}?");
        assert!(error.contains(key) && error.ends_with(&ending), "{error}");
    }
    for name in ["django.contrib.sessions.backends.db", "x", ""] {
        let error = refusal(settings().with("SESSION_STORAGE", name)).await;
        assert!(!error.contains("did you mean"), "{error}");
    }
}

/// What leaves the process is never stored with a key that anybody could guess.
#[tokio::test]
async fn without_a_good_key_nothing_that_leaves_the_process_starts() {
    for (engine, storage) in [("cache", "TestStore"), ("cookie", "InMemoryCache")] {
        for key in ["", "short"] {
            let settings = settings()
                .with("SECRET_KEY", key)
                .with("SESSION_STORAGE", storage)
                .with("SESSION_ENGINE", engine);
            let app = App::new(settings).with(over(&ScriptedStore::default()));
            let error = app.start().await.unwrap_err().to_string();
            assert!(error.contains("SECRET_KEY"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_prefix_is_not_part_of_the_name() {
    for name in ["__Host-id", "__Secure-id", "__host-id", "__HTTP-id"] {
        let error = refusal(settings().with("SESSION_COOKIE_NAME", name)).await;
        assert!(error.contains("SESSION_COOKIE_PREFIX"), "{name}: {error}");
    }
}

/// What an older site set is no silent default: the error says what there is in its place.
#[tokio::test]
async fn a_removed_setting_is_refused_with_what_replaces_it() {
    for (line, instead) in [
        ("SESSION_LOCK_TIMEOUT = 5", "`update` counts exactly"),
        ("SESSION_CREATE_RATE = 60", "SESSION_MAX_SESSIONS"),
        ("SESSION_MAX_DEPTH = 32", "SESSION_MAX_BYTES"),
        ("SESSION_CLOCK_SKEW = 300", "five minutes"),
        ("SESSION_CONFLICT = 'lock'", "`update`"),
    ] {
        let toml = format!("SESSION_STORAGE = 'InMemoryCache'\n{line}\n");
        let error = refusal(duck::Settings::from_toml(&toml).unwrap()).await;
        let key = line.split(" = ").next().unwrap();
        assert!(error.contains(&format!("line 2: {key}")), "{error}");
        assert!(error.contains(instead), "{error}");
    }
}

/// Rule F15: whoever knows the URL could take the sessions away.
#[tokio::test]
async fn sessions_are_never_kept_where_the_site_serves_files() {
    let site = tempfile::tempdir().unwrap();
    for folder in ["public/media", "elsewhere", "static"] {
        std::fs::create_dir_all(site.path().join(folder)).unwrap();
    }
    std::os::unix::fs::symlink(site.path().join("public"), site.path().join("link")).unwrap();
    std::os::unix::fs::symlink(
        site.path().join("link"),
        site.path().join("elsewhere/again"),
    )
    .unwrap();
    let start = async |storage: &str, dir: &str| {
        let settings = duck::Settings::default()
            .with("SESSION_STORAGE", storage)
            .with("SESSION_DIR", dir)
            .with("SECRET_KEY", "k".repeat(32))
            .in_folder(site.path());
        let urls = [duck::files::static_folder("/media/", "public/media")];
        let app = duck::App::new(settings).with(duck_session::SessionMiddleware::new());
        app.with(duck::files::StaticFiles::new())
            .urls(urls)
            .start()
            .await
    };
    for storage in ["KeyAsFolderCache", "DynamicFileCache"] {
        for wrong in [
            "public/media",
            "public/media/sessions",
            "public/./media//sessions",
            "elsewhere/../public/media/sessions",
            "missing/../static/sessions",
            "link/media/sessions",
            "elsewhere/again/media/deep/sessions",
            "static/sessions",
        ] {
            let error = start(storage, wrong)
                .await
                .expect_err("it is served")
                .chain();
            assert!(
                error.contains("SESSION_DIR") && error.contains("served to everybody"),
                "{wrong}: {error}"
            );
            assert!(!site.path().join(wrong).join("duck.sqlite").exists());
        }
        for right in [
            "sessions",
            "public/sessions",
            "public/mediasessions",
            "link/sessions",
            "elsewhere/x",
        ] {
            let dir = format!("{right}-{storage}");
            start(storage, &dir).await.unwrap().stop().await;
        }
    }
    assert!(
        start("InMemoryCache", "public/media").await.is_ok(),
        "it keeps no files"
    );
}

#[cfg(not(feature = "postgres"))]
#[tokio::test]
async fn a_database_that_the_site_is_built_without_is_said_with_the_feature_and_the_line() {
    let text = "SECRET_KEY = 'a key for tests of more than thirty-two bytes'
         SESSION_STORAGE = 'DatabaseCache'
         SESSION_DATABASE_URL = 'postgres://me:s3cret@localhost/site'";
    let error = refusal(duck::Settings::from_toml(text).unwrap()).await;
    for part in ["line ", "cargo add duck-session --features postgres"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("s3cret"), "{error}");
}
