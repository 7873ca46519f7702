//! What a storage of sessions promises, as suites that its author runs.
//!
//! A storage that keeps sessions most of the time is easily written. What sessions need of it shows only
//! when two requests meet, when a time is over, or when a logout races a slow save. The suites look for
//! that: three lines in the tests of a storage are enough.
//!
//! * [`store`]: for a [`SessionStore`](crate::store::SessionStore).
//! * [`cache`]: for a [`Cache`](crate::store::Cache), which has five methods. Besides a few promises of its own,
//!   it is held to those of the store that Duck makes of it.
//!
//! Each has a `suite`, which can be told more about the storage. It panics when a promise is broken, or gives a
//! [`Report`]. Where all promises of the storage are kept, sessions over it are tried
//! too, through the middleware.
//!
//! Each check opens the storage anew and uses keys of its own, so that all may open the same storage. It has
//! to be one for tests: the suite clears it. Checks of things that race run on threads of their own,
//! whatever runtime the test has. The whole takes a few seconds; the clock of the runtime must not be
//! paused. The feature `conformance` turns this on; give it to the dev-dependency alone.

pub mod cache;
mod promise;
mod report;
pub mod store;
mod suite;
mod threads;
mod verdict;

pub use self::report::{Check, Outcome, Report};
pub use self::suite::Suite;
