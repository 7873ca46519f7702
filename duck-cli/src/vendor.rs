//! The framework's own source, as `duck new` writes it into a site.

use std::path::{Path, PathBuf};

use include_dir::{Dir, File, include_dir};
use toml::{Table, Value};

use crate::checksums::{self, Checksums, checksum};
use crate::embedded;

static DUCK: Dir<'_> = include_dir!("$OUT_DIR/duck");

/// The crates that a site is built with.
const CRATES: [&str; 2] = ["duck-core", "duck-session"];

/// Where a site keeps its copy.
pub(crate) const FOLDER: &str = "vendor/duck";

/// The file of the copy that lists the others, so that an edit is noticed.
pub(crate) const CHECKSUMS: &str = "SHA256SUMS";

/// The file of the copy that says what changed from version to version.
pub(crate) const CHANGELOG: &str = "CHANGELOG.md";

/// The version of the framework that this program carries.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files of `vendor/duck`: where each goes below it, and its bytes.
pub(crate) fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![
        ("Cargo.toml".into(), workspace_manifest().into_bytes()),
        (CHANGELOG.into(), changelog().into()),
    ];
    for folder in CRATES.iter().filter_map(|name| DUCK.get_dir(name)) {
        let sources = embedded::files(folder).into_iter();
        files.extend(sources.map(|file| (file.path().to_owned(), source(file))));
    }
    let list = checksums::to_text(&checksums(&files));
    files.push((CHECKSUMS.into(), list.into_bytes()));
    files
}

pub(crate) fn checksums(files: &[(PathBuf, Vec<u8>)]) -> Checksums {
    let pairs = files.iter();
    pairs
        .map(|(path, bytes)| (path.to_string_lossy().into_owned(), checksum(bytes)))
        .collect()
}

pub(crate) fn changelog() -> &'static str {
    text(CHANGELOG)
}

fn source(file: &File<'_>) -> Vec<u8> {
    match file.contents_utf8() {
        Some(manifest) if file.path().ends_with("Cargo.toml") => {
            without_tests(manifest).into_bytes()
        }
        _ => file.contents().to_owned(),
    }
}

/// Leaves out the sections that name what was not copied: tests, benches, and what these need.
fn without_tests(manifest: &str) -> String {
    let mut kept = String::new();
    let mut keep = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = !["[dev-dependencies", "[[test", "[[bench"]
                .iter()
                .any(|of| line.starts_with(of));
        }
        if keep {
            kept += line;
            kept += "\n";
        }
    }
    kept.trim_end().to_owned() + "\n"
}

/// The workspace that the copied crates find when they look upwards for the versions and the lints
/// they inherit.
fn workspace_manifest() -> String {
    let mut root: Table = text("Cargo.toml").parse().unwrap_or_default();
    if let Some(workspace) = root.get_mut("workspace").and_then(Value::as_table_mut) {
        workspace.insert("members".into(), CRATES.to_vec().into());
        if let Some(versions) = workspace
            .get_mut("dependencies")
            .and_then(Value::as_table_mut)
        {
            versions.retain(|name, _| CRATES.iter().any(|package| inherits(package, name)));
        }
    }
    root.retain(|section, _| section == "workspace");
    format!(
        "# The Duck framework as this site is built with it. `duck new` wrote this folder.\n\n{root}"
    )
}

/// Does the package take the version of `dependency` from the workspace?
fn inherits(package: &str, dependency: &str) -> bool {
    let manifest = without_tests(text(&format!("{package}/Cargo.toml")));
    manifest
        .lines()
        .filter_map(|line| line.strip_prefix(dependency))
        .any(|rest| rest.starts_with(['.', ' ']))
}

/// A file of the framework. `build.rs` has put in all that are asked for here.
fn text(path: &str) -> &'static str {
    DUCK.get_file(Path::new(path))
        .and_then(File::contents_utf8)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(path: &str) -> Table {
        let files = files();
        let (_, bytes) = files
            .iter()
            .find(|(name, _)| name == Path::new(path))
            .unwrap();
        std::str::from_utf8(bytes).unwrap().parse().unwrap()
    }

    #[test]
    fn the_workspace_has_the_two_crates_and_what_they_inherit() {
        let root = table("Cargo.toml");
        assert_eq!(root.keys().collect::<Vec<_>>(), ["workspace"]);
        let workspace = root["workspace"].as_table().unwrap();
        assert_eq!(workspace["members"], Value::from(CRATES.to_vec()));
        assert_eq!(workspace["package"]["version"].as_str(), Some(VERSION));
        assert!(workspace["lints"]["rust"]["unsafe_code"].is_str());
        let versions = workspace["dependencies"].as_table().unwrap();
        assert!(versions.contains_key("hyper") && versions.contains_key("duck-core"));
        assert!(!versions.contains_key("indicatif") && !versions.contains_key("trybuild"));
    }

    #[test]
    fn the_crates_come_without_what_only_their_tests_need() {
        for package in CRATES {
            let manifest = table(&format!("{package}/Cargo.toml"));
            assert_eq!(manifest["package"]["name"].as_str(), Some(package));
            assert!(!manifest.contains_key("dev-dependencies"));
            for (name, value) in manifest["dependencies"].as_table().unwrap() {
                if value.get("workspace").is_some() {
                    assert!(
                        table("Cargo.toml")["workspace"]["dependencies"]
                            .get(name)
                            .is_some(),
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_but_sources_is_copied() {
        for (path, bytes) in files() {
            let plain = path
                .components()
                .all(|part| part.as_os_str() != "tests" && part.as_os_str() != "target");
            assert!(plain, "{}", path.display());
            assert!(!bytes.is_empty(), "{}", path.display());
        }
    }
}
