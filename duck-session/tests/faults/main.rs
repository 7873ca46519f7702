//! Sites on the file storages, on disks that fill up, go away and get damaged, and in several processes. What the
//! storages promise by themselves is in `store_folder` and `store_dynamic_file`.
//!
//! What takes long has a second, longer version behind `--ignored`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod bots;
mod children;
mod damage;
mod descriptors;
mod directory;
#[expect(dead_code, reason = "tests of the storages cut the power")]
mod disk;
mod full;
mod history;
#[cfg(feature = "dynamic-file")]
mod planted;
mod site;
mod storage;
#[expect(dead_code, reason = "the sessions' tests use the rest of it")]
#[path = "../sessions/support.rs"]
mod support;
