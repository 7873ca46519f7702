//! The real program: its server, and `example-site sessions …` beside it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod durability;
mod ending;
mod keys;
mod looking;
mod migration;
mod site;
mod trouble;
