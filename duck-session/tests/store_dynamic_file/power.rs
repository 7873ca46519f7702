//! Power that is cut at random moments: what was said to be on the disk is, and nothing is torn.

use duck_session::store::Durability;

use super::cut::{Cut, cut_after};
use super::disk::PowerDisk;
use super::options;
use super::steps::{SLOTS, Stored, after, child, durability, read_all};

/// What each slot may hold when the power is back: whatever it held since the last change that was on the disk.
struct Possible {
    now: Stored,
    slots: Vec<Vec<Option<u64>>>,
}

impl Possible {
    fn only(now: Stored) -> Self {
        let slots = now.iter().map(|value| vec![*value]).collect();
        Self { now, slots }
    }

    fn attempted(&mut self, step: u64) {
        let next = after(&self.now, step);
        for (slot, value) in self.slots.iter_mut().zip(&next) {
            if slot.last() != Some(value) {
                slot.push(*value);
            }
        }
        self.now = next;
    }

    fn acknowledged(&mut self, step: u64) {
        let before = self.now.clone();
        self.attempted(step);
        if durability(step) == Durability::Crash {
            return;
        }
        let is_clear = self.now.iter().all(Option::is_none);
        for (slot, (old, new)) in self.slots.iter_mut().zip(before.iter().zip(&self.now)) {
            if old != new || is_clear {
                *slot = vec![*new];
            }
        }
    }
}

async fn cut_power(cuts: u32) {
    let Some(mut disk) = PowerDisk::mount() else {
        return;
    };
    drop(options().shard_bytes(0).open(disk.dir()).await.unwrap());
    disk.sync();
    let (mut stored, mut next) = (vec![None; usize::try_from(SLOTS).unwrap()], 1);
    for turn in 0..cuts {
        let mut writer = child("takes steps", &disk.dir(), next);
        let mut possible = Possible::only(stored);
        let Cut { acknowledged, last } = cut_after(&disk, &mut writer, next + fastrand::u64(1..90));
        (next..=acknowledged).for_each(|step| possible.acknowledged(step));
        (acknowledged + 1..=last + 1).for_each(|step| possible.attempted(step));
        disk.restart();
        let store = options().shard_bytes(0).open(disk.dir()).await.unwrap();
        stored = read_all(&store).await;
        for (slot, (found, possible)) in stored.iter().zip(&possible.slots).enumerate() {
            let holds = possible.contains(found);
            assert!(holds, "cut {turn}, slot {slot}: {found:?} of {possible:?}");
        }
        drop(store);
        // What was read may not be on the disk yet, and the next cut counts from here.
        disk.sync();
        next = last + 2;
    }
}

#[tokio::test]
async fn what_is_durable_survives_power_cuts() {
    cut_power(24).await;
}

#[tokio::test]
#[ignore = "takes many minutes"]
async fn a_thousand_power_cuts() {
    cut_power(1000).await;
}
