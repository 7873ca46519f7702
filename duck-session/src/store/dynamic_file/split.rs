use super::draft::{self, Draft};
use super::failure::Failure;
use super::folder::Folder;
use super::lock::FolderLock;
use super::place::Prefix;
use super::rows::{self, Fate};
use super::shard::Shard;
use super::transaction::{Aborted, ShardWriter};
use crate::store::Durability;

/// Replaces a shard by new ones for `parts` of its places. Where that fails it stays, and the result is `false`.
pub(super) fn split_or_warn(folder: &Folder, shard: &Shard, parts: &[Prefix]) -> bool {
    let split = split(folder, shard, parts);
    if let Err(Aborted::Failed(failure)) = &split {
        tracing::warn!(
            target: "duck_session",
            cause = std::error::Error::source(failure).map(ToString::to_string),
            "{failure}, and so a shard that is full or nearly empty was not replaced; it is used as before"
        );
    }
    split.is_ok()
}

/// The sessions are copied while others write, and what they wrote is copied again while they wait.
///
/// All is decided when the shard is emptied and marked: until then it holds its sessions, and the drafts are
/// thrown away; from then on the drafts do, and whoever comes by gives them their names.
fn split(folder: &Folder, shard: &Shard, parts: &[Prefix]) -> Result<(), Aborted> {
    let lock = FolderLock::acquire(folder.path())?;
    folder.finish_around(shard.prefix(), &lock)?;
    if !shard.is_current() {
        return Ok(());
    }
    let is_part = |prefix| shard.prefix().covers(prefix);
    folder.remove_drafts(is_part, &lock)?;
    let mut may_be_decided = false;
    let decided = copy(folder, shard, parts, &mut may_be_decided);
    if decided.is_err() && !may_be_decided {
        folder.remove_drafts(is_part, &lock)?;
    }
    // After a commit that failed the log may still hold the mark: the drafts stay until somebody knows.
    decided?;
    folder.place_drafts(shard.prefix(), &lock)?;
    draft::remove(shard.path())?;
    folder.list()?;
    Ok(())
}

fn copy(
    folder: &Folder,
    shard: &Shard,
    parts: &[Prefix],
    may_be_decided: &mut bool,
) -> Result<(), Aborted> {
    let drafts = parts.iter().map(|part| {
        let draft = Draft::copy(folder.draft(*part), shard.path(), *part)?;
        Ok((*part, draft))
    });
    let drafts = drafts.collect::<Result<Vec<_>, Failure>>()?;
    let mut writer = ShardWriter::open(shard)?;
    writer.transaction(shard, Durability::PowerCut, |connection| {
        for (part, draft) in drafts {
            draft.copy_changes(part)?;
            draft.finish()?;
        }
        folder.sync()?;
        rows::end(connection, Fate::Split).map_err(Failure::at(shard.path(), "written"))?;
        *may_be_decided = true;
        Ok(())
    })
}
