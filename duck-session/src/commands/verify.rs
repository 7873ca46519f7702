use std::path::PathBuf;

use duck::{ExitCode, Result};
use serde_json::{Value, json};

use super::context::{Context, failure_if, folder};
use super::end::remove_expired;
use super::files::{self, Fault, Findings, MOST};
use super::format;
use super::scan::Scan;
use crate::engine::administration::{Administration, Obstacle, SessionState};
use crate::seal::name_of;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Put right what can be without losing anything: modes, and what is over
    #[arg(long)]
    repair: bool,
}

/// Looks at everything that is stored: first at the files, then into each session.
pub(super) async fn run(args: Args, mut context: Context<'_>) -> Result<ExitCode> {
    let administration = context.administration;
    let mut report = Report {
        repairs: args.repair,
        ..Report::default()
    };
    if let Some(folder) = folder(&context.sessions.own).map(PathBuf::from) {
        let check = move || files::check(&folder, args.repair);
        report.files = tokio::task::spawn_blocking(check).await??;
    }
    if args.repair {
        match remove_expired(administration).await {
            Ok(removed) => report.removed = removed,
            // A damaged file may be why: the rest is looked at all the same.
            Err(error) => report.unswept = Some(error.to_string()),
        }
    }
    report.open_sessions(administration).await?;
    context.answer(&report.json(), &report.lines())?;
    Ok(failure_if(report.left() > 0))
}

/// What was found out.
#[derive(Default)]
struct Report {
    repairs: bool,
    files: Findings,
    good: usize,
    expired: usize,
    /// How many were expired and are removed.
    removed: usize,
    /// Why those were not removed.
    unswept: Option<String>,
    /// The first of the sessions that do not open, by their names.
    closed: Vec<(String, Obstacle)>,
    closed_count: usize,
    /// What the storage itself could not read.
    unread: usize,
}

impl Report {
    async fn open_sessions(&mut self, administration: &dyn Administration) -> Result<()> {
        let mut scan = Scan::new(administration);
        while let Some(session) = scan.next().await? {
            match session.state {
                SessionState::Live(_) => self.good += 1,
                SessionState::Expired => self.expired += 1,
                SessionState::Unreadable(obstacle) => {
                    self.closed_count += 1;
                    if self.closed.len() < MOST {
                        let name = name_of(session.stored.key());
                        self.closed.push((name, obstacle));
                    }
                }
            }
        }
        self.unread = scan.unreadable;
        Ok(())
    }

    /// How much is still not as it should be.
    fn left(&self) -> usize {
        self.files.left + self.closed_count + self.unread + usize::from(self.unswept.is_some())
    }

    fn json(&self) -> Value {
        let files = self.files.list.iter().map(|finding| {
            json!({
                "path": finding.path.to_string_lossy(), "what": finding.fault.to_string(),
                "repaired": finding.is_mended,
            })
        });
        let closed = self.closed.iter().map(|(name, obstacle)| {
            json!({ "name": name, "what": obstacle.to_string(), "repaired": false })
        });
        json!({
            "good": self.good, "expired": self.expired, "removed": self.removed,
            "unread": self.unread, "unswept": self.unswept, "left": self.left(),
            "findings": files.chain(closed).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> String {
        let mut lines = String::new();
        for finding in &self.files.list {
            let path = format::harmless(&finding.path.to_string_lossy());
            let (mark, after) = if finding.is_mended {
                ('✓', ": put right")
            } else {
                ('✗', "")
            };
            lines += &format!("  {mark} {path}\n      {}{after}\n", finding.fault);
        }
        for (name, obstacle) in &self.closed {
            lines += &format!("  ✗ {name}\n      {obstacle}\n");
        }
        let shown = self.files.list.len() + self.closed.len();
        let more = self.files.count + self.closed_count - shown;
        if more > 0 {
            lines += &format!("  … and {more} more\n");
        }
        if self.unread > 0 {
            lines += &format!("  ✗ {} could not be read by the storage\n", self.unread);
        }
        if let Some(why) = &self.unswept {
            let why = format::harmless(why);
            lines += &format!("  ✗ what is over could not be removed: {why}\n");
        }
        if self.removed > 0 {
            let removed = format::sessions(self.removed);
            lines += &format!("  ✓ {removed} removed, whose time was over\n");
        }
        let (good, expired, left) = (self.good, self.expired, self.left());
        lines += &format!("  {good} good, {expired} expired, {left} to look at");
        let is_wide = self
            .files
            .list
            .iter()
            .any(|finding| matches!(finding.fault, Fault::Mode(_)));
        if is_wide && !self.repairs {
            lines += "; `verify --repair` puts right what can be without losing anything";
        }
        lines.push('\n');
        lines
    }
}
