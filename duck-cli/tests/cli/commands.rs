//! `duck` as it is typed: what it prints, what it writes, and what it refuses.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::environment::{Environment, closed_pipe};

/// Compares with a file of `tests/saved`.
macro_rules! assert_saved {
    ($text:expr, $name:literal) => {
        assert_eq!(
            $text,
            include_str!(concat!("saved/", $name)),
            "compare with tests/saved/{}",
            $name
        )
    };
}

#[test]
fn new_says_what_it_made() {
    let answer = Environment::new().duck(&["new", "mysite"]).done();
    assert_saved!(
        answer.err.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
        "new.txt"
    );
    assert_eq!(answer.out, "");
}

#[test]
fn a_new_site_has_the_files_of_its_shape() {
    let environment = Environment::new();
    environment.duck(&["new", "mini", "--mini"]).done();
    assert_saved!(environment.list("mini"), "mini-files.txt");
    environment.duck(&["new", "normal"]).done();
    assert_saved!(environment.list("normal"), "normal-files.txt");
    environment.duck(&["new", "full", "--full"]).done();
    assert_saved!(environment.list("full"), "full-files.txt");
    assert_eq!(environment.entries(), ["full", "mini", "normal"]);
}

#[test]
fn a_full_site_keeps_its_data_in_sqlite_or_in_postgresql() {
    let environment = Environment::new();
    for (name, args) in [
        ("default", &["--full"][..]),
        ("sqlite", &["--full", "--database", "sqlite"]),
        ("postgres", &["--full", "--database", "postgres"]),
    ] {
        let command = [&["new", name], args].concat();
        environment.duck(&command).done();
        let read = |file: &str| fs::read_to_string(environment.path(name).join(file)).unwrap();
        let kind = match name {
            "postgres" => "postgres",
            _ => "sqlite",
        };
        let settings: toml::Table = read("settings.toml").parse().unwrap();
        let url = settings["DATABASE_URL"].as_str().unwrap();
        assert!(url.starts_with(&format!("{kind}:")) && url.contains(name));
        let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
        let features = manifest["dependencies"]["duck-core"]["features"].as_array();
        assert!(features.unwrap().contains(&kind.into()));
        assert!(read("src/lib.rs").contains(&format!("duck::database::{kind}(")));
        // Its file is never committed.
        assert_eq!(read(".gitignore").contains("/*.db\n"), kind == "sqlite");
        assert_eq!(
            environment.list(name).replace(name, "full"),
            include_str!("saved/full-files.txt")
        );
    }
    environment
        .duck(&["new", "x", "--full", "--database", "mysql"])
        .refused(2, "possible values: sqlite, postgres");
    environment
        .duck(&["new", "x", "--database", "sqlite"])
        .refused(2, "--full");
    assert_eq!(environment.entries(), ["default", "postgres", "sqlite"]);
}

#[test]
fn a_new_site_keeps_its_sessions_in_files_or_on_a_server() {
    let environment = Environment::new();
    for (name, shape) in [
        ("mini", &["--mini"][..]),
        ("normal", &[]),
        ("full", &["--full"]),
        ("both", &["--full", "--database", "postgres"]),
    ] {
        for (server, key) in [
            (
                "redis",
                "SESSION_REDIS_URL = \"redis://127.0.0.1:6379/0\"\n",
            ),
            (
                "postgres",
                "SESSION_DATABASE_URL = \"postgres://postgres@127.0.0.1:5432/",
            ),
        ] {
            let site = format!("{name}-{server}");
            let command = [&["new", &site, "--sessions", server], shape].concat();
            let said = environment.duck(&command).done().err;
            let next = format!("cd {site} && docker compose up --detach --wait && duck run\n");
            assert!(said.ends_with(&next), "{said}");
            let read = |file: &str| fs::read_to_string(environment.path(&site).join(file)).unwrap();
            assert!(read("settings.toml").contains(key), "{site}");
            assert!(read("Cargo.toml").contains(&format!("{server:?}] }}\n")));
            let compose = read("compose.yaml");
            for part in [
                "image: ",
                "healthcheck:",
                "      - \"127.0.0.1:",
                "      - sessions:/",
            ] {
                assert!(compose.contains(part), "{site}: {part}");
            }
            let is_redis = compose.contains("--appendonly yes");
            assert!(is_redis == compose.contains("--maxmemory-policy noeviction"));
            assert_eq!(is_redis, server == "redis");
        }
    }
    environment
        .duck(&["new", "x", "--sessions", "mysql"])
        .refused(2, "possible values: files, redis, postgres");
    environment.duck(&["new", "plain"]).done();
    environment
        .duck(&["new", "said", "--sessions", "files"])
        .done();
    assert_eq!(environment.list("plain"), environment.list("said"));
}

