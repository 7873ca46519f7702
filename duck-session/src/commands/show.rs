use duck::{ExitCode, Result};
use serde_json::{Map, Value, json};

use super::context::Context;
use super::format;
use super::prefix::Prefix;
use crate::engine::administration::SessionState;
use crate::store::OpenSession;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first characters of its name, as `list` shows them
    #[arg(value_name = "NAME", allow_hyphen_values = true)]
    name: Prefix,
    /// The values too: what the visitor put in and did
    #[arg(long)]
    reveal: bool,
}

pub(super) async fn run(args: Args, mut context: Context<'_>) -> Result<ExitCode> {
    let (name, found) = args.name.find(context.administration).await?;
    match &found.state {
        SessionState::Live(session) => {
            let shown = Shown {
                name,
                session,
                now: context.administration.now(),
                ends: context.administration.end_of(session),
                reveals: args.reveal,
            };
            context.answer(&shown.json(), &shown.lines())?;
            Ok(ExitCode::SUCCESS)
        }
        SessionState::Unreadable(obstacle) => {
            let (obstacle, size) = (obstacle.to_string(), found.stored.bytes().len());
            let json = json!({ "name": name, "size": size, "unreadable": obstacle });
            let lines = format::table(&[
                ("name", name),
                ("size", format::size(size as u64)),
                ("unreadable", obstacle),
            ]);
            context.answer(&json, &lines)?;
            Ok(ExitCode::FAILURE)
        }
        // None is found by its name.
        SessionState::Expired => Ok(ExitCode::FAILURE),
    }
}

/// A session that is shown.
struct Shown<'a> {
    name: String,
    session: &'a OpenSession,
    now: u64,
    ends: u64,
    reveals: bool,
}

impl Shown<'_> {
    fn lines(&self) -> String {
        let header = self.session.header();
        let login = header.login.as_ref();
        let mut rows = vec![
            ("name", self.name.clone()),
            ("created", self.ago(header.created)),
            ("last seen", self.ago(header.touched)),
            ("ends in", format::span(self.ends.saturating_sub(self.now))),
            ("user", self.user_in_words()),
            (
                "logged in",
                login.map_or_else(|| "–".to_owned(), |login| self.ago(login.at)),
            ),
        ];
        if let Some(agent) = login
            .and_then(|login| login.agent.as_ref())
            .filter(|_| self.reveals)
        {
            rows.push(("browser", format::harmless(agent)));
        }
        rows.extend([
            ("id since", self.ago(header.verifiers.issued())),
            ("id changes", self.id_changes()),
            ("old ids", self.old_ids()),
            ("writes", self.session.version().count.to_string()),
            ("size", format::size(self.session.data().json_len() as u64)),
        ]);
        let mut lines = format::table(&rows);
        if self.session.data().keys().next().is_some() {
            lines += "\n";
            lines += &self.entries();
        }
        lines
    }

    fn ago(&self, time: u64) -> String {
        let span = format::span(self.now.saturating_sub(time));
        format!("{}  ({span} ago)", format::date(time))
    }

    fn user_in_words(&self) -> String {
        match self.session.data().user() {
            Some(user) if self.reveals => format::harmless(&user),
            Some(_) => "yes".to_owned(),
            None => "no".to_owned(),
        }
    }

    /// Those in time, by `SESSION_RENEWAL_INTERVAL`, are not counted.
    fn id_changes(&self) -> String {
        format!(
            "{} at logins and by cycle_id",
            self.session.header().verifiers.generation()
        )
    }

    fn old_ids(&self) -> String {
        let (is_good, given_up) = self.session.header().verifiers.old(self.now);
        let before = if is_good {
            "the one before is still good"
        } else {
            "none is good"
        };
        match given_up {
            0 => before.to_owned(),
            _ => format!("{before}, {given_up} given up would be recognized"),
        }
    }

    /// The keys, and how large their values are as JSON.
    fn entries(&self) -> String {
        let data = self.session.data();
        let keys = data
            .keys()
            .map(|key| format::harmless(&key).chars().count());
        let width = keys.max().unwrap_or(0).max(3);
        let value = if self.reveals { "  VALUE" } else { "" };
        let mut lines = format!("  {:<width$}  {:>8}{value}\n", "KEY", "SIZE");
        for (key, json) in data.site_entries() {
            let (key, size) = (format::harmless(&key), format::size(json.len() as u64));
            let value = if self.reveals {
                format!("  {}", format::harmless(&String::from_utf8_lossy(json)))
            } else {
                String::new()
            };
            lines += &format!("  {key:<width$}  {size:>8}{value}\n");
        }
        lines
    }

    fn json(&self) -> Value {
        let (header, data) = (self.session.header(), self.session.data());
        let (is_good, given_up) = header.verifiers.old(self.now);
        let logged_in = header.login.as_ref().map(|login| format::date(login.at));
        let mut shown = json!({
            "name": self.name, "created": format::date(header.created),
            "last_seen": format::date(header.touched), "ends": format::date(self.ends),
            "user": data.user().is_some(), "logged_in": logged_in,
            "id_since": format::date(header.verifiers.issued()),
            "id_changes": header.verifiers.generation(),
            "id_before_is_good": is_good, "ids_given_up": given_up,
            "writes": self.session.version().count, "size": data.json_len(),
        });
        let object = |value: fn(&[u8]) -> Value| {
            let entries = data.site_entries();
            let entries = entries.map(|(key, json)| (key.into_owned(), value(json)));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        shown["keys"] = object(|json| json.len().into());
        if self.reveals {
            shown["values"] = object(|json| serde_json::from_slice(json).unwrap_or_default());
            shown["user"] = data.user().into();
            let agent = header
                .login
                .as_ref()
                .and_then(|login| login.agent.as_deref());
            shown["browser"] = agent.into();
        }
        shown
    }
}
