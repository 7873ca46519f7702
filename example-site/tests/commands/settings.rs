//! What `check` and `check --deploy` say of settings.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::site::{KEY, Site};

const HTTPS: &str =
    "takes a domain alone, without scheme, port, path, `*` or more dots: write \"example.org\"";

#[test]
fn check_refuses_what_a_site_could_not_run_with() {
    for (key, value, right) in [
        ("SESSION_COOKIE_DOMAIN", "'https://example.org'", HTTPS),
        ("SESSION_COOKIE_DOMAIN", "'example.org:8000'", HTTPS),
        ("SESSION_COOKIE_DOMAIN", "'*.example.org'", HTTPS),
        ("SESSION_COOKIE_DOMAIN", "'example..org'", HTTPS),
        ("SESSION_COOKIE_DOMAIN", "'localhost'", "leave it out"),
        ("SESSION_COOKIE_PATH", "'/app?x'", "write \"/app\""),
        ("SESSION_COOKIE_PATH", "'/app;x'", "write \"/app\""),
        ("SESSION_COOKIE_NAME", "'__host-id'", "write \"id\""),
        ("SESSION_COOKIE_SAMESITE", "'lax'", "did you mean \"Lax\"?"),
        ("SESSION_COOKIE_SECURE", "'True'", "did you mean `true`?"),
        (
            "SESSION_COOKIE_AGE",
            "'soon'",
            "takes a whole number of seconds or a text such as \"7 days\"",
        ),
        ("SESSION_COOKIE_AGE", "-1", "not a negative number"),
        (
            "SESSION_COOKIE_HTTPONLY",
            "True",
            "write `true`, in lower case",
        ),
        (
            "SESSION_MAX_BYTES",
            "'65536'",
            "a number stands without quotes",
        ),
        (
            "SESSION_ENGINE",
            "'django.contrib.sessions.backends.db'",
            "\"cache\"",
        ),
        ("STATIC_URL", "'static/'", "such as \"/static/\""),
        ("ADDRESS", "8000", "takes a text in quotes"),
        ("WORKERS", "'4'", "a number stands without quotes"),
        ("debug", "true", "write it as `DEBUG`"),
        (
            "session",
            "{ cookie_age = 60 }",
            "write `SESSION_COOKIE_AGE = …`",
        ),
    ] {
        let mut site = Site::new();
        site.set_toml(key, value);
        let settings = std::fs::read_to_string(site.path("settings.toml")).unwrap();
        let is_own = |line: &str| line.split(" = ").next() == Some(key);
        let line = 1 + settings.lines().position(is_own).unwrap();
        let error = site
            .answer(&["check", "--deploy"])
            .refused(1, &format!("settings.toml, line {line}: {key}: "));
        assert!(error.contains(right), "{key} = {value}: {error}");
    }
}

#[test]
fn a_secret_key_that_is_set_wrongly_is_not_printed() {
    for (key, value) in [
        ("secret_key", "'hush, hush, hush, hush, hush, hush'"),
        ("SECRET_KEY", "'hush'"),
        ("SECRET_KEY", "hush"),
        ("SECRET_KEY", "['hush']"),
        (
            "SECRET_KEY_FALLBACKS",
            "'hush, hush, hush, hush, hush, hush'",
        ),
    ] {
        let mut site = Site::new();
        site.set_toml(key, value);
        let error = site.answer(&["check"]).refused(1, key);
        assert!(!error.contains("hush"), "{error}");
    }
}

/// TLS may end at a proxy that the site does not know: the name is the one of HTTPS all the same.
#[test]
fn a_cookie_that_is_always_secure_passes_check_and_has_its_prefix() {
    for (key, value) in [
        ("SESSION_COOKIE_SECURE", "true"),
        ("SESSION_COOKIE_PREFIX", "'host'"),
    ] {
        let mut site = Site::new();
        site.set_for_the_internet();
        site.set_toml(key, value);
        site.answer(&["check", "--deploy"]).done();
    }
    let mut site = Site::new();
    site.set("SESSION_COOKIE_PREFIX", "secure");
    site.set_toml("SESSION_COOKIE_SECURE", "false");
    let says = "SESSION_COOKIE_PREFIX: needs SESSION_COOKIE_SECURE to be true or \"auto\"";
    site.answer(&["check", "--deploy"]).refused(1, says);
}

