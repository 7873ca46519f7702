//! How the processes of a site agree on which of them does something: the port, which storages implement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::BoxFuture;
use crate::error::Result;

/// Keeps, for all processes of a site, who does what at present: the timed tasks of `duck::tasks` ask it. The session
/// storages that several processes share come with it; see [`Setup::leases`](crate::Setup::leases) for one of your own.
pub trait Leases: Send + Sync {
    /// Grants a claim, or refuses it. It is granted
    ///
    /// * to whoever was granted this turn and holds it still: it is prolonged, or given back where the time is zero;
    /// * where nobody holds the name, and no turn as late as this one was ever granted.
    ///
    /// Both are looked at and written in one step for all processes. What is held is free again when its time is over:
    /// whoever holds it may have died.
    ///
    /// # Errors
    ///
    /// When it cannot be known whether the claim was granted.
    fn acquire<'a>(&'a self, claim: Claim<'a>) -> BoxFuture<'a, Result<bool>>;
}

/// What somebody asks for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Claim<'a> {
    /// What is to be done: the name of a task.
    pub name: &'a str,
    /// Who asks: 16 random bytes.
    pub holder: [u8; 16],
    /// For which time it was planned, in seconds since 1970, UTC. One that is an hour ahead of this turn, or more, was
    /// granted to a process whose clock was wrong, and does not count.
    pub turn: u64,
    /// For how long, from now on: an hour at most.
    pub time: Duration,
}

impl<'a> Claim<'a> {
    /// A claim.
    pub fn new(name: &'a str, holder: [u8; 16], turn: u64, time: Duration) -> Self {
        Self {
            name,
            holder,
            turn,
            time,
        }
    }
}

/// Where a component finds the leases that another one has, whichever of them starts first.
#[derive(Clone, Default)]
pub(crate) struct LeaseSlot(Arc<OnceLock<Arc<dyn Leases>>>);

impl LeaseSlot {
    pub(crate) fn fill(&self, leases: Arc<dyn Leases>) {
        // The first one counts.
        let _ = self.0.set(leases);
    }

    #[cfg_attr(
        not(feature = "tasks"),
        expect(dead_code, reason = "only tasks ask for it")
    )]
    pub(crate) fn get(&self) -> Option<&Arc<dyn Leases>> {
        self.0.get()
    }
}
