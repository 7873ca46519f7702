//! The files of a new site: folders of `template/`, laid one over the other, with the name put in.
//!
//! What is put in stands between `@`s, as nothing else does in Rust, TOML or the templates of pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::embedded;
use crate::lock;
use crate::site_name::SiteName;

/// Keeps a file of `template/` from meaning something there (`Cargo.toml`, `.gitignore`).
const SUFFIX: &str = ".template";

/// A file of `template/` that goes to the end of the file that it is named after, in a site that has such a file.
const APPENDED: &str = ".append";

/// The file that says what a site depends on.
const MANIFEST: &str = "Cargo.toml";

/// The file with the exact versions that a site is built with.
const LOCK: &str = "Cargo.lock";

/// How much a new site holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One source file.
    Mini,
    /// A file for the URLs, one for the views, tests, and a Dockerfile.
    Normal,
    /// A database, blueprints, a middleware, a class-based view and systemd units as well.
    Full(Database),
}

/// Where a site of the shape `full` keeps its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Database {
    #[default]
    Sqlite,
    Postgres,
}

impl Shape {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Shape::Mini => "mini",
            Shape::Normal => "normal",
            Shape::Full(_) => "full",
        }
    }

    /// The folders of `template/` for it. A later one stands over an earlier.
    fn layers(self) -> &'static [&'static str] {
        match self {
            Shape::Mini => &["base", "mini"],
            Shape::Normal => &["base", "normal", "session"],
            Shape::Full(Database::Sqlite) => &["base", "normal", "full", "sqlite"],
            Shape::Full(Database::Postgres) => &["base", "normal", "full", "postgres"],
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sessions {
    #[default]
    Files,
    Redis,
    Postgres,
}

impl Sessions {
    /// What there is of it beside `files`: the end of the names of folders of `template/`, and the feature of
    /// duck-session.
    fn server(self) -> Option<&'static str> {
        match self {
            Sessions::Files => None,
            Sessions::Redis => Some("redis"),
            Sessions::Postgres => Some("postgres"),
        }
    }
}

/// The folders of `template/` that a site is made of. A later one stands over an earlier.
fn layers(shape: Shape, sessions: Sessions) -> Vec<String> {
    let mut layers: Vec<String> = shape.layers().iter().map(ToString::to_string).collect();
    if let Some(server) = sessions.server() {
        let kind = layers.last().map_or("", String::as_str);
        let lock = format!("lock-{}-{server}", kind.replace("session", "normal"));
        layers.extend([format!("sessions-in-{server}"), lock]);
    } else {
        layers.push("sessions-in-files".to_owned());
    }
    layers
}

/// What stands in a template as `@…@`.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    /// `NAME` and `CRATE_NAME`.
    pub(crate) name: &'a SiteName,
    /// `DUCK_CORE`: the folder of the crate.
    pub(crate) duck_core: &'a Path,
    /// `DUCK_SESSION`: the folder of the crate.
    pub(crate) duck_session: &'a Path,
}

impl Values<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace("@NAME@", self.name.as_str())
            .replace("@CRATE_NAME@", &self.name.crate_name())
            .replace("@DUCK_CORE@", &toml_string(self.duck_core))
            .replace("@DUCK_SESSION@", &toml_string(self.duck_session))
    }
}

fn toml_string(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// The files of a site of that shape: where each goes, and its text.
pub(crate) fn files(
    shape: Shape,
    sessions: Sessions,
    values: &Values<'_>,
) -> Vec<(PathBuf, String)> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let layers = layers(shape, sessions);
    for file in layers.iter().flat_map(|layer| layer_files(layer)) {
        let path = destination(file.path(), values);
        let text = values.fill(file.contents_utf8().unwrap_or_default());
        if !file.path().to_string_lossy().ends_with(APPENDED) {
            files.insert(path, text);
        } else if let Some(earlier) = files.get_mut(&path) {
            earlier.push_str(&text);
        }
    }
    if let Some(lock) = files.get_mut(Path::new(LOCK)) {
        *lock = lock::in_order(lock);
    }
    if let (Some(manifest), Some(feature)) = (files.get_mut(Path::new(MANIFEST)), sessions.server())
    {
        *manifest = with_session_feature(manifest, feature);
    }
    files.into_iter().collect()
}

