//! Users who log in: `duck::auth` over real sessions.

mod ends;
mod login;
mod next;
mod required;
mod start;
mod support;
mod templates;
mod throttle;
mod user;
