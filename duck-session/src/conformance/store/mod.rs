//! What every [`SessionStore`] promises, as a suite that its author runs.
//!
//! ```
//! use std::sync::Arc;
//!
//! use duck_session::conformance;
//! use duck_session::store::InMemoryCache;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() { keeps_the_contract().await }
//! # /*
//! #[tokio::test]
//! # */
//! async fn keeps_the_contract() {
//!     let store = Arc::new(InMemoryCache::default()); // in the place of a server
//!     let open = move || {
//!         let connection = store.clone();
//!         async { connection }
//!     };
//!     let suite = conformance::store::suite(open);
//!     suite
//!         .outlives_a_restart() // what was stored is there when it is closed and opened again
//!         .is_shared() // several that are open at once are one store
//!         .run()
//!         .await;
//! }
//! ```

mod expiry;
mod fields;
mod listing;
mod race;
mod reopening;
mod sessions;
mod trial;
mod users;
mod versions;

use std::sync::Arc;

use self::trial::Trial;
use super::promise::{AskedOf, Open, Promise, promises};
use super::suite::Suite;
use crate::store::SessionStore;

/// The suite for a store that `open` opens. Where `open` opens the same store each time, say
/// [`is_shared`](Suite::is_shared): what is asked of several handles is checked only then.
pub fn suite<S, F>(open: impl Fn() -> F + Send + Sync + 'static) -> Suite
where
    S: SessionStore,
    F: Future<Output = S> + Send + 'static,
{
    let open: Open<S> = Arc::new(move || Box::pin(open()));
    Suite::new(of_the_store(&open), of_sessions(&open))
}

/// What sessions over the store promise.
pub(super) fn of_sessions<S: SessionStore>(open: &Open<S>) -> Vec<Promise> {
    promises! { open, Trial<S>:
        All: sessions::knows_a_visitor_again "a session is found again, and gone after a logout",
        All: sessions::counts_parallel_updates "of 200 updates of one session at once, all count",
        All: sessions::keeps_both_keys "two requests keep each other's values",
        All: sessions::keeps_a_logout "a slow save does not undo a logout",
        All: sessions::gives_up_the_old_id "after a login or a new id, the old id reads and changes nothing",
        Outliving: sessions::outlive_the_site "sessions outlive the site, logouts too",
        Shared: sessions::two_sites_share "two sites over one storage count together",
    }
}

/// First one after the other, then at once, then over several handles.
pub(super) fn of_the_store<S: SessionStore>(open: &Open<S>) -> Vec<Promise> {
    promises! { open, Trial<S>:
        All: fields::loads_what_was_stored "what was stored last is what is loaded",
        All: fields::keeps_every_field "version, user and end come back exactly",
        All: fields::keeps_any_bytes "a session holds any bytes: NUL, line ends, no bytes at all",
        All: fields::keeps_large_sessions "a session may have a mebibyte",
        All: fields::keeps_keys_apart "keys that look alike hold each their own session",
        All: fields::clears "`clear` leaves nothing, and the store goes on",
        All: fields::flushes_at_any_time "`flush` may be called at any time and changes nothing",
        All: versions::creates_only_under_a_free_key "`create` stores nothing under a key that is taken",
        All: versions::replaces_only_the_expected_version "`replace` replaces the expected version, as a whole, and no other",
        All: versions::removes "a removed session is gone, alone, and only one `remove` says that it did it",
        All: versions::removes_only_the_expected_version "`remove` of a version removes no other",
        All: versions::keeps_what_was_removed_gone "a late `replace` brings nothing back",
        All: expiry::loads_what_expired "a session is loaded after its end as before, and takes its key",
        All: expiry::removes_only_what_expired "`remove_expired` removes every expired session and no other",
        All: expiry::removes_no_more_than_asked "`remove_expired` keeps to its limit, and counts what it removed",
        All: expiry::spares_what_was_prolonged "a session that was given a later end stays",
        All: users::finds_sessions_of_a_user "`of_user` gives the sessions of a user, from the moment they are stored",
        All: users::follows_a_change_of_user "a session that gets another user is that user's at once",
        All: users::gives_no_more_than_asked "`of_user` keeps to its limit, and fills it",
        All: users::forgets_what_is_gone "a session that is gone is nobody's",
        All: listing::lists_each_session_once "`page`, where there is one, lists each session once",
        All: listing::refuses_a_wrong_cursor "`page` begins where another page ended, and nowhere else",
        All: race::lets_one_of_many_create "of many who create a session at once, one does",
        All: race::loses_no_replace "no `replace` of many at once is lost",
        All: race::lets_no_replace_undo_a_remove "a `remove` is final, whatever races it",
        All: race::lets_one_of_many_remove "of many who remove a session at once, one does",
        All: race::spares_what_is_being_prolonged "`remove_expired` removes nothing that a `replace` prolongs",
        All: race::shows_whole_sessions "a reader beside writers sees whole sessions",
        All: race::keeps_users_listed "a session that is being replaced stays in its user's list",
        All: race::keeps_writers_apart "writers of different sessions do not meet",
        Outliving: reopening::is_there_after_reopening "what was stored is there when it is opened again",
        Shared: reopening::is_one_store "what one handle writes, all others read at once",
        Shared: reopening::handles_race_as_threads_do "of many handles that create or replace at once, one does",
    }
}
