use super::failure::Failure;
use super::folder::Folder;
use super::lock::FolderLock;
use super::rows::{self, Fate};
use super::shard::{self, Draft, Shard};
use super::transaction::{Aborted, ShardWriter};
use crate::store::Durability;

/// Replaces a shard by two, with half of its places each. Where that fails it stays, and the result is `false`.
pub(super) fn split_or_warn(folder: &Folder, shard: &Shard) -> bool {
    let split = split(folder, shard);
    if let Err(Aborted::Failed(failure)) = &split {
        tracing::warn!(
            target: "duck_session",
            cause = std::error::Error::source(failure).map(ToString::to_string),
            "{failure}, and so a full shard was not split; sessions are still stored in it"
        );
    }
    split.is_ok()
}

/// The sessions are copied while others write, and what they wrote is copied again while they wait.
///
/// All is decided when the shard is emptied and marked: until then it holds its sessions, and the drafts are
/// thrown away; from then on the drafts do, and whoever comes by gives them their names.
fn split(folder: &Folder, shard: &Shard) -> Result<(), Aborted> {
    let Some(halves) = shard.prefix().halves() else {
        return Ok(());
    };
    let lock = FolderLock::acquire(folder.path())?;
    if !shard.is_current() {
        return Ok(());
    }
    folder.remove_drafts(|prefix| halves.contains(&prefix), &lock)?;
    let mut writer = ShardWriter::open(shard)?;
    let mut may_be_decided = false;
    let decided = halves
        .iter()
        .map(|half| {
            let copy = |to: &_| rows::copy(writer.connection(), to, *half);
            Ok((*half, Draft::write(folder.draft(*half), copy)?))
        })
        .collect::<Result<Vec<_>, Failure>>()
        .map_err(Aborted::Failed)
        .and_then(|drafts| {
            writer.transaction(shard, Durability::PowerCut, |connection| {
                for (half, draft) in drafts {
                    draft.change(|to| rows::copy_changes(connection, to, half))?;
                    draft.finish()?;
                }
                folder.sync()?;
                let ended = rows::end(connection, Fate::Split);
                ended.map_err(Failure::at(shard.path(), "written"))?;
                may_be_decided = true;
                Ok(())
            })
        });
    if decided.is_err() && !may_be_decided {
        folder.remove_drafts(|prefix| halves.contains(&prefix), &lock)?;
    }
    // After a commit that failed the log may still hold the mark: the drafts stay until somebody knows.
    decided?;
    folder.place_halves(shard.prefix(), &lock)?;
    shard::remove(shard.path())?;
    folder.list()?;
    Ok(())
}
