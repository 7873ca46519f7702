//! The copy of the framework in a site: its version, and whether somebody edited it.

use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use semver::Version;
use toml::Table;

use crate::checksums::{self, Checksums, Differences};
use crate::failure::{Context, Failure, Result};
use crate::site::Site;
use crate::vendor::{CHECKSUMS, FOLDER};

/// What cargo makes where it is called in the copy. No part of it, and no edit.
const MADE_BY_CARGO: [&str; 2] = ["target", "Cargo.lock"];

/// `vendor/duck` of a site.
#[derive(Debug)]
pub(crate) struct Vendored {
    pub(crate) folder: PathBuf,
    pub(crate) files: Checksums,
}

impl Vendored {
    /// The copy that the site is built with.
    ///
    /// # Errors
    /// When it is built with something else (a checkout, a registry's package), or the copy is not
    /// there, cannot be read, or is a link to what may belong to others too.
    pub(crate) fn of(site: &Site) -> Result<Self> {
        let folder = site.root.join(FOLDER);
        refuse_other_sources(site, &folder)?;
        refuse_links(site, &folder)?;
        let mut files = Checksums::new();
        read_into(&folder, "", &mut files)?;
        Ok(Self { folder, files })
    }

    pub(crate) fn version(&self) -> Result<Version> {
        let path = self.folder.join("Cargo.toml");
        let shown = || format!("cannot tell the version from {}", path.display());
        let manifest: Table = fs::read_to_string(&path)
            .context(shown)?
            .parse()
            .context(shown)?;
        let version = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("package")?.get("version")?.as_str());
        Version::parse(version.unwrap_or_default()).context(shown)
    }

    /// What was edited since `duck` wrote it.
    pub(crate) fn edits(&self) -> Result<Differences> {
        let list = fs::read_to_string(self.folder.join(CHECKSUMS))
            .context(|| format!("cannot tell whether {FOLDER} was edited: {FOLDER}/{CHECKSUMS}"))?;
        let written = checksums::from_text(&list);
        let mut files = self.files.clone();
        files.remove(CHECKSUMS);
        Ok(Differences::between(&written, &files))
    }
}

fn refuse_other_sources(site: &Site, folder: &Path) -> Result {
    let manifest = site.root.join("Cargo.toml");
    let manifest = manifest.display();
    let Some(source) = &site.duck_core else {
        return Err(Failure::new(format!(
            "there is no copy of Duck to upgrade: {manifest} names no folder for it; change the version there"
        )));
    };
    let full: PathBuf = site.root.join(source).components().collect(); // without `.` in between
    if full == folder.join("duck-core") {
        return Ok(());
    }
    Err(Failure::new(format!(
        "there is no copy of Duck to upgrade: {manifest} takes it from `{}`, and not from `{FOLDER}`; upgrade it there",
        source.display()
    )))
}

/// What a link leads to is not the site's alone.
fn refuse_links(site: &Site, folder: &Path) -> Result {
    let shown = || format!("cannot read {}", folder.display());
    let real = folder.canonicalize().context(shown)?;
    if real == site.root.canonicalize().context(shown)?.join(FOLDER) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{FOLDER}` is a link to {}: upgrade it there, or put a copy in its place",
        real.display()
    )))
}

fn read_into(folder: &Path, inside: &str, files: &mut Checksums) -> Result {
    let shown = |path: &Path| format!("cannot read {}", path.display());
    for entry in fs::read_dir(folder).context(|| shown(folder))? {
        let entry = entry.context(|| shown(folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if inside.is_empty() && MADE_BY_CARGO.contains(&&*name) {
            continue;
        }
        let inside = format!("{inside}{name}");
        let kind = entry.file_type().context(|| shown(&path))?;
        if kind.is_dir() {
            read_into(&path, &format!("{inside}/"), files)?;
        } else {
            files.insert(inside, contents(kind, &path)?);
        }
    }
    Ok(())
}

/// A link or a pipe is not read: nothing that `duck` writes is one.
fn contents(kind: FileType, path: &Path) -> Result<String> {
    if !kind.is_file() {
        return Ok("not a file".into());
    }
    let bytes = fs::read(path).context(|| format!("cannot read {}", path.display()))?;
    Ok(checksums::checksum(&bytes))
}
