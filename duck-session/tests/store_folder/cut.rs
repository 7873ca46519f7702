//! A child process that is killed while it writes, or whose power is cut, and what it had said by then.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::disk::PowerDisk;

/// What was known when the power was cut.
pub(crate) struct Cut {
    /// The last step that was acknowledged before.
    pub(crate) acknowledged: u64,
    /// The last one after which the writer still spoke. Whoever waits for a disk while it goes may be told that
    /// all is well.
    pub(crate) last: u64,
}

/// Cuts the power some time after a step.
pub(crate) fn cut_after(disk: &PowerDisk, writer: &mut Child, step: u64) -> Cut {
    let done = Arc::new(AtomicU64::new(0));
    let reader = std::thread::spawn({
        let (done, out) = (Arc::clone(&done), writer.stdout.take().unwrap());
        move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(step) = line.strip_prefix("done ") {
                    done.store(step.parse().unwrap(), Ordering::SeqCst);
                }
            }
        }
    });
    // What a dead writer did last is taken to the disk by nothing that came after.
    let dies_first = fastrand::bool();
    let interval = if dies_first {
        20
    } else {
        fastrand::u64(1..3000)
    };
    while done.load(Ordering::SeqCst) < step {
        assert!(!reader.is_finished(), "the writer ended by itself");
        std::thread::sleep(Duration::from_micros(interval));
    }
    let end = || {
        writer.kill().unwrap();
        writer.wait().unwrap();
        reader.join().unwrap();
        done.load(Ordering::SeqCst)
    };
    if dies_first {
        let last = end();
        disk.cut();
        return Cut {
            acknowledged: last,
            last,
        };
    }
    let acknowledged = done.load(Ordering::SeqCst);
    disk.cut();
    // Some writes still seem to work: they are in memory only.
    let last = end();
    Cut { acknowledged, last }
}

/// Kills a child some time after a step, and gives the step it acknowledged last.
pub(crate) fn kill_after(child: &mut Child, step: u64, wait: Duration) -> u64 {
    let (mut last, mut killed) = (step, false);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let Some(done) = line.strip_prefix("done ") else {
            continue;
        };
        last = done.parse().unwrap();
        if last >= step && !killed {
            // Waits for nothing: the moment has to be a random one.
            let start = Instant::now();
            while start.elapsed() < wait {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself");
    last
}
