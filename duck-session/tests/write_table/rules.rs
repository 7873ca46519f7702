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
    /// With a cookie that could be an id and leads nowhere.
    Dead,
}

impl Visitor {
    pub(crate) const ALL: [Self; 4] = [Self::New, Self::Live, Self::Due, Self::Dead];

    fn sends_a_cookie(self) -> bool {
        self != Self::New
    }

    pub(crate) fn has_a_session(self) -> bool {
        matches!(self, Self::Live | Self::Due)
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
    CycleId,
    Login,
    Flush,
}

impl Operation {
    pub(crate) const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Read,
        Self::Equal,
        Self::Write,
        Self::Save,
        Self::Nested,
        Self::Clear,
        Self::SetExpiry,
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
        // 32: a login is put on its user's list, which is read and written.
        counts.lists = 2;
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
        // 16: an equal value is no change.
        (Operation::Equal, true) => Change::None,
        (Operation::Equal, false) | (Operation::Write | Operation::Save, _) => Change::Data,
        (Operation::Nested | Operation::Clear, true) => Change::Data,
        (Operation::SetExpiry, true) => Change::Expiry,
        (Operation::CycleId, true) | (Operation::Login, _) => Change::NewId,
        (Operation::Flush, true) => Change::End,
        // 19: a session with nothing in it is not created, for an end or a new id of its own.
        (
            Operation::Nested
            | Operation::Clear
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
        _ if operation == Operation::Save => change,
        // 15: data is, whatever the status, unless it is a failure.
        _ if outcome.failed() => Change::None,
        _ => change,
    }
}

/// 18: a visit moves the end of a session where that is due, and so does a save.
fn is_touched(visitor: Visitor, change: Change, outcome: Outcome) -> bool {
    visitor == Visitor::Due && (change != Change::None || !outcome.failed())
}

/// 9: one load, for those who have something to load. 17: no write without a change or a touch.
fn counts(visitor: Visitor, change: Change, touched: bool) -> Counts {
    let is_live = visitor.has_a_session();
    let (creates, swaps, deletes) = match change {
        Change::None => (0, u8::from(touched), 0),
        // 5: an unknown id is never taken on.
        Change::Data if is_live => (0, 1, 0),
        Change::Data => (1, 0, 0),
        Change::Expiry => (0, 1, 0),
        // 33: the new record first, then a tombstone in place of the old one.
        Change::NewId => (1, u8::from(is_live), 0),
        Change::End => (0, 0, 1),
    };
    Counts {
        gets: u8::from(visitor.sends_a_cookie()),
        creates,
        swaps,
        deletes,
        lists: 0,
    }
}

/// 45 and 46: sent where the id is new, the end has moved or the cookie is to go; else not.
fn cookie(visitor: Visitor, change: Change, touched: bool) -> Cookie {
    match change {
        Change::NewId => Cookie::New,
        Change::Data if !visitor.has_a_session() => Cookie::New,
        Change::End => Cookie::Removal,
        Change::None if visitor == Visitor::Dead => Cookie::Removal,
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
