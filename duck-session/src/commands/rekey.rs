use duck::{ExitCode, Result};
use serde_json::json;

use super::desk::{Desk, folder, sync};
use super::scan::Scan;
use super::words;
use crate::engine::administration::Resealed;
use crate::engine::stored::State;

/// How it went.
#[derive(Default)]
struct Tally {
    resealed: usize,
    current: usize,
    unreadable: usize,
}

/// Seals with the current key whatever an older one has sealed.
pub(super) async fn run(mut desk: Desk<'_>) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let mut scan = Scan::new(desk.administration);
    while let Some(records) = scan.next().await? {
        for stored in records {
            if matches!(stored.state, State::Expired) {
                continue;
            }
            match desk.administration.reseal(&stored).await? {
                Resealed::Done => tally.resealed += 1,
                Resealed::NotNeeded => tally.current += 1,
                Resealed::Unreadable => tally.unreadable += 1,
                Resealed::Gone => {}
            }
        }
    }
    tally.unreadable += scan.unreadable;
    if let Some(folder) = folder(&desk.sessions.own) {
        // Before anybody gives the old key up.
        sync(folder.to_owned()).await?;
    }
    let Tally {
        resealed,
        current,
        unreadable,
    } = tally;
    let json = json!({ "resealed": resealed, "current": current, "unreadable": unreadable });
    let mut lines = words::table(&[
        ("resealed", resealed.to_string()),
        ("current", current.to_string()),
        ("unreadable", unreadable.to_string()),
    ]);
    if unreadable == 0 {
        lines += "\n  Once every server of the site was started with the new key, and this was run after that,\n  SECRET_KEY_FALLBACKS can be emptied.\n";
    }
    desk.answer(&json, &lines)?;
    Ok(if unreadable == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