#[test]
fn a_variable_of_the_environment_is_refused_by_its_name() {
    let odd = OsStr::from_bytes(b"hush\xff");
    let site = Site::new();
    site.check_with("OTHER", odd).done();
    for (name, value, right) in [
        ("DUCK_GREETING", odd, "is not UTF-8"),
        (
            "DUCK_WORKERS",
            OsStr::new("hush"),
            "takes a whole number, 0 or more, not a text",
        ),
        (
            "DUCK_DEBUG",
            OsStr::new("1"),
            "takes true or false, not a number; did you mean `true`?",
        ),
        (
            "DUCK_SESSION_COOKIE_AGE",
            OsStr::new("hush"),
            "takes a whole number of seconds or a text",
        ),
        (
            "DUCK_SESSION_COOKIE_SAMESITE",
            OsStr::new("lax"),
            "did you mean \"Lax\"?",
        ),
        (
            "DUCK_SESSION_COOKIE_DOMAIN",
            OsStr::new("https://example.org"),
            HTTPS,
        ),
        ("DUCK_debug", OsStr::new("true"), "write it as `DEBUG`"),
    ] {
        let says = format!("environment variable {name}: ");
        let error = site.check_with(name, value).refused(1, &says);
        assert!(error.contains(right) && !error.contains("hush"), "{error}");
    }
}

/// Keys, values that are unsafe on the internet, and what is said of them.
const UNSAFE: [(&str, &str, &str); 17] = [
    ("DEBUG", "true", "DEBUG: is on"),
    ("ALLOWED_HOSTS", "[]", "ALLOWED_HOSTS: is empty"),
    ("TRUSTED_PROXIES", "[]", "TRUSTED_PROXIES: is empty"),
    ("SECURITY_HEADERS", "false", "SECURITY_HEADERS: is off"),
    (
        "CONTENT_SECURITY_POLICY",
        "\"script-src 'self' 'unsafe-inline'\"",
        "CONTENT_SECURITY_POLICY: lets any script run",
    ),
    ("SECURE_HSTS_SECONDS", "0", "SECURE_HSTS_SECONDS: is 0"),
    ("ALLOWED_HOSTS", "['*']", "ALLOWED_HOSTS: has \"*\""),
    (
        "TRUSTED_PROXIES",
        "['0.0.0.0/0']",
        "TRUSTED_PROXIES: 0.0.0.0/0 is wider",
    ),
    (
        "ADDRESS",
        "'0.0.0.0:0'",
        "ADDRESS: is reached by other machines",
    ),
    ("SECRET_KEY", "'{KEY}'", "SECRET_KEY: stands in a file"),
    (
        "SECRET_KEY_FALLBACKS",
        "['{KEY}']",
        "SECRET_KEY_FALLBACKS: stands in a file",
    ),
    (
        "SESSION_STORAGE",
        "'InMemoryCache'",
        "SESSION_STORAGE: is \"InMemoryCache\"",
    ),
    ("SESSION_FSYNC", "'none'", "SESSION_FSYNC: is \"none\""),
    (
        "SESSION_COOKIE_DOMAIN",
        "'example.com'",
        "SESSION_COOKIE_DOMAIN: is the domain of no host",
    ),
    (
        "SESSION_COOKIE_SECURE",
        "false",
        "SESSION_COOKIE_SECURE: is false",
    ),
    (
        "SESSION_COOKIE_HTTPONLY",
        "false",
        "SESSION_COOKIE_HTTPONLY: is false",
    ),
    ("SESSION_ENCRYPT", "false", "SESSION_ENCRYPT: is false"),
];

/// What Django's `check --deploy` finds, as far as Duck has it.
#[test]
fn check_deploy_finds_what_is_wrong_on_the_internet_and_check_does_not() {
    for (key, value, says) in UNSAFE {
        let mut site = Site::new();
        site.set_for_the_internet();
        site.answer(&["check", "--deploy"]).done();
        if key == "SECRET_KEY" {
            site.set_in_env_file("WORKERS", "2");
        }
        site.set_toml(key, &value.replace("{KEY}", KEY));
        site.answer(&["check"]).done();
        let output = site
            .piped(&["check", "--deploy"])
            .wait_with_output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let findings: Vec<_> = text.lines().filter(|line| line.contains('✗')).collect();
        assert_eq!(
            (output.status.code(), findings.len()),
            (Some(1), 1),
            "{key}: {text}"
        );
        assert!(
            findings[0].contains(says) && !text.contains(KEY),
            "{key}: {text}"
        );
    }
}

