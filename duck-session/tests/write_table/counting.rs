//! How often a store was asked for each thing.

use crate::support::Op;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) loads: usize,
    /// The sessions of a user are asked for.
    pub(crate) lists: usize,
    pub(crate) creates: usize,
    pub(crate) replaces: usize,
    pub(crate) removes: usize,
}

impl Counts {
    pub(crate) fn of(calls: &[Op]) -> Self {
        let count = |op: Op| calls.iter().filter(|call| **call == op).count();
        Self {
            loads: count(Op::Load),
            lists: count(Op::List),
            creates: count(Op::Create),
            replaces: count(Op::Replace),
            removes: count(Op::Remove),
        }
    }
}
