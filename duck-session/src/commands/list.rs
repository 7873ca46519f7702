use duck::{ExitCode, Result};
use serde_json::{Value, json};

use super::desk::{Desk, note};
use super::prefix::SHORT;
use super::scan::Scan;
use super::words;
use crate::engine::stored::{State, Stored};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the sessions of this user
    #[arg(long, allow_hyphen_values = true)]
    user: Option<String>,
    /// How many at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// What is told of a session.
struct Line {
    handle: String,
    created: u64,
    seen: u64,
    ends: u64,
    size: u64,
    has_user: bool,
}

impl Line {
    /// `None` for what is no session, or none that can be read.
    fn of(stored: &Stored) -> Option<Self> {
        let State::Live { header, data, ends } = &stored.state else {
            return None;
        };
        Some(Self {
            handle: stored.handle.as_str()[..SHORT].to_owned(),
            created: header.created,
            seen: header.touched,
            ends: *ends,
            size: stored.bytes.len() as u64,
            has_user: data.user().is_some(),
        })
    }

    fn json(&self) -> Value {
        json!({
            "handle": self.handle, "created": words::date(self.created),
            "last_seen": words::date(self.seen), "ends": words::date(self.ends),
            "size": self.size, "user": self.has_user,
        })
    }

    fn cells(&self, now: u64) -> [String; 6] {
        [
            self.handle.clone(),
            words::date(self.created),
            format!("{} ago", words::span(now.saturating_sub(self.seen))),
            words::span(self.ends.saturating_sub(now)),
            words::size(self.size),
            if self.has_user { "yes" } else { "no" }.to_owned(),
        ]
    }
}

pub(super) async fn run(args: Args, desk: Desk<'_>) -> Result<ExitCode> {
    let limit = match args.limit {
        0 => usize::MAX,
        limit => limit,
    };
    let mut list = List {
        now: desk.administration.now(),
        begun: false,
        left: limit,
        desk,
    };
    let administration = list.desk.administration;
    if let Some(name) = args.user {
        list.add(&administration.listed(&name).await?)?;
    } else {
        let mut scan = Scan::new(administration);
        while let Some(records) = scan.next().await? {
            if !list.add(&records)? {
                break;
            }
        }
    }
    list.end()
}

/// A list while it is written: nobody waits for its end to see its beginning.
struct List<'a> {
    desk: Desk<'a>,
    now: u64,
    begun: bool,
    left: usize,
}

impl List<'_> {
    /// Writes these sessions, and says whether there is room for more.
    fn add(&mut self, records: &[Stored]) -> Result<bool> {
        for line in records.iter().filter_map(Line::of) {
            if self.left == 0 {
                note("there are more; `--limit 0` lists all");
                return Ok(false);
            }
            self.left -= 1;
            self.write(&line)?;
        }
        Ok(true)
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        let out = &mut self.desk.out;
        if self.desk.json {
            write!(
                out,
                "{}{}",
                if is_first { "[\n  " } else { ",\n  " },
                line.json()
            )?;
            return Ok(());
        }
        if is_first {
            let head = ["HANDLE", "CREATED", "LAST SEEN", "ENDS IN", "SIZE", "USER"];
            writeln!(out, "{}", row(&head))?;
        }
        let cells = line.cells(self.now);
        writeln!(out, "{}", row(&cells.each_ref().map(String::as_str)))?;
        Ok(())
    }

    fn end(self) -> Result<ExitCode> {
        match (self.desk.json, self.begun) {
            (true, true) => writeln!(self.desk.out, "\n]")?,
            (true, false) => writeln!(self.desk.out, "[]")?,
            (false, true) => {}
            (false, false) => writeln!(self.desk.out, "  no sessions")?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row([handle, created, seen, ends, size, user]: &[&str; 6]) -> String {
    format!("  {handle:<12}  {created:<20}  {seen:<11}  {ends:<7}  {size:>8}  {user}")
}