#[test]
fn check_deploy_finds_a_key_that_somebody_typed() {
    let typed = "a".repeat(36);
    for (variable, value) in [
        ("SECRET_KEY", typed.clone()),
        ("SECRET_KEY_FALLBACKS", format!("[\"{typed}\"]")),
    ] {
        let mut site = Site::new();
        site.set_for_the_internet();
        if variable != "SECRET_KEY" {
            site.set_toml("SECRET_KEY", &format!("{KEY:?}"));
        }
        site.set_in_env_file(variable, &value);
        let says = format!("{variable}: can be guessed");
        let output = site
            .piped(&["check", "--deploy"])
            .wait_with_output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&says) && !text.contains(&typed), "{text}");
    }
}

#[test]
fn check_deploy_takes_a_domain_above_a_host_that_visitors_come_to() {
    let mut site = Site::new();
    site.set_for_the_internet();
    site.set_list("ALLOWED_HOSTS", &["a.b.Example.org"]);
    site.set_toml("SESSION_COOKIE_PREFIX", "'none'");
    for domain in ["example.org", "b.example.org", "a.b.example.org"] {
        site.set("SESSION_COOKIE_DOMAIN", domain);
        site.answer(&["check", "--deploy"]).done();
    }
    for domain in ["xample.org", "c.b.example.org", "x.a.b.example.org"] {
        site.set("SESSION_COOKIE_DOMAIN", domain);
        let output = site
            .piped(&["check", "--deploy"])
            .wait_with_output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{domain}");
    }
}

/// They are no mistake, so all is well; once the site says what it gets, there is nothing left to say.
#[test]
fn check_lists_the_defaults_that_sessions_in_the_cookie_do_not_keep() {
    let mut site = Site::new();
    site.set_for_the_internet();
    site.set_toml("SESSION_ENGINE", "'cookie'");
    let notes = |site: &Site, command: &[&str]| {
        let text = site.answer(command).done();
        let notes = text.lines().filter_map(|line| line.strip_prefix("  ! "));
        let sessions = notes.filter(|note| note.starts_with("SESSION_"));
        let keys = sessions.map(|note| note.split(' ').next().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    let listed = [
        "SESSION_MAX_SESSIONS_PER_USER",
        "SESSION_CONFLICT",
        "SESSION_FSYNC",
        "SESSION_MAX_BYTES",
    ];
    for command in [&["check"][..], &["check", "--deploy"]] {
        assert_eq!(notes(&site, command), listed);
    }
    let kept = ["0", "'last_write_wins'", "'none'", "2700"];
    for (key, value) in listed.iter().zip(kept) {
        site.set_toml(key, value);
    }
    assert!(notes(&site, &["check"]).is_empty());
    site.set_toml("SESSION_CONFLICT", "'merge'");
    let says = "SESSION_CONFLICT: needs a storage";
    site.answer(&["check"]).refused(1, says);
}

#[test]
fn check_deploy_finds_a_key_that_every_user_of_the_machine_can_read() {
    let mut site = Site::new();
    site.set_for_the_internet();
    let open = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(site.path(name), mode).unwrap();
    };
    let findings = || {
        let output = site
            .piped(&["check", "--deploy"])
            .wait_with_output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| line.contains('✗'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    open("settings.toml", 0o640);
    assert!(findings().is_empty());
    open("settings.toml", 0o644);
    assert!(findings().is_empty());
    std::fs::write(
        site.path(".env"),
        format!("# the key\nexport DUCK_SECRET_KEY='{KEY}'\n"),
    )
    .unwrap();
    open(".env", 0o644);
    let found = findings();
    assert!(
        found.len() == 1 && found[0].contains(".env holds a key"),
        "{found:?}"
    );
    open(".env", 0o600);
    assert!(findings().is_empty());
}