#[test]
fn a_new_site_carries_the_framework() {
    let environment = Environment::new();
    environment.duck(&["new", "mysite"]).done();
    for file in [
        "Cargo.toml",
        "duck-core/Cargo.toml",
        "duck-core/src/lib.rs",
        "duck-session/src/lib.rs",
    ] {
        assert!(
            environment.path("mysite/vendor/duck").join(file).is_file(),
            "{file}"
        );
    }
    let own = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../duck-core/src/lib.rs"
    ))
    .unwrap();
    assert_eq!(
        fs::read(environment.path("mysite/vendor/duck/duck-core/src/lib.rs")).unwrap(),
        own
    );
}

/// `cargo build --locked` in a Dockerfile is the first build there is: no other may come before it.
#[test]
fn the_lock_file_of_a_new_site_is_complete() {
    let environment = Environment::new();
    // Names that stand first, in the middle and last among those of the lock file.
    for (name, shape) in [
        ("a", &[][..]),
        ("my-site", &["--mini"]),
        ("zz_9", &["--full"]),
        ("sqlx-0", &["--full", "--database", "postgres"]),
        ("redi", &["--mini", "--sessions", "redis"]),
        ("tokio-p", &["--mini", "--sessions", "postgres"]),
        ("b", &["--sessions", "redis"]),
        ("c", &["--sessions", "postgres"]),
        ("d", &["--full", "--sessions", "redis"]),
        ("e", &["--full", "--sessions", "postgres"]),
        (
            "f",
            &["--full", "--database", "postgres", "--sessions", "redis"],
        ),
        (
            "g",
            &["--full", "--database", "postgres", "--sessions", "postgres"],
        ),
    ] {
        environment.duck(&[&["new", name], shape].concat()).done();
        let before = fs::read(environment.path(name).join("Cargo.lock")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--locked", "--quiet"]);
        let output = cargo.current_dir(environment.path(name)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let after = fs::read(environment.path(name).join("Cargo.lock")).unwrap();
        assert_eq!(before, after);
    }
}

/// Two packages of one name would be in its lock file.
#[test]
fn a_site_may_not_be_named_as_a_crate_that_it_is_built_with() {
    let environment = Environment::new();
    for name in ["bytes", "rusqlite", "futures-core", "futures_core"] {
        environment
            .duck(&["new", name, "--mini"])
            .refused(2, "it is the name of a crate that the site is built with");
    }
    assert_eq!(environment.entries(), [""; 0]);
}

#[test]
fn the_secret_is_for_its_owner_only_and_never_the_same() {
    let environment = Environment::new();
    let secret = |name: &str| {
        environment.duck(&["new", name, "--mini"]).done();
        let path = environment.path(name).join(".env");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::read_to_string(path).unwrap()
    };
    let (one, two) = (secret("one"), secret("two"));
    assert_ne!(one, two);
    let key = one.strip_prefix("DUCK_SECRET_KEY=").unwrap().trim_end();
    assert_eq!(key.len(), 64);
    assert!(
        fs::read_to_string(environment.path("one/.gitignore"))
            .unwrap()
            .lines()
            .any(|line| line == ".env")
    );
}

#[test]
fn the_folder_of_a_new_site_may_be_entered_as_any_other() {
    let environment = Environment::new();
    environment.duck(&["new", "mysite", "--mini"]).done();
    fs::create_dir(environment.path("plain")).unwrap();
    let mode = |name: &str| {
        fs::metadata(environment.path(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("mysite"), mode("plain"));
}

#[test]
fn names_that_cannot_be_packages_are_refused() {
    let environment = Environment::new();
    for (name, says) in [
        (
            "../x",
            "it is a path, and a site is made in the folder you are in; `duck new x` would be right",
        ),
        ("a/b", "`duck new b` would be right"),
        ("..", "`duck new mysite` would be right"),
        ("", "it is empty"),
        ("MySite", "small letters"),
        ("1site", "it must begin with a letter"),
        ("match", "it is a word of the Rust language"),
        ("duck-core", "that name is taken"),
        ("my site", "`duck new my-site` would be right"),
        ("x\u{1b}[2J", r"x\u{1b}[2J"),
    ] {
        environment.duck(&["new", name]).refused(2, says);
    }
    assert_eq!(environment.entries(), [""; 0]);
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let environment = Environment::new();
    environment.write("site/notes.txt", "mine");
    environment.write("file", "mine");
    environment
        .duck(&["new", "site"])
        .refused(1, "`site` exists and is not empty");
    environment
        .duck(&["new", "file"])
        .refused(1, "a file named `file` is in the way");
    assert_eq!(environment.list("site"), "notes.txt\n");
    assert_eq!(environment.entries(), ["file", "site"]);
}

#[test]
fn an_empty_folder_becomes_the_site() {
    let environment = Environment::new();
    fs::create_dir(environment.path("mysite")).unwrap();
    environment.duck(&["new", "mysite", "--mini"]).done();
    assert!(environment.path("mysite/src/main.rs").is_file());
}

#[test]
fn a_link_is_not_replaced() {
    let environment = Environment::new();
    std::os::unix::fs::symlink("nowhere", environment.path("mysite")).unwrap();
    environment
        .duck(&["new", "mysite"])
        .refused(1, "cannot make mysite");
    assert_eq!(environment.entries(), ["mysite"]);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    let environment = Environment::new();
    let folder = environment.path("");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let writable = fs::write(environment.path("probe"), "").is_ok();
    // The administrator may write anywhere.
    if !writable {
        environment
            .duck(&["new", "mysite"])
            .refused(1, "cannot make `mysite`");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn path_depends_on_a_checkout() {
    let environment = Environment::new();
    environment.write("duck/duck-core/Cargo.toml", "");
    environment
        .duck(&["new", "mysite", "--path", "duck"])
        .done();
    let manifest = fs::read_to_string(environment.path("mysite/Cargo.toml")).unwrap();
    let checkout = environment.path("duck").canonicalize().unwrap();
    assert!(
        manifest.contains(&format!("path = \"{}/duck-core\"", checkout.display())),
        "{manifest}"
    );
    assert!(!environment.path("mysite/vendor").exists());
    environment
        .duck(&["new", "other", "--path", "mysite"])
        .refused(2, "`mysite` is no checkout of Duck");
}

#[test]
fn help_and_version_are_pleasant() {
    let environment = Environment::new();
    assert_saved!(environment.duck(&["--help"]).done().out, "help.txt");
    assert_saved!(
        environment.duck(&["new", "--help"]).done().out,
        "new-help.txt"
    );
    assert_saved!(
        environment.duck(&["run", "--help"]).done().out,
        "run-help.txt"
    );
    let version = environment.duck(&["--version"]).done().out;
    assert_eq!(version, format!("duck {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let environment = Environment::new();
    environment.duck(&[]).refused(2, "Usage: duck <COMMAND>");
    environment.duck(&["new"]).refused(2, "<NAME>");
    environment
        .duck(&["new", "x", "--mini", "--full"])
        .refused(2, "cannot be used with");
    environment
        .duck(&["run", "--port", "70000"])
        .refused(2, "70000");
}

#[test]
fn commands_of_a_site_say_that_there_is_none() {
    let environment = Environment::new();
    for command in ["run", "routes", "check", "sessions", "whatever"] {
        environment
            .duck(&[command])
            .refused(2, "`duck new mysite` makes one");
    }
    environment.write("Cargo.toml", "[package]\nname = \"other\"\n");
    environment
        .duck(&["run"])
        .refused(2, "it does not depend on `duck-core`");
}

#[test]
fn what_is_meant_is_said_outside_a_site_too() {
    let environment = Environment::new();
    for (command, says) in [
        ("runserver", "`duck run` serves the site"),
        ("startproject", "`duck new NAME` makes a site"),
        ("makeproject", "`duck new NAME` makes a site"),
        ("makeapp", "`Blueprint`"),
        ("rnu", "did you mean `run`?"),
        ("chekc", "did you mean `check`?"),
        ("Routes", "did you mean `routes`?"),
        ("test", "`cargo test` runs the site's tests"),
        ("x\u{1b}[2J", r"x\u{1b}[2J"),
    ] {
        environment
            .duck(&[command, "--port", "3000"])
            .refused(2, says);
    }
    environment
        .duck(&["rnu"])
        .refused(2, "`duck new mysite` makes one");
    for command in ["routes", "check", "sessions"] {
        let help = environment.duck(&[command, "--help"]).done().out;
        assert!(help.contains(&format!("Usage: duck {command}")), "{help}");
        assert!(help.contains("ask again in a site"), "{help}");
    }
    environment
        .duck(&["whatever", "--help"])
        .refused(2, "no command \"whatever\"");
}

#[test]
fn whoever_stands_beside_a_site_is_told_the_way() {
    let environment = Environment::new();
    environment.duck(&["new", "mysite", "--mini"]).done();
    for command in ["run", "routes", "whatever"] {
        environment
            .duck(&[command])
            .refused(2, "`cd mysite` leads to one");
    }
}

#[test]
fn secrets_need_no_site() {
    let environment = Environment::new();
    let secrets: HashSet<String> = (0..3)
        .map(|_| environment.duck(&["secret"]).done().out)
        .collect();
    assert_eq!(secrets.len(), 3);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_\n".contains(&byte);
    for secret in secrets {
        assert!(
            secret.len() == 65 && secret.bytes().all(is_plain),
            "{secret}"
        );
    }
}

#[test]
fn a_broken_settings_file_is_named_with_its_line() {
    let environment = Environment::new();
    environment.duck(&["new", "mysite"]).done();
    environment.write("mysite/settings.toml", "DEBUG = true\nADDRESS = \n");
    let mut command = environment.command(&["run"]);
    let output = command
        .current_dir(environment.path("mysite"))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains("settings.toml") && err.contains("line 2"),
        "{err}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn commands_whose_reader_has_gone_end_quietly() {
    let environment = Environment::new();
    for args in [
        &["secret"][..],
        &["--help"],
        &["--version"],
        &["routes", "--help"],
    ] {
        let output = environment.command(args).stdout(closed_pipe()).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
    for (args, code) in [
        (&["new", "mysite"][..], 0),
        (&["new", "mysite"], 1),
        (&["run"], 2),
    ] {
        let status = environment.command(args).stderr(closed_pipe()).status();
        assert_eq!(status.unwrap().code(), Some(code), "{args:?}");
    }
    assert!(environment.path("mysite/Cargo.toml").is_file());
}

#[test]
fn a_key_that_cannot_be_written_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Environment::new()
        .command(&["secret"])
        .stdout(full)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: cannot write the answer: No space left"),
        "{said}"
    );
}
