use duck::{ExitCode, Result};
use serde_json::json;

use super::desk::{Desk, folder};
use super::scan::Scan;
use super::words;
use crate::engine::stored::{State, Stored};

/// What is stored, in numbers.
#[derive(Default)]
struct Stats {
    live: usize,
    logged_in: usize,
    expired: usize,
    tombstones: usize,
    /// Of users: which sessions are theirs.
    lists: usize,
    unreadable: usize,
    bytes: u64,
    /// When the first and the last of the live sessions were made.
    oldest: Option<u64>,
    newest: Option<u64>,
}

impl Stats {
    fn count(&mut self, stored: &Stored) {
        self.bytes += stored.bytes.len() as u64;
        match &stored.state {
            State::Live { header, data, .. } => {
                self.live += 1;
                self.logged_in += usize::from(data.user().is_some());
                let created = header.created;
                self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
                self.newest = Some(self.newest.map_or(created, |newest| newest.max(created)));
            }
            State::Moved(_) => self.tombstones += 1,
            State::List(_) => self.lists += 1,
            State::Expired => self.expired += 1,
            State::Unreadable(_) => self.unreadable += 1,
        }
    }
}

pub(super) async fn run(mut desk: Desk<'_>) -> Result<ExitCode> {
    let mut stats = Stats::default();
    let mut scan = Scan::new(desk.administration);
    while let Some(records) = scan.next().await? {
        for stored in &records {
            stats.count(stored);
        }
    }
    stats.unreadable += scan.unreadable;
    let own = &desk.sessions.own;
    let folder = folder(own).map(|folder| folder.display().to_string());
    let json = json!({
        "storage": own.session_storage, "folder": folder,
        "live": stats.live, "logged_in": stats.logged_in, "expired": stats.expired,
        "tombstones": stats.tombstones, "lists": stats.lists, "unreadable": stats.unreadable, "bytes": stats.bytes,
        "oldest": stats.oldest.map(words::date), "newest": stats.newest.map(words::date),
    });
    let made = |time: Option<u64>| time.map_or_else(|| "–".to_owned(), words::date);
    let lines = [
        ("storage", own.session_storage.clone()),
        ("folder", folder.unwrap_or_else(|| "–".to_owned())),
        ("live", stats.live.to_string()),
        ("logged in", stats.logged_in.to_string()),
        ("expired", stats.expired.to_string()),
        ("tombstones", stats.tombstones.to_string()),
        ("lists", stats.lists.to_string()),
        ("unreadable", stats.unreadable.to_string()),
        ("bytes", words::size(stats.bytes)),
        ("oldest", made(stats.oldest)),
        ("newest", made(stats.newest)),
    ];
    desk.answer(&json, &words::table(&lines))?;
    Ok(ExitCode::SUCCESS)
}
