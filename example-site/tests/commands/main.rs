//! The real program: its server, and `example-site sessions …` beside it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the tests of the storages use the rest of it")]
#[path = "../../../duck-session/tests/faults/disk.rs"]
mod disk;
mod durability;
mod ending;
mod failing_calls;
mod keys;
mod looking;
mod migration;
mod misspelt;
mod site;
mod trouble;
