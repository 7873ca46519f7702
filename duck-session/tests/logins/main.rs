//! Users who log in: `duck::auth` over real sessions.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod ends;
#[path = "../sessions/log.rs"]
mod log;
mod login;
mod next;
mod required;
mod sign_up;
mod start;
mod support;
mod templates;
mod throttle;
mod user;
mod views;
