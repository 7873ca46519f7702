use std::path::{Path, PathBuf};
use std::sync::Arc;

use duck::session::{AuthHash, SessionError};
use duck::{Error, ExitCode, Result};
use serde_json::json;

use super::desk::{Desk, Sessions, folder, misuse, note, sync};
use super::scan::Scan;
use super::words;
use crate::engine::administration::{Administration, Adopted};
use crate::engine::stored::State;
use crate::opening::Opening;
use crate::registry;
use crate::settings::SessionSettings;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The storage to copy to, by its name in the settings
    #[arg(long, value_name = "STORAGE")]
    to: String,
    /// Its folder, counted from that of the settings [default: that of the settings]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// End there what is not here: sessions that ended since an earlier run. Only before the site
    /// uses that storage
    #[arg(long)]
    prune: bool,
}

/// How it went.
#[derive(Default)]
struct Tally {
    copied: usize,
    there: usize,
    unreadable: usize,
    only_there: usize,
    pruned: usize,
}

/// Copies all sessions into another storage, sealed as they are. What is there in a newer version
/// stays, so that it can be run as often as one likes.
pub(super) async fn run(args: Args, desk: Desk<'_>) -> Result<ExitCode> {
    let own = desk.sessions.own_of(&args)?;
    if is_same(&own, &desk.sessions.own) {
        return Ok(misuse(
            "that is where the sessions are: name another storage, or another folder with --dir",
        ));
    }
    let known = desk.sessions.registry.storages();
    if !known.contains(&registry::last_segment(&args.to)) && !known.contains(&&*args.to) {
        let why = registry::no_storage(&args.to, &known, None);
        return Ok(misuse(format_args!("--to {:?} {why}", args.to)));
    }
    let target = desk.sessions.open(&own)?;
    let mut tally = Tally::default();
    copy(desk.administration, &*target, &mut tally).await?;
    match compare(desk.administration, &*target, args.prune, &mut tally).await {
        // The copy is made all the same.
        Err(error) if is_unsupported(&error) => note(error),
        compared => compared?,
    }
    if let Some(folder) = folder(&own) {
        // Before anybody gives up what it was copied from.
        sync(folder.to_owned()).await?;
    }
    report(&tally, &own, desk)
}

impl Sessions {
    /// The settings as they will be when the site uses the other storage.
    fn own_of(&self, args: &Args) -> Result<SessionSettings> {
        let mut own = self.own.clone();
        own.session_storage.clone_from(&args.to);
        if let Some(dir) = &args.dir {
            own.session_dir = self.settings.resolve(dir);
        }
        own.refuse_served_folder(&self.settings)?;
        own.keep_private(&self.settings)?;
        Ok(own)
    }

    fn open(&self, own: &SessionSettings) -> Result<Arc<dyn Administration>> {
        let opening = Opening {
            own,
            settings: &self.settings,
            clock: &self.clock,
            // No visitor is asked for.
            auth_hash: &AuthHash::default(),
        };
        let opened = self.registry.open(&opening)?;
        opened.administration.map_err(Error::internal)
    }
}

fn is_same(one: &SessionSettings, other: &SessionSettings) -> bool {
    let place = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    registry::last_segment(&one.session_storage) == registry::last_segment(&other.session_storage)
        && place(&one.session_dir) == place(&other.session_dir)
}

async fn copy(from: &dyn Administration, to: &dyn Administration, tally: &mut Tally) -> Result<()> {
    let mut scan = Scan::new(from);
    while let Some(records) = scan.next().await? {
        for stored in records {
            if matches!(stored.state, State::Expired) {
                continue;
            }
            match to.adopt(&stored).await? {
                Adopted::Copied => tally.copied += 1,
                Adopted::NotNeeded => tally.there += 1,
            }
        }
    }
    tally.unreadable += scan.unreadable;
    Ok(())
}

/// Looks for sessions that are in the other storage only.
async fn compare(
    from: &dyn Administration,
    to: &dyn Administration,
    prune: bool,
    tally: &mut Tally,
) -> Result<()> {
    let mut scan = Scan::new(to);
    while let Some(records) = scan.next().await? {
        for stored in records {
            if !matches!(stored.state, State::Live { .. })
                || from.find(&stored.handle).await?.is_some()
            {
                continue;
            }
            if prune && to.discard(&stored).await? {
                tally.pruned += 1;
            } else {
                tally.only_there += 1;
            }
        }
    }
    Ok(())
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(SessionError::Unsupported(_)))
}

fn report(tally: &Tally, own: &SessionSettings, mut desk: Desk<'_>) -> Result<ExitCode> {
    let json = json!({
        "copied": tally.copied, "there": tally.there, "unreadable": tally.unreadable,
        "only_there": tally.only_there, "pruned": tally.pruned,
    });
    let mut lines = words::table(&[
        ("copied", tally.copied.to_string()),
        (
            "there",
            format!("{} (as they are here, or newer)", tally.there),
        ),
        ("unreadable", tally.unreadable.to_string()),
        ("only there", tally.only_there.to_string()),
        ("pruned", tally.pruned.to_string()),
    ]);
    if tally.only_there > 0 {
        lines += "\n  What is only there began there, or ended here since it was copied: `--prune` ends it there\n  too. Once the site uses the new storage, do not.\n";
    }
    lines += &format!(
        "\n  To finish:\n    1. stop the site, so that no session changes\n    2. run this once more: it copies what has changed since{}\n    3. set SESSION_STORAGE = {:?} and SESSION_DIR = {:?}\n    4. start the site: nobody has to log in again\n",
        if tally.only_there > 0 {
            ", with --prune"
        } else {
            ""
        },
        own.session_storage,
        own.session_dir.display().to_string(),
    );
    desk.answer(&json, &lines)?;
    Ok(if tally.unreadable == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
