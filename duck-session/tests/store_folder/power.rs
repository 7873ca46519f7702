//! Power that is cut at random moments: what was said to be on the disk is, and nothing is torn.
//!
//! Once by hand, in every way in which a disk may have taken what was not waited for; and once on a real file
//! system in a file, which is shut down under a running writer, as `xfstests` does.

use std::fs;
use std::process::Stdio;

use duck_session::store::{SessionStore, StoredSession};

use crate::children::child;
use crate::cut::cut_after;
use crate::disk::PowerDisk;
use crate::site::{Crash, KEY, PowerCut, Site, next, open, replace};
use crate::steps::{Deed, KEYS, Stored, after, assert_users_have_theirs, deed, key, read_all};

const SECTOR: usize = 512;
const SLOT: usize = 1024;

/// Where a slot says that it is on the disk.
const ON_DISK: std::ops::Range<usize> = 8..16;

/// What the disk may hold of a file: its states since it was known to be there.
struct Disk {
    states: Vec<Vec<u8>>,
}

impl Disk {
    /// The file was written to; `durably` says that the writer has heard from the disk, and then noted it. And a
    /// writer that finds a state of which nobody knows waits for the disk, and notes that, before it writes its own.
    fn written(&mut self, now: Vec<u8>, durably: bool) {
        let before = self.states.last().unwrap().clone();
        for slot in (0..now.len()).step_by(SLOT) {
            let on_disk = slot + ON_DISK.start..slot + ON_DISK.end;
            if !is_new(slot, &before, &now) && now[on_disk.clone()] != before[on_disk] {
                self.states = vec![before.clone()];
            }
        }
        for slot in (0..now.len()).step_by(SLOT) {
            if durably && is_new(slot, &before, &now) {
                self.states = vec![unconfirmed(slot, &now)];
            }
        }
        self.states.push(now);
    }

    /// What is there when the power is back: each sector is of any of the states, and one of them may be half of
    /// one and half of another.
    fn cut(&self) -> Vec<u8> {
        let any = || &self.states[fastrand::usize(..self.states.len())];
        let sectors = (0..self.states[0].len()).step_by(SECTOR);
        let torn = fastrand::usize(..self.states[0].len());
        let pick = |start: usize| {
            let mut sector = any()[start..start + SECTOR].to_vec();
            if (start..start + SECTOR).contains(&torn) {
                sector[torn - start..].copy_from_slice(&any()[torn..start + SECTOR]);
            }
            sector
        };
        // Mostly it has all of one state, and only the last writes are in doubt.
        if fastrand::u8(..4) == 0 {
            return any().clone();
        }
        sectors.flat_map(pick).collect()
    }
}

fn is_new(slot: usize, before: &[u8], now: &[u8]) -> bool {
    now[slot + ON_DISK.end..slot + SLOT] != before[slot + ON_DISK.end..slot + SLOT]
}

fn unconfirmed(slot: usize, file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[slot + ON_DISK.start..slot + ON_DISK.end].fill(0);
    file
}

