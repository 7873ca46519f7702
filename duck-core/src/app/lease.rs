//! How the processes of a site agree on which of them does something: the port, which storages implement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::BoxFuture;
use crate::error::Result;

/// Keeps, for all processes of a site, who does what at present: the timed tasks of `duck::tasks` ask it. The session
/// storages that several processes share come with it; [`Setup::leases`](crate::Setup::leases) takes one of your own.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use std::time::{Duration, Instant};
///
/// use duck::app::{Claim, Leases};
/// use duck::{App, BoxFuture, Result, Settings, Setup};
///
/// /// For the sites of one process.
/// #[derive(Default)]
/// struct InMemory(Mutex<HashMap<String, ([u8; 16], u64, Instant)>>);
///
/// impl Leases for InMemory {
///     fn acquire<'a>(&'a self, claim: Claim<'a>) -> BoxFuture<'a, Result<bool>> {
///         Box::pin(async move {
///             let mut held = self.0.lock().unwrap();
///             let now = Instant::now();
///             let is_granted = held.get(claim.name).is_none_or(|(holder, turn, until)| {
///                 (*holder, *turn) == (claim.holder, claim.turn) || (*until <= now && claim.turn > *turn)
///             });
///             if is_granted {
///                 held.insert(claim.name.to_owned(), (claim.holder, claim.turn, now + claim.time));
///             }
///             Ok(is_granted)
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let leases = Arc::new(InMemory::default());
/// let shared = leases.clone();
/// let app = App::new(Settings::default()).with(async move |setup: &mut Setup<'_>| {
///     setup.leases(shared);
///     Ok(())
/// });
/// # app.start().await?;
/// let claim = |holder, turn, seconds| Claim::new("report", [holder; 16], turn, Duration::from_secs(seconds));
/// assert!(leases.acquire(claim(1, 100, 60)).await?);
/// assert!(!leases.acquire(claim(2, 100, 60)).await?, "somebody has it");
/// assert!(leases.acquire(claim(1, 100, 0)).await?, "it is given back");
/// assert!(!leases.acquire(claim(2, 100, 60)).await?, "that turn was taken");
/// assert!(leases.acquire(claim(2, 200, 60)).await?);
/// # Ok(())
/// # }
/// ```
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
