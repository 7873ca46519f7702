use duck::session::SessionData;
use duck::{ExitCode, Result};
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::prefix::Prefix;
use super::words;
use crate::engine::stored::{Obstacle, State, Stored};
use crate::header::Header;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first characters of its handle, as `list` shows them
    #[arg(value_name = "HANDLE", allow_hyphen_values = true)]
    handle: Prefix,
    /// The values too: what the visitor put in and did
    #[arg(long)]
    reveal: bool,
}

pub(super) async fn run(args: Args, desk: Desk<'_>) -> Result<ExitCode> {
    let stored = args.handle.find(desk.administration).await?;
    match &stored.state {
        State::Live { header, data, ends } => {
            let session = Session {
                stored: &stored,
                header,
                data,
                ends: *ends,
                reveals: args.reveal,
            };
            session.show(desk)
        }
        State::Unreadable(obstacle) => show_sealed(&stored, *obstacle, desk),
        // Nothing else is found by a prefix.
        State::Moved(_) | State::List(_) | State::Expired => Ok(ExitCode::FAILURE),
    }
}

/// A session to be shown.
struct Session<'a> {
    stored: &'a Stored,
    header: &'a Header,
    data: &'a SessionData,
    ends: u64,
    reveals: bool,
}

impl Session<'_> {
    fn show(&self, mut desk: Desk<'_>) -> Result<ExitCode> {
        let now = desk.administration.now();
        let mut lines = words::table(&self.rows(now));
        if self.data.keys().next().is_some() {
            lines += "\n";
            lines += &self.entries();
        }
        desk.answer(&self.json(), &lines)?;
        Ok(ExitCode::SUCCESS)
    }

    fn user(&self) -> Option<String> {
        self.data.user()
    }

    fn logged_in(&self) -> Option<u64> {
        (self.header.auth > 0).then_some(self.header.auth)
    }

    fn rows(&self, now: u64) -> [(&'static str, String); 8] {
        let Header {
            created,
            touched,
            version,
            ..
        } = *self.header;
        let ago = |time: u64| {
            let span = words::span(now.saturating_sub(time));
            format!("{}  ({span} ago)", words::date(time))
        };
        let user = match self.user() {
            Some(user) if self.reveals => words::harmless(&user),
            Some(_) => "yes".to_owned(),
            None => "no".to_owned(),
        };
        let ends = words::span(self.ends.saturating_sub(now));
        [
            ("handle", self.stored.handle.as_str().to_owned()),
            ("created", ago(created)),
            ("last seen", ago(touched)),
            ("ends in", ends),
            ("user", user),
            (
                "logged in",
                self.logged_in().map_or_else(|| "–".to_owned(), ago),
            ),
            ("version", version.to_string()),
            ("size", words::size(self.stored.bytes.len() as u64)),
        ]
    }

    /// The keys, and how large their values are as JSON.
    fn entries(&self) -> String {
        let keys = self.data.keys().map(words::harmless);
        let width = keys
            .map(|key| key.chars().count())
            .max()
            .unwrap_or(0)
            .max(3);
        let value = if self.reveals { "  VALUE" } else { "" };
        let mut lines = format!("  {:<width$}  {:>8}{value}\n", "KEY", "SIZE");
        for (key, json) in self.data.site_entries() {
            let (key, size) = (words::harmless(key), words::size(json.len() as u64));
            let value = if self.reveals {
                format!("  {}", words::harmless(&String::from_utf8_lossy(json)))
            } else {
                String::new()
            };
            lines += &format!("  {key:<width$}  {size:>8}{value}\n");
        }
        lines
    }

    fn json(&self) -> Value {
        let mut session = json!({
            "handle": self.stored.handle.as_str(), "created": words::date(self.header.created),
            "last_seen": words::date(self.header.touched), "ends": words::date(self.ends),
            "logged_in": self.logged_in().map(words::date), "version": self.header.version,
            "size": self.stored.bytes.len(),
        });
        let sizes = self.data.site_entries();
        let sizes = sizes.map(|(key, json)| (key.to_owned(), json.len().into()));
        session["keys"] = Value::Object(sizes.collect());
        if self.reveals {
            let value = |json: &[u8]| serde_json::from_slice(json).unwrap_or(Value::Null);
            let values = self.data.site_entries();
            let values = values.map(|(key, json)| (key.to_owned(), value(json)));
            session["values"] = Value::Object(values.collect::<Map<_, _>>());
            session["user"] = self.user().into();
        } else {
            session["user"] = self.user().is_some().into();
        }
        session
    }
}

/// All that can be said of a record that does not open.
fn show_sealed(stored: &Stored, obstacle: Obstacle, mut desk: Desk<'_>) -> Result<ExitCode> {
    let (handle, size) = (stored.handle.as_str(), stored.bytes.len());
    let json = json!({ "handle": handle, "size": size, "unreadable": obstacle.to_string() });
    let lines = words::table(&[
        ("handle", handle.to_owned()),
        ("size", words::size(size as u64)),
        ("unreadable", obstacle.to_string()),
    ]);
    desk.answer(&json, &lines)?;
    Ok(ExitCode::FAILURE)
}
