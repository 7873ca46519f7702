//! The site that a command is about.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::failure::{Context, Failure, Result};

/// A package that depends on Duck.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Its folder: where `Cargo.toml` and `settings.toml` are.
    pub(crate) root: PathBuf,
    pub(crate) name: String,
    /// The name of the binary that `cargo run` would run, as `default-run` says.
    pub(crate) binary: String,
    /// The folder of duck-core, as the manifest gives it. `None` if it gives none.
    pub(crate) duck_core: Option<PathBuf>,
}

impl Site {
    /// The site around the folder that we are in.
    pub(crate) fn here() -> Result<Self> {
        let folder =
            std::env::current_dir().context(|| "cannot tell the folder we are in".into())?;
        Self::around(&folder)
    }

    /// The nearest folder upwards with a `Cargo.toml` that has a package.
    fn around(folder: &Path) -> Result<Self> {
        for root in folder
            .ancestors()
            .filter(|root| root.join("Cargo.toml").is_file())
        {
            let manifest = read(&root.join("Cargo.toml"))?;
            if let Some(Value::Table(package)) = manifest.get("package") {
                return Self::from_package(root, package, &manifest);
            }
        }
        let advice = match Self::below(folder) {
            Some(name) => format!("`cd {name}` leads to one"),
            None => "`duck new mysite` makes one".to_owned(),
        };
        Err(Failure::usage(format!(
            "there is no site in {} or above it; {advice}",
            folder.display()
        )))
    }

    /// The first folder in this one that is a site: whoever has made one may still be beside it.
    fn below(folder: &Path) -> Option<String> {
        let entries = fs::read_dir(folder)
            .ok()?
            .filter_map(std::result::Result::ok);
        let is_site = |root: &PathBuf| {
            root.join("Cargo.toml").is_file()
                && Self::around(root).is_ok_and(|site| site.root == *root)
        };
        let first = entries.map(|entry| entry.path()).filter(is_site).min()?;
        Some(first.file_name()?.to_str()?.to_owned())
    }

    fn from_package(root: &Path, package: &Table, manifest: &Table) -> Result<Self> {
        let text = |key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
        let shown = root.join("Cargo.toml");
        let Some(duck_core) = dependency_on_duck(manifest) else {
            return Err(Failure::usage(format!(
                "{} is no site: it does not depend on `duck-core`",
                shown.display()
            )));
        };
        let name = text("name").ok_or_else(|| {
            Failure::new(format!("the package in {} has no name", shown.display()))
        })?;
        Ok(Self {
            root: root.to_owned(),
            binary: text("default-run").unwrap_or_else(|| name.clone()),
            name,
            duck_core: duck_core
                .get("path")
                .and_then(Value::as_str)
                .map(PathBuf::from),
        })
    }
}

fn read(path: &Path) -> Result<Table> {
    let shown = || format!("cannot read {}", path.display());
    fs::read_to_string(path)
        .context(shown)?
        .parse()
        .context(shown)
}

/// Under whichever name: `duck-core = { … }` is what `duck new` writes.
fn dependency_on_duck(manifest: &Table) -> Option<&Value> {
    let is_duck = |(name, value): &(&String, &Value)| {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
        *name == "duck" || package == "duck-core"
    };
    let dependencies = manifest.get("dependencies")?.as_table()?;
    dependencies.iter().find(is_duck).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(manifest: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/shop")).unwrap();
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        folder
    }

    #[test]
    fn a_site_is_found_from_any_folder_in_it() {
        let folder = folder("[package]\nname = \"shop\"\n[dependencies]\nduck.path = \"x\"\n");
        let site = Site::around(&folder.path().join("src/shop")).unwrap();
        assert_eq!(
            (
                site.root.as_path(),
                site.name.as_str(),
                site.binary.as_str()
            ),
            (folder.path(), "shop", "shop")
        );
    }

    #[test]
    fn a_site_in_a_folder_below_is_pointed_to() {
        let parent = tempfile::tempdir().unwrap();
        let around = || Site::around(parent.path()).unwrap_err().to_string();
        for name in ["other", "shop", "shop2"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        fs::write(
            parent.path().join("other/Cargo.toml"),
            "[package]\nname = \"other\"\n",
        )
        .unwrap();
        assert!(around().contains("`duck new mysite` makes one"));
        let manifest = "[package]\nname = \"shop\"\n[dependencies]\nduck.path = \"x\"\n";
        for name in ["shop2", "shop"] {
            fs::write(parent.path().join(name).join("Cargo.toml"), manifest).unwrap();
        }
        assert!(around().contains("`cd shop` leads to one"), "{}", around());
    }

    #[test]
    fn default_run_names_the_binary() {
        let folder = folder(
            "[package]\nname = \"shop\"\ndefault-run = \"web\"\n[dependencies]\nd = { package = \"duck-core\" }\n",
        );
        assert_eq!(Site::around(folder.path()).unwrap().binary, "web");
    }

    #[test]
    fn other_packages_and_broken_manifests_are_refused_by_name() {
        for (manifest, says) in [
            (
                "[package]\nname = \"x\"\n",
                "does not depend on `duck-core`",
            ),
            ("[package\n", "cannot read"),
            ("[package]\n[dependencies]\nduck = \"1\"\n", "has no name"),
        ] {
            let folder = folder(manifest);
            let sentence = Site::around(folder.path()).unwrap_err().to_string();
            assert!(
                sentence.contains(says) && sentence.contains("Cargo.toml"),
                "{sentence}"
            );
        }
    }
}
