//! Runs the real `duck` in fresh folders.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod commands;
mod environment;
mod https;
mod interim;
mod run;
mod units;
mod upgrade;
