//! `example-site sessions …`: the real program, beside a server that is running.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ending;
mod keys;
mod looking;
mod migration;
mod site;
mod trouble;
