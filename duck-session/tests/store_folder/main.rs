//! `KeyAsFolderCache` on the port `SessionStore`: hostile directories, damage, dying writers, full disks, power
//! cuts, several processes, bounds.
//!
//! What takes long has a second, longer version behind `--ignored`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod bounds;
mod children;
mod contract;
mod cut;
mod damage;
mod directory;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../faults/disk.rs"]
mod disk;
mod full;
mod kill;
mod planted;
mod power;
mod processes;
mod site;
mod steps;
mod sweep;
mod traced;
mod users;
mod values;
