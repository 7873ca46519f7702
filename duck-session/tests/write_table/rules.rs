//! The rules that the table is computed from, in one place to be read.

use crate::counting::Counts;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// Without a session cookie.
    New,
    /// With a live session, saved a moment ago.
    Live,
    /// With a live session whose end is due to be moved: rule 18.
    Due,
    /// Logged in for so long that the session is due to get another id: rule 34.
    Renewing,
    /// With a cookie that could be an id and leads nowhere.
    Dead,
    /// With an id that a login has just replaced: the request was under way meanwhile.
    Replaced,
}

impl Visitor {
    pub(crate) const ALL: [Self; 6] = [
        Self::New,
        Self::Live,
        Self::Due,
        Self::Renewing,
        Self::Dead,
        Self::Replaced,
    ];

    fn sends_a_cookie(self) -> bool {
        self != Self::New
    }

    pub(crate) fn has_a_session(self) -> bool {
        matches!(self, Self::Live | Self::Due | Self::Renewing)
    }
}

/// What the view does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Nothing,
    Read,
    /// A value equal to the one that is there, if there is one.
    Equal,
    Write,
    /// A write that the view saves by itself.
    Save,
    /// A change through `get_mut`, if there is a value to lend.
    Nested,
    Clear,
    SetExpiry,
    /// Leaves a message.
    Flash,
    /// Takes the messages out, if there are any.
    Flashes,
    CycleId,
    Login,
    Flush,
}

impl Operation {
    pub(crate) const ALL: [Self; 13] = [
        Self::Nothing,
        Self::Read,
        Self::Equal,
        Self::Write,
        Self::Save,
        Self::Nested,
        Self::Clear,
        Self::SetExpiry,
        Self::Flash,
        Self::Flashes,
        Self::CycleId,
        Self::Login,
        Self::Flush,
    ];
}

/// How the request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    /// 200, and the body is made while it is sent.
    Stream,
    Panic,
    /// A middleware of the site's gives up on the view and answers 503.
    Timeout,
    /// The client goes away while the view runs.
    GoneInView,
    /// The client goes away while the session is saved, if it is.
    GoneInSave,
}

impl Outcome {
    pub(crate) const ALL: [Self; 11] = [
        Self::Status(200),
        Self::Status(204),
        Self::Status(302),
        Self::Status(304),
        Self::Status(404),
        Self::Stream,
        Self::Status(500),
        Self::Panic,
        Self::Timeout,
        Self::GoneInView,
        Self::GoneInSave,
    ];

    /// Whether the view did not come to a good end.
    fn failed(self) -> bool {
        match self {
            Self::Status(status) => status >= 500,
            Self::Panic | Self::Timeout | Self::GoneInView => true,
            Self::Stream | Self::GoneInSave => false,
        }
    }

    /// Whether there is still somebody to hear the response.
    fn is_heard(self) -> bool {
        !matches!(self, Self::GoneInView | Self::GoneInSave)
    }
}

/// What a request costs the storage, and what the visitor hears of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) counts: Counts,
    pub(crate) cookie: Cookie,
    /// `Vary: Cookie`, beside what the view said.
    pub(crate) varies: bool,
    /// `Cache-Control: no-store`, in place of what the view said.
    pub(crate) no_store: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cookie {
    #[default]
    None,
    /// Another id than the visitor came with.
    New,
    /// The same id again, with a new end.
    Same,
    Removal,
}

/// What is to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Data,
    Expiry,
    NewId,
    End,
}

/// What the rules say of a cell.
pub(crate) fn expected(visitor: Visitor, operation: Operation, outcome: Outcome) -> Cell {
    // 8: who does not ask for the session pays nothing and hears nothing.
    if operation == Operation::Nothing {
        return Cell::default();
    }
    let change = committed(change(visitor, operation), operation, outcome);
    let touched = is_touched(visitor, change, outcome);
    let mut counts = counts(visitor, change, touched);
    if operation == Operation::Login && change != Change::None {
        // 39: a login counts the sessions that its user has.
        counts.lists = 1;
    }
    let cookie = cookie(visitor, change, touched);
    if !outcome.is_heard() {
        // 21: what was begun is finished all the same.
        let cell = Cell::default();
        return Cell { counts, ..cell };
    }
    Cell {
        counts,
        cookie,
        varies: true,                     // 51: whatever the status
        no_store: cookie != Cookie::None, // 52
    }
}

