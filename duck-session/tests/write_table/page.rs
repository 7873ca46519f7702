//! The table as people read it.

use std::fmt::Write as _;

use crate::counting::Counts;
use crate::rules::{Cell, Cookie, Operation, Outcome, Visitor};

const INTRODUCTION: &str = "\
# What a request costs and sends

What `SessionMiddleware` asks of the storage, and what it adds to the response, for everything a view can do with
a session, under every way a request can end. This page is printed by a test that makes each of these requests:
`cargo test -p duck-session --test write_table`. After a change that is meant,
`DUCK_RENEW=1 cargo test -p duck-session --test write_table` writes it anew.

A cell says what the storage is asked for, what becomes of the cookie, and what caches are told:

* *load* reads the session; *create* stores a new one; *replace* stores its next version, if nobody else was
  faster; *remove* removes it. *list* asks for the sessions of a user. Each is asked for once.
* *new id*, *same id*, *removal*: the `Set-Cookie`. Without one of these words there is none. A new id is part of
  the same write as everything else that changed.
* *vary* is `Vary: Cookie`, beside what the view says. *no-store* is `Cache-Control: no-store`, in place of what
  the view says; without it the view's own stands.

Endings whose cells are all alike share a column. *timeout*: a middleware inside of the sessions gives up on the
view and answers 503. *gone in the view*, *gone in the save*: the client closes the connection while the view
runs, or while the session is saved, so there is no response. If the view was cut off, only a logout and what the
view saved itself are kept. A new id is not: the visitor would never get it.
";

/// The whole page.
pub(crate) fn write(cells: &[(Visitor, Operation, Outcome, Cell)]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let columns = columns(cells);
    for visitor in Visitor::ALL {
        write!(page, "\n## {}\n\n| the view |", title(visitor)).unwrap();
        for column in &columns {
            let names: Vec<_> = column.iter().map(|outcome| ending(*outcome)).collect();
            write!(page, " {} |", names.join(", ")).unwrap();
        }
        writeln!(page, "\n|---|{}", "---|".repeat(columns.len())).unwrap();
        for operation in Operation::ALL {
            write!(page, "| {} |", action(operation)).unwrap();
            for column in &columns {
                let cell = find(cells, visitor, operation, column[0]);
                write!(page, " {} |", text(cell)).unwrap();
            }
            page.push('\n');
        }
    }
    page
}

fn find(
    cells: &[(Visitor, Operation, Outcome, Cell)],
    visitor: Visitor,
    operation: Operation,
    outcome: Outcome,
) -> Cell {
    let place = (visitor, operation, outcome);
    let cell = cells.iter().find(|cell| (cell.0, cell.1, cell.2) == place);
    cell.unwrap().3
}

/// The outcomes, those together that differ nowhere.
fn columns(cells: &[(Visitor, Operation, Outcome, Cell)]) -> Vec<Vec<Outcome>> {
    let all = |outcome: Outcome| {
        let cells = cells.iter().filter(move |cell| cell.2 == outcome);
        cells.map(|cell| cell.3)
    };
    let mut columns: Vec<Vec<Outcome>> = Vec::new();
    for outcome in Outcome::ALL {
        match columns
            .iter_mut()
            .find(|column| all(column[0]).eq(all(outcome)))
        {
            Some(column) => column.push(outcome),
            None => columns.push(vec![outcome]),
        }
    }
    columns
}

fn title(visitor: Visitor) -> &'static str {
    match visitor {
        Visitor::New => "A visitor without a cookie",
        Visitor::Live => "A visitor with a session",
        Visitor::Due => {
            "A visitor with a session whose end is due to be moved (`SESSION_IDLE_TIMEOUT`)"
        }
        Visitor::Renewing => {
            "A logged-in visitor whose session is due to get another id (`SESSION_RENEWAL_INTERVAL`)"
        }
        Visitor::Dead => "A visitor whose cookie leads nowhere",
        Visitor::Replaced => "A visitor whose id a login replaced less than 10 seconds ago",
    }
}

fn action(operation: Operation) -> &'static str {
    match operation {
        Operation::Nothing => "does not ask for the session",
        Operation::Read => "reads",
        Operation::Equal => "sets a value that is there already, if there is a session",
        Operation::Write => "sets a value",
        Operation::Save => "sets a value and calls `save`",
        Operation::Nested => "changes a value through `get_mut`, if there is one",
        Operation::Clear => "`clear`",
        Operation::SetExpiry => "`set_expiry`",
        Operation::Flash => "`flash`: leaves a message",
        Operation::Flashes => "`flashes`: takes the messages out, if there are any",
        Operation::CycleId => "`cycle_id`",
        Operation::Login => "`login`",
        Operation::Flush => "`flush`, `logout`",
    }
}

fn ending(outcome: Outcome) -> String {
    match outcome {
        Outcome::Status(status) => return status.to_string(),
        Outcome::Stream => "stream",
        Outcome::Panic => "panic",
        Outcome::Timeout => "timeout",
        Outcome::GoneInView => "gone in the view",
        Outcome::GoneInSave => "gone in the save",
    }
    .to_owned()
}

fn text(cell: Cell) -> String {
    let Counts {
        loads,
        lists,
        creates,
        replaces,
        removes,
    } = cell.counts;
    let mut words = Vec::new();
    for (count, word) in [
        (loads, "load"),
        (lists, "list"),
        (creates, "create"),
        (replaces, "replace"),
        (removes, "remove"),
    ] {
        assert!(count <= 1, "the page says that each is asked for once");
        words.extend((count == 1).then_some(word));
    }
    words.extend(match cell.cookie {
        Cookie::None => None,
        Cookie::New => Some("new id"),
        Cookie::Same => Some("same id"),
        Cookie::Removal => Some("removal"),
    });
    words.extend(cell.varies.then_some("vary"));
    words.extend(cell.no_store.then_some("no-store"));
    match words[..] {
        [] => "–".to_owned(),
        _ => words.join(", "),
    }
}
