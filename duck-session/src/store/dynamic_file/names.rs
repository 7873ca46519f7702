//! What the files in the folder are called.

use std::path::{Path, PathBuf};

use super::data;
use super::place::Prefix;

pub(super) const SHARD: &str = "sqlite";
pub(super) const DRAFT: &str = "draft";
pub(super) const DAMAGED: &str = "damaged";

/// The prefix in the name of a shard, or of a draft of one; other files have none.
pub(super) fn prefix_of(path: &Path, extension: &str) -> Option<Prefix> {
    let stem = path.file_name()?.to_str()?.strip_suffix(extension)?;
    let name = stem.strip_suffix('.')?.strip_prefix("shard-")?;
    let (prefix, number) = name.split_once('-')?;
    let is_number = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    Prefix::parse(prefix).filter(|_| is_number)
}

/// The database beside which SQLite keeps this file; other files have none.
pub(super) fn log_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let end = ["-wal", "-shm", "-journal"]
        .into_iter()
        .find(|end| name.ends_with(end))?;
    let name = name.strip_suffix(end)?;
    let of = path.with_file_name(name);
    let is_shard = [SHARD, DRAFT]
        .into_iter()
        .any(|it| prefix_of(&of, it).is_some());
    (is_shard || name == data::NAME).then_some(of)
}
