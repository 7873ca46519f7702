use std::slice;

use duck::{ExitCode, Result};
use serde_json::json;

use super::context::{Context, note};
use super::format;
use super::prefix::SHORT;
use super::scan::Scan;
use crate::engine::administration::SessionState;
use crate::seal::name_of;
use crate::store::OpenSession;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the sessions of this user
    #[arg(long, allow_hyphen_values = true)]
    user: Option<String>,
    /// How many at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: Args, context: Context<'_>) -> Result<ExitCode> {
    let administration = context.administration;
    let mut list = List {
        now: administration.now(),
        has_begun: false,
        left: if args.limit == 0 {
            usize::MAX
        } else {
            args.limit
        },
        context,
    };
    if let Some(user) = args.user {
        list.add(&administration.of_user(&user).await?)?;
        return list.end();
    }
    let mut scan = Scan::new(administration);
    while let Some(session) = scan.next().await? {
        if let SessionState::Live(session) = &session.state
            && !list.add(slice::from_ref(session))?
        {
            break;
        }
    }
    list.end()
}

/// A list while it is written: nobody waits for its end to see its beginning.
struct List<'a> {
    context: Context<'a>,
    now: u64,
    has_begun: bool,
    left: usize,
}

impl List<'_> {
    /// Writes these sessions, and returns whether there is room for more.
    fn add(&mut self, sessions: &[OpenSession]) -> Result<bool> {
        for session in sessions {
            if self.left == 0 {
                note("there are more; `--limit 0` lists all");
                return Ok(false);
            }
            self.left -= 1;
            self.write(session)?;
        }
        Ok(true)
    }

    fn write(&mut self, session: &OpenSession) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let name = name_of(session.key());
        let (created, seen) = (session.header().created, session.header().touched);
        let ends = self.context.administration.end_of(session);
        let size = session.data().json_len();
        let has_user = session.data().user().is_some();
        let out = &mut self.context.out;
        if self.context.json {
            let json = json!({
                "name": &name[..SHORT], "created": format::date(created),
                "last_seen": format::date(seen), "ends": format::date(ends),
                "size": size, "user": has_user,
            });
            write!(out, "{}{json}", if is_first { "[\n  " } else { ",\n  " })?;
            return Ok(());
        }
        if is_first {
            let head = ["NAME", "CREATED", "LAST SEEN", "ENDS IN", "SIZE", "USER"];
            writeln!(out, "{}", row(&head))?;
        }
        let seen = format!("{} ago", format::span(self.now.saturating_sub(seen)));
        let ends = format::span(ends.saturating_sub(self.now));
        let user = if has_user { "yes" } else { "no" };
        let (created, size) = (format::date(created), format::size(size as u64));
        writeln!(
            out,
            "{}",
            row(&[&name[..SHORT], &created, &seen, &ends, &size, user])
        )?;
        Ok(())
    }

    fn end(self) -> Result<ExitCode> {
        let out = self.context.out;
        match (self.context.json, self.has_begun) {
            (true, true) => writeln!(out, "\n]")?,
            (true, false) => writeln!(out, "[]")?,
            (false, true) => {}
            (false, false) => writeln!(out, "  no sessions")?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row([name, created, seen, ends, size, user]: &[&str; 6]) -> String {
    format!("  {name:<12}  {created:<20}  {seen:<11}  {ends:<7}  {size:>8}  {user}")
}
