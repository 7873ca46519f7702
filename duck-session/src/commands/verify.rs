use std::io;

use duck::{ExitCode, Result};
use serde_json::{Value, json};

use super::desk::Desk;
use super::scan::Scan;
use super::{sweep, words};
use crate::cache::files::{Finding, Findings};
use crate::engine::administration::Administration;
use crate::engine::stored::{Obstacle, State};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Put right what can be without losing anything: modes, leftovers, what is over
    #[arg(long)]
    repair: bool,
}

/// More than this nobody reads; the rest is counted.
const MOST: usize = 1000;

/// What is wrong with a session that `revoke_user` would miss.
const UNLISTED: &str = "not on its user's list of sessions";

/// What was found out about the records.
#[derive(Default)]
struct Records {
    good: usize,
    expired: usize,
    /// Those that do not open: the first of them, and how many.
    closed: Vec<(String, Obstacle)>,
    closed_count: usize,
    /// Sessions that were not on their user's list, where a revocation would have missed them.
    unlisted: Vec<String>,
    unlisted_count: usize,
    /// What the storage itself could not read.
    unread: usize,
}

/// Looks at everything that is stored: first at the files, then into each record.
pub(super) async fn run(args: Args, desk: Desk<'_>) -> Result<ExitCode> {
    let files = check_files(desk.administration, args.repair).await?;
    let removed = if args.repair {
        sweep::sweep(desk.administration).await?
    } else {
        0
    };
    let mut records = open_records(desk.administration, args.repair).await?;
    if desk.administration.files().is_some() {
        // These are among the files already.
        records.unread = 0;
    }
    let report = Report {
        files,
        records,
        removed,
        repairs: args.repair,
    };
    report.write(desk)
}

async fn check_files(administration: &dyn Administration, repairs: bool) -> Result<Findings> {
    let mut findings = Findings {
        repairs,
        ..Findings::default()
    };
    let Some(files) = administration.files() else {
        return Ok(findings);
    };
    let checked = tokio::task::spawn_blocking(move || {
        files.check(&mut findings)?;
        Ok::<_, io::Error>(findings)
    });
    Ok(checked.await??)
}

async fn open_records(administration: &dyn Administration, repairs: bool) -> Result<Records> {
    let mut records = Records::default();
    let mut scan = Scan::new(administration);
    while let Some(page) = scan.next().await? {
        for stored in page {
            if !administration.check_list(&stored, repairs).await? {
                records.unlisted_count += 1;
                if records.unlisted.len() < MOST {
                    records.unlisted.push(stored.handle.as_str().to_owned());
                }
            }
            match stored.state {
                State::Live { .. } | State::Moved(_) | State::List(_) => records.good += 1,
                State::Expired => records.expired += 1,
                State::Unreadable(obstacle) => {
                    records.closed_count += 1;
                    if records.closed.len() < MOST {
                        let handle = stored.handle.as_str().to_owned();
                        records.closed.push((handle, obstacle));
                    }
                }
            }
        }
    }
    records.unread = scan.unreadable;
    Ok(records)
}

/// How a line begins and ends.
fn marks(repaired: bool) -> (char, &'static str) {
    if repaired {
        ('✓', ": put right")
    } else {
        ('✗', "")
    }
}

struct Report {
    files: Findings,
    records: Records,
    /// What was over.
    removed: usize,
    repairs: bool,
}

impl Report {
    fn write(&self, mut desk: Desk<'_>) -> Result<ExitCode> {
        desk.answer(&self.json(), &self.lines())?;
        Ok(if self.left() == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// How much is still not as it should be.
    fn left(&self) -> usize {
        let unlisted = if self.repairs {
            0
        } else {
            self.records.unlisted_count
        };
        self.files.left + self.records.closed_count + self.records.unread + unlisted
    }

    fn json(&self) -> Value {
        let files = self.files.list.iter().map(|finding| {
            json!({
                "path": finding.path.to_string_lossy(), "what": finding.fault.to_string(),
                "repaired": finding.repaired,
            })
        });
        let records = self.records.closed.iter().map(
            |(handle, obstacle)| json!({ "handle": handle, "what": obstacle.to_string(), "repaired": false }),
        );
        let unlisted =
            self.records.unlisted.iter().map(
                |handle| json!({ "handle": handle, "what": UNLISTED, "repaired": self.repairs }),
            );
        json!({
            "good": self.records.good, "expired": self.records.expired, "removed": self.removed,
            "left": self.left(),
            "findings": files.chain(records).chain(unlisted).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> String {
        let mut lines = String::new();
        for finding in &self.files.list {
            let path = words::harmless(&finding.path.to_string_lossy());
            let (mark, after) = marks(finding.repaired);
            lines += &format!("  {mark} {path}\n      {}{after}\n", finding.fault);
        }
        for (handle, obstacle) in &self.records.closed {
            lines += &format!("  ✗ {handle}\n      {obstacle}\n");
        }
        let (mark, after) = marks(self.repairs);
        for handle in &self.records.unlisted {
            lines += &format!("  {mark} {handle}\n      {UNLISTED}{after}\n");
        }
        let more = self.files.more
            + (self.records.closed_count - self.records.closed.len())
            + (self.records.unlisted_count - self.records.unlisted.len());
        if more > 0 {
            lines += &format!("  … and {more} more\n");
        }
        if self.records.unread > 0 {
            lines += &format!("  ✗ {} could not be read\n", self.records.unread);
        }
        if self.removed > 0 {
            lines += &format!(
                "  ✓ {} removed, whose time was over\n",
                words::sessions(self.removed)
            );
        }
        lines += &format!(
            "  {} good, {} expired, {} to look at",
            self.records.good,
            self.records.expired,
            self.left()
        );
        let can_repair = |finding: &Finding| finding.fault.is_repairable();
        let can_repair = self.files.list.iter().any(can_repair) || self.records.unlisted_count > 0;
        if !self.repairs && can_repair {
            lines += "; `verify --repair` puts right what can be without losing anything";
        }
        lines.push('\n');
        lines
    }
}
