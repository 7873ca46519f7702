//! Power that is cut at random moments: what was said to be on the disk is, and nothing is torn.
//! Rule F7.
//!
//! The file system is a real one, in a file. It is shut down under a running writer, as
//! `xfstests` does: whatever the kernel has not handed to the disk by then is lost.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::children::child;
use crate::disk::PowerDisk;
use crate::steps::{Deed, KEYS, Stored, after, deed, key, read_all};
use crate::storage::{Storage, on_each_storage};

/// What each key may hold when the power is back.
struct Possible {
    may_lose_unsynced: bool,
    /// When all steps so far were taken.
    now: Stored,
    keys: [Vec<Option<u64>>; KEYS],
}

impl Possible {
    fn only<S: Storage>(now: Stored) -> Self {
        Self {
            may_lose_unsynced: S::MAY_LOSE_UNSYNCED,
            now,
            keys: now.map(|value| vec![value]),
        }
    }

    /// A step may have been taken.
    fn attempted(&mut self, step: u64) {
        self.now = after(self.now, step);
        let possible = &mut self.keys[key(step)];
        possible.push(self.now[key(step)]);
        if self.may_lose_unsynced {
            possible.push(None);
        }
    }

    /// A step was acknowledged. What was stored durably, and the removal of what was there, is on the
    /// disk.
    fn acknowledged(&mut self, step: u64) {
        let key = key(step);
        let is_durable = match deed(step) {
            Deed::WriteDurably => true,
            Deed::Delete => self.now[key].is_some(),
            Deed::Write | Deed::Set | Deed::Expire => false,
        };
        self.attempted(step);
        if is_durable {
            self.keys[key] = vec![self.now[key]];
        }
    }

    fn assert_holds(&self, found: Stored, turn: u32) {
        for (key, (found, possible)) in found.iter().zip(&self.keys).enumerate() {
            let holds = possible.contains(found);
            assert!(holds, "cut {turn}, key {key}: {found:?} of {possible:?}");
        }
    }
}

async fn cut_power<S: Storage>(cuts: u32) {
    let Some(mut disk) = PowerDisk::mount() else {
        return;
    };
    drop(S::open(&disk.dir()));
    disk.sync();
    let (mut stored, mut next) = (Stored::default(), 1);
    for turn in 0..cuts {
        let mut writer = child::<S>("writes", &disk.dir(), next)
            .stderr(Stdio::null()) // it complains of the disk
            .spawn()
            .unwrap();
        let mut possible = Possible::only::<S>(stored);
        let cut = cut_after(&disk, &mut writer, next + fastrand::u64(1..40));
        (next..=cut.acknowledged).for_each(|step| possible.acknowledged(step));
        (cut.acknowledged + 1..=cut.last + 1).for_each(|step| possible.attempted(step));
        disk.restart();
        stored = read_all(&S::open(&disk.dir())).await;
        possible.assert_holds(stored, turn);
        // What was read may not be on the disk yet, and the next cut counts from here.
        disk.sync();
        next = cut.last + 2;
    }
}

/// What was known when the power was cut.
struct Cut {
    /// The last step that was acknowledged before.
    acknowledged: u64,
    /// The last one after which the writer still spoke. Whoever waits for a disk while it goes may
    /// be told that all is well.
    last: u64,
}

/// Cuts the power some time after a step.
fn cut_after(disk: &PowerDisk, writer: &mut Child, step: u64) -> Cut {
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

async fn what_is_durable_survives_power_cuts<S: Storage>() {
    cut_power::<S>(24).await;
}

async fn a_thousand_power_cuts<S: Storage>() {
    cut_power::<S>(1000).await;
}

on_each_storage!(
    what_is_durable_survives_power_cuts,
    #[ignore = "takes many minutes"]
    a_thousand_power_cuts,
);
