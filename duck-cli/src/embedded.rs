//! Folders that were built into the program.

use include_dir::{Dir, File, include_dir};

pub(crate) static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/template");

/// All files of a folder and of those below it.
pub(crate) fn files<'a>(folder: &'a Dir<'a>) -> Vec<&'a File<'a>> {
    let below = folder.dirs().flat_map(files);
    folder.files().chain(below).collect()
}
