use std::path::{Path, PathBuf};
use std::sync::Arc;

use duck::session::{AuthHash, SessionError};
use duck::{Error, ExitCode, Result};

use super::context::{Context, Sessions, failure_if, misuse, note, sync};
use super::scan::Scan;
use crate::engine::administration::{Administration, SessionState};
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

#[derive(Default)]
struct Counts {
    copied: usize,
    there: usize,
    unreadable: usize,
    only_there: usize,
    pruned: usize,
}

/// Copies all sessions into another storage, sealed as they are. What is there in a newer version
/// stays, so that it can be run as often as one likes.
pub(super) async fn run(args: Args, context: Context<'_>) -> Result<ExitCode> {
    let sessions = context.sessions;
    let own = sessions.own_of(&args)?;
    if is_same(&own, &sessions.own) {
        return Ok(misuse(
            "that is where the sessions are: name another storage, or another folder with --dir",
        ));
    }
    let known = sessions.registry.storages();
    if !known.contains(&registry::last_segment(&args.to)) && !known.contains(&&*args.to) {
        let why = registry::no_storage(&args.to, &known, None);
        return Ok(misuse(format_args!("--to {:?} {why}", args.to)));
    }
    let target = sessions.open(&own).await?;
    let mut counts = Counts::default();
    copy(context.administration, &*target, &mut counts).await?;
    match compare(context.administration, &*target, args.prune, &mut counts).await {
        // The copy is made all the same.
        Err(error) if is_unsupported(&error) => note(error),
        compared => compared?,
    }
    // Before anybody gives up what it was copied from.
    sync(&own).await?;
    report(&counts, &own, context)
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

    async fn open(&self, own: &SessionSettings) -> Result<Arc<dyn Administration>> {
        let opening = Opening {
            own,
            settings: &self.settings,
            clock: &self.clock,
            // No visitor is asked for.
            auth_hash: &AuthHash::default(),
            is_serving: false,
        };
        let opened = self.registry.open(&opening).await?;
        opened.administration.map_err(Error::internal)
    }
}

fn is_same(one: &SessionSettings, other: &SessionSettings) -> bool {
    let place = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let in_database = one.place_key() == "SESSION_DATABASE_URL";
    registry::last_segment(&one.session_storage) == registry::last_segment(&other.session_storage)
        && (in_database || place(&one.session_dir) == place(&other.session_dir))
}

async fn copy(
    from: &dyn Administration,
    to: &dyn Administration,
    counts: &mut Counts,
) -> Result<()> {
    let mut scan = Scan::new(from);
    while let Some(session) = scan.next().await? {
        if matches!(session.state, SessionState::Expired) {
            continue;
        }
        if to.adopt(&session.stored).await? {
            counts.copied += 1;
        } else {
            counts.there += 1;
        }
    }
    counts.unreadable += scan.unreadable;
    Ok(())
}

/// Looks for sessions that are in the other storage only.
async fn compare(
    from: &dyn Administration,
    to: &dyn Administration,
    prune: bool,
    counts: &mut Counts,
) -> Result<()> {
    let mut scan = Scan::new(to);
    while let Some(session) = scan.next().await? {
        if matches!(session.state, SessionState::Expired)
            || from.find(session.stored.key()).await?.is_some()
        {
            continue;
        }
        if prune && to.discard(&session.stored).await? {
            counts.pruned += 1;
        } else {
            counts.only_there += 1;
        }
    }
    Ok(())
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(SessionError::Unsupported(_)))
}

fn report(counts: &Counts, own: &SessionSettings, mut context: Context<'_>) -> Result<ExitCode> {
    let mut more = String::new();
    let mut prune = "";
    if counts.only_there > 0 {
        prune = ", with --prune";
        more += "\n  What is only there began there, or ended here since it was copied: `--prune` ends it there\n  too. Once the site uses the new storage, do not.\n";
    }
    let place = match own.place_key() {
        "SESSION_DIR" => {
            let dir = own.session_dir.display().to_string();
            format!(" and SESSION_DIR = {dir:?}")
        }
        // It is set already, and may have a password in it.
        key => format!(", and leave {key} as it is"),
    };
    more += &format!(
        "\n  To finish:\n    1. stop the site, so that no session changes\n    2. run this once more: it copies what has changed since{prune}\n    3. set SESSION_STORAGE = {:?}{place}\n    4. start the site: nobody has to log in again\n",
        own.session_storage,
    );
    let named = [
        ("copied", counts.copied),
        ("there", counts.there),
        ("unreadable", counts.unreadable),
        ("only there", counts.only_there),
        ("pruned", counts.pruned),
    ];
    context.answer_counts(&named, &more)?;
    Ok(failure_if(counts.unreadable > 0))
}
