//! Sessions as a site uses them: through the middleware, with every storage.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod api;
mod bonds;
mod caching;
mod concurrency;
mod conflict;
mod cookie_corpus;
mod cookies;
mod csrf_tokens;
mod durability;
mod error_pages;
mod failure;
mod flash;
mod health;
mod identity;
mod in_process;
#[cfg(feature = "metrics")]
mod journal;
mod limits;
mod live;
mod load;
mod log;
mod login_races;
mod processes;
mod regressions;
mod renewal;
mod replay;
mod sealed_cookie;
mod settings;
mod several_cookies;
mod shared_cache;
mod support;
mod templates;
mod test_login;
mod timeouts;
mod users;
mod watch;
mod write;
