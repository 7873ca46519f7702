//! Connections to PostgreSQL: how they begin, and which of them are used again.

use std::time::Duration;

use deadpool_postgres::tokio_postgres::error::SqlState;
use deadpool_postgres::tokio_postgres::types::ToSql;
use deadpool_postgres::tokio_postgres::{Error as PgError, Row};
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use duck::server::{thread_count, thread_runtime};
use duck::{Error, Result};

use super::address::Address;
use crate::store::runtimes::{Runtimes, within};

/// Values for a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A statement that nobody waits for any more ends in the server after so many times the patience of the site.
const PATIENCE: u32 = 10;

/// Where a store finds its connections.
pub(super) enum Pools {
    /// In one that the site has for other things too.
    OfSite(Pool),
    /// In those that it has to itself: one for each runtime, which drives its connections.
    Own {
        make: Box<dyn Fn() -> Pool + Send + Sync>,
        pools: Runtimes<Pool>,
    },
}

impl Pools {
    /// Those of a store that has them to itself: so many connections at most for the threads that answer requests
    /// together, and one at least for each of these. Whatever else the site does may have as many.
    pub(super) fn new(
        address: Address,
        size: usize,
        waits_for_disk: bool,
        patience: Duration,
    ) -> Result<Self, String> {
        let make = pool(address, waits_for_disk, patience)?;
        Ok(Self::Own {
            make: Box::new(move || make(share(size, thread_count()))),
            pools: Runtimes::default(),
        })
    }

    /// A connection for one statement.
    pub(super) async fn lease(&self) -> Result<Leased, PoolError> {
        let leased = match self {
            Self::OfSite(pool) => pool.get().await,
            Self::Own { make, pools } => {
                let runtime = thread_runtime();
                let pool = pools.get(&runtime, make);
                within(&runtime, pool.get()).await
            }
        };
        Ok(Leased(Some(leased?)))
    }
}

/// How many of so many connections each thread has.
fn share(size: usize, threads: usize) -> usize {
    (size / threads).max(1)
}

/// Makes pools of so many connections.
fn pool(
    address: Address,
    waits_for_disk: bool,
    patience: Duration,
) -> Result<impl Fn(usize) -> Pool + Send + Sync, String> {
    let tls = address.check.connector()?;
    let mut config = address.config;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(patience * PATIENCE);
    }
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let settings = settings(waits_for_disk, patience);
    Ok(move |size| {
        let manager = Manager::from_config(config.clone(), tls.clone(), recycling.clone());
        let settings = settings.clone();
        let set = Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move {
                let set = client.batch_execute(&settings).await;
                set.map_err(HookError::Backend)
            })
        });
        Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(patience * PATIENCE))
            .post_create(set)
            .build()
            .expect("a runtime is named")
    })
}

/// What holds for all statements of a connection. A commit waits for the server's disk even where its configuration
/// says otherwise, or a crash of the server would take back what a visitor has got an answer for. And of two that write
/// one row, the second looks at it again, which is what only this level of isolation does.
fn settings(waits_for_disk: bool, patience: Duration) -> String {
    let commit = if waits_for_disk {
        "SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off';"
    } else {
        "SET synchronous_commit = off;"
    };
    let timeout = (patience * PATIENCE).as_millis().clamp(1, 2_147_483_647);
    format!(
        "SET default_transaction_isolation = 'read committed'; {commit} \
         SELECT set_config('statement_timeout', '{timeout}ms', false) \
         WHERE current_setting('statement_timeout') = '0';"
    )
}

/// A connection while it is used for one statement. It goes back to the pool when the statement is answered: after
/// half an answer the connection is dropped, and nobody reads the rest in place of their own.
pub(super) struct Leased(Option<Object>);

impl Leased {
    pub(super) async fn query(
        self,
        statement: &str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, PgError> {
        let answer = async {
            let client = self.client();
            let prepared = client.prepare_cached(statement).await?;
            client.query(&prepared, values).await
        };
        let answer = answer.await;
        self.give_back(answer)
    }

    pub(super) async fn execute(self, statement: &str, values: Values<'_>) -> Result<u64, PgError> {
        let answer = async {
            let client = self.client();
            let prepared = client.prepare_cached(statement).await?;
            client.execute(&prepared, values).await
        };
        let answer = answer.await;
        self.give_back(answer)
    }

    /// Several statements, without values.
    pub(super) async fn batch(self, statements: &str) -> Result<(), PgError> {
        self.client().batch_execute(statements).await?; // or it is in the middle of a transaction
        self.give_back(Ok(()))
    }

    fn client(&self) -> &Object {
        self.0.as_ref().expect("it is given back once")
    }

    fn give_back<T>(mut self, answer: Result<T, PgError>) -> Result<T, PgError> {
        if answer.as_ref().err().is_none_or(leaves_connection_good) {
            drop(self.0.take());
        }
        answer
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// Where the server has no room, or took too long, another connection would do no better. After any other error it
/// might: this one may lead to a server that has become a replica, or know a table that is another one by now.
fn leaves_connection_good(error: &PgError) -> bool {
    let has_no_room = |code: &SqlState| code.code().starts_with("53");
    error
        .code()
        .is_some_and(|code| has_no_room(code) || *code == SqlState::QUERY_CANCELED)
}

/// Whether the server could not be asked at this moment, in place of having said no: it is down, starts or stops, has
/// no connection free, or cannot be found.
pub(super) fn is_out_of_reach(error: &Error) -> bool {
    let error = match error.downcast_ref::<PoolError>() {
        Some(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
            error
        }
        Some(PoolError::Timeout(_)) => return true,
        Some(_) => return false,
        None => match error.downcast_ref::<PgError>() {
            Some(error) => error,
            None => return false,
        },
    };
    if let Some(code) = error.code() {
        return ["08", "53", "57P"]
            .iter()
            .any(|class| code.code().starts_with(class));
    }
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<std::io::Error>()) {
        // A certificate that is not good will not be better in a minute.
        Some(error) => error
            .get_ref()
            .is_none_or(|inner| !inner.is::<rustls::Error>()),
        None => error.is_closed() || error.to_string().starts_with("timeout"),
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn threads_have_no_more_connections_together_than_the_setting_says_and_one_at_least() {
        for (size, threads, each) in [(4, 1, 4), (4, 2, 2), (4, 3, 1), (8, 3, 2), (4, 16, 1)] {
            assert_eq!(share(size, threads), each, "{size} for {threads}");
            assert!(each * threads <= size.max(threads));
        }
    }
}
