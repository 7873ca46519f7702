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
mod error_pages;
mod failure;
mod flash;
mod identity;
#[cfg(feature = "metrics")]
mod journal;
mod limits;
mod load;
mod processes;
mod regressions;
mod renewal;
mod sealed_cookie;
mod settings;
mod shared_cache;
mod support;
mod templates;
mod test_cookie;
mod test_login;
mod timeouts;
mod typed;
mod users;
mod watch;
mod write;