/// What the view changed.
#[expect(clippy::match_same_arms, reason = "each arm is a rule of its own")]
fn change(visitor: Visitor, operation: Operation) -> Change {
    match (operation, visitor.has_a_session()) {
        (Operation::Nothing | Operation::Read, _) => Change::None,
        (Operation::Login, _) => Change::NewId,
        // 46: a logout removes the cookie, wherever it leads.
        (Operation::Flush, false) if visitor.sends_a_cookie() => Change::End,
        (Operation::Flush, true) => Change::End,
        // All else that was under way during a login is dropped: saved, it would take the session away.
        _ if visitor == Visitor::Replaced => Change::None,
        // 16: an equal value is no change.
        (Operation::Equal, true) => Change::None,
        (Operation::Equal, false) => Change::Data,
        (Operation::Write | Operation::Save | Operation::Flash, _) => Change::Data,
        (Operation::Nested | Operation::Clear | Operation::Flashes, true) => Change::Data,
        (Operation::SetExpiry, true) => Change::Expiry,
        (Operation::CycleId, true) => Change::NewId,
        // 19: a session with nothing in it is not created, for an end or a new id of its own.
        (
            Operation::Nested
            | Operation::Clear
            | Operation::Flashes
            | Operation::SetExpiry
            | Operation::CycleId
            | Operation::Flush,
            false,
        ) => Change::None,
    }
}

/// What of it is committed.
#[expect(clippy::match_same_arms, reason = "each arm is a rule of its own")]
fn committed(change: Change, operation: Operation, outcome: Outcome) -> Change {
    match change {
        // 20: logins, logouts and new ids always are. 23: what the view has saved, it has saved.
        Change::End => change,
        // 21: of a new id the visitor would never hear, and the old one would be dead.
        Change::NewId if outcome == Outcome::GoneInView => Change::None,
        Change::NewId => change,
        _ if matches!(operation, Operation::Save | Operation::Flashes) => change,
        // 15: data is, whatever the status, unless it is a failure.
        _ if outcome.failed() => Change::None,
        _ => change,
    }
}

/// 18 and 34: a visit moves the end of a session, or gives it another id, where that is due, and so does a
/// save.
fn is_touched(visitor: Visitor, change: Change, outcome: Outcome) -> bool {
    let is_due = matches!(visitor, Visitor::Due | Visitor::Renewing);
    is_due && (change != Change::None || !outcome.failed())
}

/// 9: one load, for those who have something to load. 17: no write without a change or a touch.
fn counts(visitor: Visitor, change: Change, touched: bool) -> Counts {
    let has_session = visitor.has_a_session();
    let writes = change != Change::None || touched;
    let ends = change == Change::End;
    Counts {
        loads: usize::from(visitor.sends_a_cookie()),
        lists: 0,
        // 5: an unknown id is never taken on.
        creates: usize::from(writes && !ends && !has_session),
        // 33: a new id is one write, with all else that changed.
        replaces: usize::from(writes && !ends && has_session),
        removes: usize::from(ends && has_session),
    }
}

/// 45 and 46: sent where the id is new, the end has moved or the visitor logged out; else not.
fn cookie(visitor: Visitor, change: Change, touched: bool) -> Cookie {
    match change {
        Change::NewId => Cookie::New,
        Change::Data if !visitor.has_a_session() => Cookie::New,
        Change::End => Cookie::Removal,
        _ if touched && visitor == Visitor::Renewing => Cookie::New,
        Change::Expiry => Cookie::Same,
        _ if touched => Cookie::Same,
        Change::None | Change::Data => Cookie::None,
    }
}

/// 44: how long a cookie of this session lives, in seconds.
pub(crate) fn age(visitor: Visitor, operation: Operation) -> u64 {
    let age = match (operation, visitor) {
        (Operation::SetExpiry, _) => super::run::OWN_AGE,
        _ => super::run::AGE,
    };
    match visitor {
        Visitor::Due => age.min(super::run::IDLE),
        _ => age,
    }
}
