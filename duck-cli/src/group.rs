//! Processes that we have started, each in a process group of its own.

use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process and those that it starts. It is dropped when the process has been waited for: until
/// then nobody else can have its id.
#[derive(Debug)]
pub(crate) struct Group(Pid);

impl Group {
    /// The group that this process was started in, and leads.
    pub(crate) fn of(child: &Child) -> Self {
        let leader = Pid::from_child(child);
        running().push(leader);
        Self(leader)
    }

    pub(crate) fn terminate(&self) {
        // They may have ended by themselves: then there is no such group, and nothing to do.
        let _ = kill_process_group(self.0, Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        running().retain(|leader| *leader != self.0);
    }
}

pub(crate) fn kill_all() {
    for leader in running().iter() {
        let _ = kill_process_group(*leader, Signal::KILL);
    }
}

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
