//! The signals that stop a site, SIGTERM and SIGINT (Ctrl-C), and SIGHUP.
//!
//! The first one lets requests under way finish. A second SIGTERM or SIGINT ends the process at
//! once, and so does the first one while the site is still starting.
//!
//! SIGHUP says that the terminal was closed where the process has one: it stops the site, and a second one does
//! no more, as a terminal that is closed often sends two. A process without a terminal, a service, is asked by it
//! to read anew what it can. Where SIGHUP is ignored, as `nohup` has it, it stays so.
//!
//! The signals are received by a thread of their own: the second one has to count just when
//! everything else hangs.

use std::fs::File;
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
#[derive(Clone)]
pub(crate) struct StopSignals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    serving: AtomicBool,
    stop: Notify,
    reload: Notify,
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
            let reloads = !has_terminal();
            move || follow(signals, reloads, &shared)
        })?;
        Ok(Self(shared))
    }

    /// The site serves from now on. The future is done at the first signal.
    pub(crate) fn serving(self) -> impl Future<Output = ()> {
        self.0.serving.store(true, Ordering::SeqCst);
        async move { self.0.stop.notified().await }
    }

    /// Waits until the site is asked to read anew what it can. What was asked while nobody waited counts once.
    pub(crate) async fn reload(&self) {
        self.0.reload.notified().await;
    }
}

fn follow(mut signals: Signals, reloads: bool, shared: &Shared) {
    let mut asked = false;
    for signal in signals.forever() {
        let hangup = signal == SIGHUP;
        if hangup && reloads {
            shared.reload.notify_one();
            continue;
        }
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

/// Whether the process has a terminal of its own, where Ctrl-C comes from: `/dev/tty` is that (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
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
