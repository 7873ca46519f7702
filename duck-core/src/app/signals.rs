//! The signals that stop a site: SIGTERM, SIGINT (Ctrl-C), and SIGHUP (the terminal was closed).
//!
//! The first one lets requests under way finish. A second SIGTERM or SIGINT ends the process at
//! once, and so does the first one while the site is still starting. A second SIGHUP does not: a
//! terminal that is closed often sends two. Where SIGHUP is ignored, as `nohup` has it, it stays so.
//!
//! The signals are received by a thread of their own: the second one has to count just when
//! everything else hangs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::Notify;

use crate::app::stderr;

/// How long the last lines of the log may take to be written when the process ends at once.
const PATIENCE: Duration = Duration::from_millis(100);

/// Receives the signals.
pub(crate) struct StopSignals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    serving: AtomicBool,
    stop: Notify,
}

impl StopSignals {
    /// Receives signals from now on.
    pub(crate) fn receive() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut wanted = vec![SIGTERM, SIGINT];
        if !hangup_is_ignored() {
            wanted.push(SIGHUP);
        }
        let signals = Signals::new(wanted)?;
        let thread = thread::Builder::new().name("signals".into());
        thread.spawn({
            let shared = shared.clone();
            move || follow(signals, &shared)
        })?;
        Ok(Self(shared))
    }

    /// The site serves from now on. The future is done at the first signal.
    pub(crate) fn serving(self) -> impl Future<Output = ()> {
        self.0.serving.store(true, Ordering::SeqCst);
        async move { self.0.stop.notified().await }
    }
}

fn follow(mut signals: Signals, shared: &Shared) {
    let mut asked = false;
    for signal in signals.forever() {
        let hangup = signal == SIGHUP;
        if asked && !hangup || !shared.serving.load(Ordering::SeqCst) {
            end_at_once(signal);
        }
        asked |= !hangup;
        shared.stop.notify_one();
    }
}

/// Ends the process with the code by which shells tell a signal: 130 for SIGINT, 143 for SIGTERM.
fn end_at_once(signal: i32) -> ! {
    stderr::flush(PATIENCE);
    std::process::exit(128 + signal)
}

/// Whether whoever started the process had it ignore SIGHUP. Linux says so; elsewhere the answer is no.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Reads `SigIgn` in `/proc/self/status`: proc(5). The lowest bit is signal 1, which is SIGHUP.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_seen_in_the_mask() {
        for (mask, ignored) in [
            ("0000000000001001", true),
            ("0000000000001000", false),
            ("x", false),
        ] {
            let status = format!("Name:\tsite\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
            assert_eq!(ignores_hangup(&status), ignored, "{mask}");
        }
        assert!(!ignores_hangup(""));
    }
}
