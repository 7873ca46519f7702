use duck::{ExitCode, Result};
use serde_json::json;

use super::context::{Context, folder};
use super::format;
use super::scan::Scan;
use crate::engine::administration::{Inspected, SessionState};

/// What is stored, counted.
#[derive(Default)]
struct Counts {
    live: usize,
    logged_in: usize,
    expired: usize,
    unreadable: usize,
    bytes: u64,
    /// When the first and the last of the live sessions began.
    oldest: Option<u64>,
    newest: Option<u64>,
}

impl Counts {
    fn add(&mut self, session: &Inspected) {
        self.bytes += session.stored.bytes().len() as u64;
        match &session.state {
            SessionState::Live(session) => {
                self.live += 1;
                self.logged_in += usize::from(session.data().user().is_some());
                let created = session.header().created;
                self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
                self.newest = self.newest.max(Some(created));
            }
            SessionState::Expired => self.expired += 1,
            SessionState::Unreadable(_) => self.unreadable += 1,
        }
    }
}

pub(super) async fn run(mut context: Context<'_>) -> Result<ExitCode> {
    let mut counts = Counts::default();
    let mut scan = Scan::new(context.administration);
    while let Some(session) = scan.next().await? {
        counts.add(&session);
    }
    counts.unreadable += scan.unreadable;
    let own = &context.sessions.own;
    let folder = folder(own).map(|folder| folder.display().to_string());
    let [oldest, newest] = [counts.oldest, counts.newest].map(|time| time.map(format::date));
    let json = json!({
        "storage": own.session_storage, "folder": folder,
        "live": counts.live, "logged_in": counts.logged_in, "expired": counts.expired,
        "unreadable": counts.unreadable, "bytes": counts.bytes,
        "oldest": oldest, "newest": newest,
    });
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let lines = [
        ("storage", own.session_storage.clone()),
        ("folder", or_none(folder)),
        ("live", counts.live.to_string()),
        ("logged in", counts.logged_in.to_string()),
        ("expired", counts.expired.to_string()),
        ("unreadable", counts.unreadable.to_string()),
        ("bytes", format::size(counts.bytes)),
        ("oldest", or_none(oldest)),
        ("newest", or_none(newest)),
    ];
    context.answer(&json, &format::table(&lines))?;
    Ok(ExitCode::SUCCESS)
}