/// After each cut the writer goes on with what it finds. Now and then a writer is killed while it waits for the disk.
#[tokio::test]
async fn a_thousand_simulated_power_cuts_leave_the_last_durable_state_or_a_newer_one() {
    let site = Site::new().await;
    let mut session = site.create(KEY, "begun").await;
    let second = next(&session, "durable");
    replace(&site.store, session.version(), &second, PowerCut).await;
    session = second;
    let record = site.record(KEY);
    // The last durable state, and all that were written since.
    let mut since_durable = vec![session.clone()];
    let mut fell_back = 0;
    for cut in 0..1000 {
        let mut disk = Disk {
            states: vec![fs::read(&record).unwrap()],
        };
        for _ in 0..fastrand::u8(..9) {
            // No two are alike in any sector, as it is with what is sealed.
            let text: String = std::iter::repeat_with(fastrand::alphanumeric)
                .take(fastrand::usize(1..940))
                .collect();
            let new = next(&session, &text);
            let durable = fastrand::u8(..4) == 0;
            let durability = if durable { PowerCut } else { Crash };
            replace(&site.store, session.version(), &new, durability).await;
            let before = disk.states.last().unwrap().clone();
            let mut now = fs::read(&record).unwrap();
            let is_killed = durable && fastrand::bool();
            if is_killed {
                // Before it heard from the disk.
                for slot in (0..now.len()).step_by(SLOT) {
                    if is_new(slot, &before, &now) {
                        now = unconfirmed(slot, &now);
                    }
                }
                fs::write(&record, &now).unwrap();
            } else if durable {
                since_durable.clear();
            }
            disk.written(now, durable && !is_killed);
            since_durable.push(new.clone());
            session = new;
        }
        fs::write(&record, disk.cut()).unwrap();
        let found = site.store.load(&KEY).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("cut {cut}: the session is gone"));
        let is_one =
            |it: &&StoredSession| it.version() == found.version() && it.bytes() == found.bytes();
        let it = since_durable.iter().find(is_one);
        assert!(
            it.is_some(),
            "cut {cut}: older than what is durable, or torn"
        );
        fell_back += usize::from(found.version() != session.version());
        session = found;
    }
    assert!(fell_back > 100, "{fell_back} cuts lost something at all");
}

/// What each key may hold when the power is back.
struct Possible {
    /// When all steps so far were taken.
    now: Stored,
    keys: [Vec<Option<u64>>; KEYS],
}

impl Possible {
    /// `is_durable` says of which keys the state was written to outlive a cut.
    fn only(now: Stored, is_durable: [bool; KEYS]) -> Self {
        let mut keys = now.map(|value| vec![value]);
        for (states, is_durable) in keys.iter_mut().zip(is_durable) {
            if !is_durable {
                states.push(None);
            }
        }
        Self { now, keys }
    }

    /// A step may have been taken.
    fn attempted(&mut self, step: u64) {
        self.now = after(self.now, step);
        self.keys[key(step)].push(self.now[key(step)]);
    }

    /// A step was acknowledged. What was stored durably, and what was removed so, is on the disk.
    fn acknowledged(&mut self, step: u64, is_durable: &mut [bool; KEYS]) {
        let key = key(step);
        let was_there = self.now[key].is_some();
        self.attempted(step);
        let durably = match deed(step) {
            Deed::WriteDurably => true,
            Deed::RemoveDurably => was_there,
            Deed::Write => return,
            Deed::Remove | Deed::Expire => false,
        };
        is_durable[key] = durably && self.now[key].is_some();
        if durably {
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

async fn cut_power(cuts: u32) {
    let Some(mut disk) = PowerDisk::mount() else {
        return;
    };
    drop(open(&disk.dir()).await);
    disk.sync();
    let (mut stored, mut next, mut is_durable) = (Stored::default(), 1, [false; KEYS]);
    for turn in 0..cuts {
        let mut writer = child("writes", &disk.dir(), next)
            .stderr(Stdio::null()) // it complains of the disk
            .spawn()
            .unwrap();
        let mut possible = Possible::only(stored, is_durable);
        let cut = cut_after(&disk, &mut writer, next + fastrand::u64(1..40));
        (next..=cut.acknowledged).for_each(|step| possible.acknowledged(step, &mut is_durable));
        (cut.acknowledged + 1..=cut.last + 1).for_each(|step| possible.attempted(step));
        disk.restart();
        let store = open(&disk.dir()).await;
        stored = read_all(&store).await;
        possible.assert_holds(stored, turn);
        for (is_durable, found) in is_durable.iter_mut().zip(stored) {
            *is_durable &= found.is_some();
        }
        store.remove_expired(1, 1000).await.unwrap();
        assert_users_have_theirs(&store).await;
        drop(store);
        // What was read may not be on the disk yet, and the next cut counts from here.
        disk.sync();
        next = cut.last + 2;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_durable_survives_power_cuts() {
    cut_power(24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes many minutes"]
async fn a_thousand_power_cuts() {
    cut_power(1000).await;
}
