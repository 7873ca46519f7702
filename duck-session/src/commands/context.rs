//! What every command works with.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duck::{ExitCode, Result, Settings};

use super::format;
use crate::clock::Clock;
use crate::engine::administration::Administration;
use crate::registry::{self, Registry};
use crate::settings::{DatabaseUrl, SessionSettings};

/// The sessions of a site, as its settings say.
pub(crate) struct Sessions {
    /// Who looks after them, or why nobody can from here.
    pub(crate) opened: Result<Arc<dyn Administration>, &'static str>,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    pub(crate) own: SessionSettings,
    pub(crate) clock: Clock,
}

/// Where answers go.
pub(super) type Out<'a> = &'a mut (dyn Write + Send);

/// What every command is given.
pub(super) struct Context<'a> {
    pub(super) administration: &'a dyn Administration,
    pub(super) sessions: &'a Sessions,
    pub(super) json: bool,
    pub(super) out: Out<'a>,
}

impl Context<'_> {
    /// Writes an answer: the value where a script asks, else the lines.
    pub(super) fn answer(&mut self, json: &serde_json::Value, lines: &str) -> Result<()> {
        if self.json {
            writeln!(self.out, "{json:#}")?;
        } else {
            write!(self.out, "{lines}")?;
        }
        Ok(())
    }

    /// Answers with counts by their names, and with `more` for whoever reads the lines.
    pub(super) fn answer_counts(&mut self, counts: &[(&str, usize)], more: &str) -> Result<()> {
        let named = counts.iter();
        let json = named.map(|(name, count)| (name.replace(' ', "_"), (*count).into()));
        let json = serde_json::Value::Object(json.collect());
        let lines: Vec<_> = counts
            .iter()
            .map(|(name, count)| (*name, count.to_string()))
            .collect();
        self.answer(&json, &(format::table(&lines) + more))
    }

    /// Says what a request of this moment may undo, where the storage is not made for several processes.
    pub(super) fn warn_unless_shared(&self) {
        if !self.administration.is_shared() {
            note(
                "this storage is not made for several processes: what a request was saving at this moment may be back; look again",
            );
        }
    }
}

/// What the built-in storages in files are called.
const IN_FILES: [&str; 2] = ["KeyAsFolderCache", "DynamicFileCache"];

/// Where the files of the storage are, if it is one that has files.
pub(super) fn folder(own: &SessionSettings) -> Option<&Path> {
    let name = registry::last_segment(&own.session_storage);
    IN_FILES.contains(&name).then_some(&*own.session_dir)
}

/// Has the disk confirm everything that was written to the storage's files.
pub(super) async fn sync(own: &SessionSettings) -> Result<()> {
    let file = own.session_database_url.as_ref();
    let file = file.and_then(DatabaseUrl::sqlite_file).map(Path::new);
    let beside = file.filter(|_| own.place_key() == "SESSION_DATABASE_URL");
    let folder = folder(own).or_else(|| beside.and_then(Path::parent));
    let Some(folder) = folder.map(PathBuf::from) else {
        return Ok(());
    };
    Ok(tokio::task::spawn_blocking(move || sync_file_system(&folder)).await??)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_file_system(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(std::fs::File::open(folder)?)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn sync_file_system(_folder: &Path) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Something to know besides the answer.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// A command that is not understood, or not meant.
pub(super) fn misuse(text: impl Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {text}");
    ExitCode::from(2)
}

/// Success, unless something is left that is not as it should be.
pub(super) fn failure_if(is_wrong: bool) -> ExitCode {
    if is_wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
