//! The real program: its server, and `example-site sessions …` beside it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod descriptors;
#[expect(dead_code, reason = "the tests of the storages use the rest of it")]
#[path = "../../../duck-session/tests/faults/disk.rs"]
mod disk;
mod durability;
mod ending;
mod engine;
mod failing_calls;
mod keys;
mod logs;
mod looking;
mod migration;
mod misspelt;
mod nodes;
#[expect(dead_code, reason = "the tests of the storage use the rest of it")]
#[path = "../../../duck-session/tests/store_database/server.rs"]
mod postgres;
mod settings;
mod signals;
mod site;
mod standard_output_and_error;
mod starting;
mod tasks;
mod trouble;
