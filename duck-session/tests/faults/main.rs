//! The file storages on disks that fill up, go away and get damaged, and under processes that die.
//!
//! What takes long has a second, longer version behind `--ignored`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod children;
mod damage;
mod descriptors;
mod directory;
mod disk;
mod full;
mod history;
mod kill;
mod planted;
mod power;
mod site;
mod steps;
mod storage;
