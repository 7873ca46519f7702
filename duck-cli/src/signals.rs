//! The signals that stop `duck run`: SIGTERM, SIGINT (Ctrl-C), and SIGHUP (the terminal was closed).

use std::sync::mpsc::Sender;
use std::{fs, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Context, Result};
use crate::group;
use crate::reload::Event;

/// Has the first signal stop the site, which answers what it has begun. A second SIGTERM or SIGINT
/// ends everything at once, whatever `duck run` is waiting for; a second SIGHUP does not, for a terminal
/// that is closed often sends two. Where SIGHUP is ignored, as `nohup` has it, it stays so.
pub(crate) fn stop(sender: Sender<Event>) -> Result {
    let mut wanted = vec![SIGTERM, SIGINT];
    if !hangup_is_ignored() {
        wanted.push(SIGHUP);
    }
    let signals = Signals::new(wanted).context(|| "cannot wait for signals".into())?;
    thread::spawn(move || follow(signals, &sender));
    Ok(())
}

fn follow(mut signals: Signals, sender: &Sender<Event>) {
    let mut asked = false;
    for signal in signals.forever() {
        let hangup = signal == SIGHUP;
        if asked && !hangup {
            group::kill_all();
            process::exit(128 + signal);
        }
        asked |= !hangup;
        // Nobody listens once `duck run` is over.
        let _ = sender.send(Event::Stop);
    }
}

/// `SigIgn` in `/proc/self/status`: proc(5). The lowest bit is signal 1, which is SIGHUP.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
