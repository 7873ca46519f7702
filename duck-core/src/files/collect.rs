//! The command `collectstatic`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use data_encoding::HEXLOWER;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::encoding::{shrinks, suffix};
use super::manifest::{self, Manifest, hashed, is_hashed};
use super::places::Places;
use super::references::{Reference, has_references, renamed, rewrite, target};
use super::{media_type, sources};
use crate::app::cli::{print, refuse};
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::http::coding::Coding;
use crate::routing::encoding;

/// What a file is called until all of it is written.
const UNFINISHED: &str = ".collecting-";

const USAGE: &str = "usage: collectstatic [--clear]\n  --clear  remove files of earlier runs that are not used any more\n";

/// Adds the command.
pub(super) fn add(setup: &mut Setup<'_>, places: Places) {
    let about = "Copy the static files to STATIC_ROOT, under names with a hash, and compress them";
    setup.command("collectstatic", about, move |arguments: Vec<OsString>| {
        let places = places.clone();
        async move {
            let clear = match arguments.as_slice() {
                [] => false,
                [only] if only == "--clear" => true,
                _ => return Ok(refuse(USAGE)),
            };
            tokio::task::spawn_blocking(move || run(&places, clear)).await?
        }
    });
}

fn run(places: &Places, clear: bool) -> Result<ExitCode> {
    std::fs::create_dir_all(&places.root)?;
    refuse_one_in_the_other(places)?;
    let files = sources::find(&places.dir)?;
    let mut collector = Collector {
        places,
        files: &files,
        manifest: Manifest::default(),
        written: 0,
    };
    for name in files.keys() {
        collector.collect(name, &mut Vec::new())?;
    }
    let Collector {
        manifest, written, ..
    } = collector;
    write(&places.root.join(manifest::NAME), &manifest.to_json()?)?;
    let removed = if clear {
        remove_unused(&places.root, &manifest)?
    } else {
        0
    };
    let (all, root) = (manifest.files.len(), places.root.display());
    let removed = match removed {
        0 => String::new(),
        _ => format!(", {removed} removed"),
    };
    let line = format!("  ✓ {all} static files in {root}, {written} of them new{removed}\n");
    print(&line).map(|()| ExitCode::SUCCESS)
}

/// What is collected must not be collected again. Links and `..` count where the folders are there.
fn refuse_one_in_the_other(places: &Places) -> Result<()> {
    let (dir, root) = (places.dir.canonicalize(), places.root.canonicalize()?);
    let Ok(dir) = dir else {
        return Ok(()); // There is nothing to collect, as its reader will say.
    };
    if root.starts_with(&dir) || dir.starts_with(&root) {
        return Err(Error::internal(format!(
            "STATIC_ROOT ({}) and STATIC_DIR ({}) must not lie in each other",
            root.display(),
            dir.display()
        )));
    }
    Ok(())
}

struct Collector<'a> {
    places: &'a Places,
    files: &'a BTreeMap<String, PathBuf>,
    manifest: Manifest,
    written: usize,
}

impl Collector<'_> {
    /// Writes a file under its new name, which it gives. `above` are the files that name this one.
    fn collect(&mut self, name: &str, above: &mut Vec<String>) -> Result<String> {
        if let Some(hashed) = self.manifest.files.get(name) {
            return Ok(hashed.clone());
        }
        let bytes = std::fs::read(&self.files[name]).map_err(|error| {
            Error::internal(format!("the static file {name:?} cannot be read: {error}"))
        })?;
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) if has_references(name) => self.rewrite(name, text, above)?.into_bytes(),
            _ => bytes,
        };
        let hashed = hashed(name, &HEXLOWER.encode(&Sha256::digest(&bytes)));
        self.keep(&hashed, &bytes)?;
        self.manifest.files.insert(name.to_owned(), hashed.clone());
        Ok(hashed)
    }

    fn rewrite(&mut self, name: &str, text: &str, above: &mut Vec<String>) -> Result<String> {
        if above.iter().any(|other| other == name) {
            return Err(Error::internal(format!(
                "the style sheets {} name each other in a circle, so that none can have a hash",
                above.join(", ")
            )));
        }
        above.push(name.to_owned());
        let written = rewrite(name, text, |reference| self.follow(name, reference, above))?;
        above.pop();
        Ok(written.into_owned())
    }

    /// What a reference becomes.
    fn follow(
        &mut self,
        from: &str,
        reference: &Reference<'_>,
        above: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let Some(target) = target(from, reference.text, &self.places.url)? else {
            return Ok(None);
        };
        if !self.files.contains_key(&target) {
            if reference.is_source_map {
                return Ok(None);
            }
            return Err(Error::internal(format!(
                "{from}, line {}: there is no static file {target:?}",
                reference.line
            )));
        }
        let hashed = self.collect(&target, above)?;
        let file = hashed.rsplit('/').next().unwrap_or_default();
        Ok(Some(renamed(reference.text, &encoding::encode_path(file))))
    }

    fn keep(&mut self, hashed: &str, bytes: &[u8]) -> Result<()> {
        let path = self.places.root.join(hashed);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if is_worth_compressing(hashed) {
            for coding in [Coding::Gzip, Coding::Brotli] {
                let smaller = compress(coding, bytes)?;
                if smaller.len() < bytes.len() {
                    write(&beside(&path, coding), &smaller)?;
                }
            }
        }
        // The file itself is last: where it is, what belongs to it is.
        write(&path, bytes)?;
        self.written += 1;
        Ok(())
    }
}

fn beside(path: &Path, coding: Coding) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix(coding));
    name.into()
}

/// What is of no known type may be anything.
fn is_worth_compressing(name: &str) -> bool {
    let media_type = media_type(Path::new(name));
    media_type == "application/octet-stream" || media_type.to_str().is_ok_and(shrinks)
}

fn compress(encoding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match encoding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut compressed = Vec::new();
            let params = brotli::enc::BrotliEncoderParams::default();
            brotli::BrotliCompress(&mut &*bytes, &mut compressed, &params)?;
            Ok(compressed)
        }
    }
}

/// Writes a file in one step: it is there as a whole, or as it was.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // As any new file: the user's own mask decides who may read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Removes what earlier runs have left and this one does not use: nothing that has another name than those of
/// collected files. Gives how many.
fn remove_unused(root: &Path, manifest: &Manifest) -> Result<usize> {
    let used: BTreeSet<PathBuf> = manifest
        .files
        .values()
        .map(|name| root.join(name))
        .collect();
    let (mut folders, mut removed) = (vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            let stem = name.strip_suffix(".gz").or(name.strip_suffix(".br"));
            let stem = stem.filter(|stem| is_hashed(stem)).unwrap_or(&name);
            if kind.is_dir() {
                folders.push(path);
            } else if name.starts_with(UNFINISHED) {
                std::fs::remove_file(path)?;
            } else if kind.is_file() && is_hashed(stem) && !used.contains(&folder.join(stem)) {
                std::fs::remove_file(path)?;
                removed += usize::from(stem == name);
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