/// The manifest, in which the dependency on duck-session has one more feature.
fn with_session_feature(manifest: &str, feature: &str) -> String {
    let line = |line: &str| match line.strip_suffix(" }") {
        Some(start) if line.starts_with("duck-session = ") => match start.strip_suffix(']') {
            Some(start) => format!("{start}, {feature:?}] }}\n"),
            None => format!("{start}, features = [{feature:?}] }}\n"),
        },
        _ => format!("{line}\n"),
    };
    manifest.lines().map(line).collect()
}

fn layer_files(layer: &str) -> Vec<&'static include_dir::File<'static>> {
    embedded::TEMPLATES
        .get_dir(layer)
        .map(embedded::files)
        .unwrap_or_default()
}

/// `full/deploy/NAME.service.template` goes to `deploy/mysite.service`.
fn destination(path: &Path, values: &Values<'_>) -> PathBuf {
    let inside: PathBuf = path.components().skip(1).collect();
    let text = inside
        .to_string_lossy()
        .replace("NAME", values.name.as_str());
    let text = text.strip_suffix(SUFFIX).unwrap_or(&text);
    PathBuf::from(text.strip_suffix(APPENDED).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SHAPES: [Shape; 4] = [
        Shape::Mini,
        Shape::Normal,
        Shape::Full(Database::Sqlite),
        Shape::Full(Database::Postgres),
    ];

    const SESSIONS: [Sessions; 3] = [Sessions::Files, Sessions::Redis, Sessions::Postgres];

    fn site(shape: Shape) -> Vec<(PathBuf, String)> {
        site_with(shape, Sessions::Files)
    }

    fn site_with(shape: Shape, sessions: Sessions) -> Vec<(PathBuf, String)> {
        let values = Values {
            name: &SiteName::parse("my-site").unwrap(),
            duck_core: Path::new("vendor/duck/duck-core"),
            duck_session: Path::new("odd \"folder\"/duck-session"),
        };
        files(shape, sessions, &values)
    }

    /// Every site there is.
    fn sites() -> impl Iterator<Item = (Shape, Sessions, Vec<(PathBuf, String)>)> {
        let both = |shape| SESSIONS.map(|sessions| (shape, sessions, site_with(shape, sessions)));
        SHAPES.into_iter().flat_map(both)
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        for (.., site) in sites() {
            for (path, text) in site {
                assert!(!text.is_empty(), "{} is empty", path.display());
                for placeholder in ["@NAME", "@CRATE", "@DUCK", "NAME@", "CORE@", "SESSION@"] {
                    assert!(!text.contains(placeholder), "{}", path.display());
                }
                assert!(
                    !path.to_string_lossy().contains("NAME"),
                    "{}",
                    path.display()
                );
                assert!(
                    text.ends_with('\n') && !text.ends_with("\n\n"),
                    "{}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn templates_of_pages_are_written_as_they_are() {
        for shape in &SHAPES[1..] {
            let files = site(*shape);
            let path = Path::new("templates/base.html");
            let (_, base) = files.iter().find(|(file, _)| file == path).unwrap();
            for text in ["{{ url('home') }}", "{% block main %}", "· my-site</title>"] {
                assert!(base.contains(text), "{text}");
            }
        }
    }

    #[test]
    fn what_is_appended_comes_after_the_file_of_an_earlier_layer() {
        let files = site(Shape::Full(Database::Sqlite));
        let (_, settings) = files
            .iter()
            .find(|(file, _)| file == Path::new("settings.toml"))
            .unwrap();
        assert!(settings.starts_with("# The settings of my-site."));
        assert!(settings.contains("\nDATABASE_URL = \"sqlite:my-site.db\""));
        assert!(
            !files
                .iter()
                .any(|(file, _)| file.extension().is_some_and(|e| e == "append"))
        );
    }

    #[test]
    fn toml_files_are_valid_and_the_manifest_names_the_site() {
        for (.., site) in sites() {
            for (path, text) in site
                .iter()
                .filter(|(path, _)| path.extension().is_some_and(|e| e == "toml"))
            {
                let table: toml::Table = text.parse().unwrap();
                if path == Path::new("Cargo.toml") {
                    assert_eq!(table["package"]["name"].as_str(), Some("my-site"));
                    assert_eq!(
                        table["dependencies"]["duck-session"]["path"].as_str(),
                        Some("odd \"folder\"/duck-session")
                    );
                }
            }
        }
    }

    #[test]
    fn a_site_names_where_its_sessions_are_and_has_the_feature_for_it() {
        for (shape, sessions, files) in sites() {
            let read = |name: &str| {
                let file = files.iter().find(|(path, _)| path == Path::new(name));
                file.map(|(_, text)| text.as_str())
            };
            let settings: toml::Table = read("settings.toml").unwrap().parse().unwrap();
            let (storage, place) = match sessions {
                Sessions::Files => ("KeyAsFolderCache", "SESSION_DIR"),
                Sessions::Redis => ("RedisCache", "SESSION_REDIS_URL"),
                Sessions::Postgres => ("DatabaseCache", "SESSION_DATABASE_URL"),
            };
            assert_eq!(settings["SESSION_STORAGE"].as_str(), Some(storage));
            for key in ["SESSION_DIR", "SESSION_REDIS_URL", "SESSION_DATABASE_URL"] {
                assert_eq!(settings.contains_key(key), key == place, "{shape:?}: {key}");
            }
            let manifest: toml::Table = read("Cargo.toml").unwrap().parse().unwrap();
            let features = manifest["dependencies"]["duck-session"].get("features");
            let features = features
                .and_then(toml::Value::as_array)
                .into_iter()
                .flatten();
            let features: Vec<_> = features.filter_map(toml::Value::as_str).collect();
            assert_eq!(features.contains(&"commands"), shape == Shape::Mini);
            for server in ["redis", "postgres"] {
                let is_there = sessions.server() == Some(server);
                assert_eq!(
                    features.contains(&server),
                    is_there,
                    "{shape:?}: {features:?}"
                );
            }
            assert_eq!(read("compose.yaml").is_some(), sessions != Sessions::Files);
            for file in ["README.md", "Dockerfile"] {
                assert_eq!(read(file).is_none(), shape == Shape::Mini, "{file}");
            }
        }
    }

    /// `.ci/lock` writes them: run it when this fails.
    #[test]
    fn lock_files_name_the_versions_that_the_framework_is_tested_with() {
        let tested = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        let tested = tested.unwrap();
        for (shape, sessions, files) in sites() {
            let (_, text) = files
                .iter()
                .find(|(path, _)| path == Path::new(LOCK))
                .unwrap();
            let has = |name: &str| text.contains(&format!("\nname = \"{name}\"\n"));
            assert!(has("hyper") && has("my-site"));
            for (server, name) in [
                (Sessions::Redis, "redis"),
                (Sessions::Postgres, "tokio-postgres"),
            ] {
                assert_eq!(
                    has(name),
                    server == sessions,
                    "{shape:?} {sessions:?}: {name}"
                );
            }
            assert!(!has("trybuild") && !has("duck-cli"));
            for package in text
                .split("\n\n")
                .filter(|package| !package.contains("my-site"))
            {
                let exact = package.split("dependencies = [").next().unwrap();
                assert!(tested.contains(exact), "Cargo.lock has no {exact}");
            }
        }
    }

    #[test]
    fn the_crate_is_named_as_rust_writes_it() {
        let main = site(Shape::Normal)
            .into_iter()
            .find(|(path, _)| path.ends_with("src/main.rs"))
            .unwrap()
            .1;
        assert!(main.contains("my_site::app()"), "{main}");
    }
}
