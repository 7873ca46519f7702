//! A connection for each runtime, which all requests that it runs share.
//!
//! Where connections of visitors stay on their threads, each of these has a runtime: so an answer reaches its view
//! without another thread being woken. Everything else is done by the runtime that the site was started in.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use duck::server::thread_runtime;
use hashbrown::HashMap;
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, RedisResult,
    ServerErrorKind, Value, cmd,
};
use tokio::runtime::{Handle, Id};

use super::address::Address;
use super::cluster::Cluster;
use super::health::{self, Health};
use super::pipeline::{Pipeline, within};
use super::script::Script;
use super::sentinels::Sentinels;

/// How often a command is sent that the server has refused or that may be sent again.
const MOST_TRIES: u32 = 4;

/// Where Redis is.
pub(super) enum Server {
    One(Client),
    /// Who knows which server is the primary.
    Sentinels(Sentinels),
    /// Some of the nodes, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) enum Link {
    One(Pipeline),
    Cluster(Cluster),
}

/// What may be done when a connection was lost before the answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The command is sent again: a second time changes nothing.
    May,
    /// It may have been carried out, and somebody may have built upon it: the engine looks at what is there.
    MustNot,
}

/// Connects when a connection is needed and there is none. Who asks while the server is away gets an error, and
/// the next one tries again: how often, the engine's breaker sees to.
pub(super) struct Connection {
    server: Server,
    places: Mutex<HashMap<Id, Place>>,
    /// What the last connection was found to be.
    health: Mutex<Health>,
}

/// A runtime, and its connection.
struct Place {
    runtime: Handle,
    link: Option<Link>,
    /// Held by the one who connects. Each runtime has one: a view that computes in the middle of it holds up those who
    /// wait for its thread anyway.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

impl Connection {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            places: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// Connects, and returns what an administrator should know of the server.
    pub(super) async fn health(&self) -> RedisResult<Health> {
        self.link().await?;
        Ok(self.known_health().clone())
    }

    /// Sends a command and waits for the answer. `command` makes it, for each try.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        again: Again,
        command: impl Fn() -> Cmd,
    ) -> RedisResult<T> {
        self.ask_node(again, None, command).await
    }

    /// The same, where it matters which node of a Cluster answers.
    pub(super) async fn ask_node<T: FromRedisValue>(
        &self,
        again: Again,
        node: Option<&Address>,
        command: impl Fn() -> Cmd,
    ) -> RedisResult<T> {
        let mut tries = 1;
        loop {
            let link = self.link().await?;
            let answer = link.send(command(), node).await;
            let error = match answer.and_then(Value::extract_error) {
                Ok(value) => return Ok(redis::from_redis_value(value)?),
                Err(error) => error,
            };
            let is_lost = error.is_unrecoverable_error();
            let is_refused = is_refused(&error);
            let is_over = is_lost || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
            if is_over && let Link::One(lost) = &link {
                self.give_up(lost);
            }
            if tries == MOST_TRIES || !(is_refused || is_lost && again == Again::May) {
                return Err(error);
            }
            if is_refused && error.is_cluster_error() {
                // The nodes are agreeing on which of them has the slot.
                tokio::time::sleep(Duration::from_millis(10 << tries)).await;
            }
            tries += 1;
        }
    }

    /// Calls a script: `arguments` adds its key and its arguments.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        again: Again,
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<T> {
        let with_arguments = |mut call: Cmd| {
            arguments(&mut call);
            call
        };
        let calling = self.ask(again, || with_arguments(script.call()));
        match calling.await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let calling = self.ask(again, || with_arguments(script.call_with_code()));
                calling.await
            }
            answer => answer,
        }
    }

    /// The nodes that have keys; `None` stands for the only server.
    pub(super) async fn nodes(&self) -> RedisResult<Vec<Option<Address>>> {
        Ok(match self.link().await? {
            Link::One(_) => vec![None],
            Link::Cluster(cluster) => cluster.primaries().await?.into_iter().map(Some).collect(),
        })
    }

    async fn link(&self) -> RedisResult<Link> {
        let runtime = thread_runtime();
        match self.current(&runtime) {
            Some(link) => Ok(link),
            // Boxed, so that a request is not as large as what connecting needs.
            None => Box::pin(self.new_link(&runtime)).await,
        }
    }

    async fn new_link(&self, runtime: &Handle) -> RedisResult<Link> {
        let connecting = self.connecting(runtime);
        let _connecting = connecting.lock().await;
        if let Some(link) = self.current(runtime) {
            return Ok(link);
        }
        let link = self.connect(runtime).await?;
        let infos = link.ask_each(cmd("INFO")).await?;
        let health = health::of(&infos, matches!(link, Link::Cluster(_)))?;
        self.has_found(health);
        if let Some(place) = self.places().get_mut(&runtime.id()) {
            place.link = Some(link.clone());
        }
        Ok(link)
    }

    async fn connect(&self, runtime: &Handle) -> RedisResult<Link> {
        Ok(match &self.server {
            Server::One(client) => Link::One(Pipeline::connect(client, runtime).await?),
            Server::Sentinels(sentinels) => {
                let primary = within(runtime, sentinels.primary()).await?;
                Link::One(Pipeline::connect(&primary, runtime).await?)
            }
            Server::Cluster(places) => Link::Cluster(Cluster::connect(places, runtime).await?),
        })
    }

    /// What one connection was found to be is said once, and not for each of them.
    fn has_found(&self, health: Health) {
        let mut known = self.known_health();
        health.warn_unless_known(&known);
        *known = health;
    }

    fn current(&self, runtime: &Handle) -> Option<Link> {
        self.places().get(&runtime.id())?.link.clone()
    }

    /// What the one who connects for a runtime holds. A new one takes the place of those that have ended.
    fn connecting(&self, runtime: &Handle) -> Arc<tokio::sync::Mutex<()>> {
        let mut places = self.places();
        if !places.contains_key(&runtime.id()) {
            places.retain(|_, place| !has_ended(&place.runtime));
        }
        let place = places.entry(runtime.id()).or_insert_with(|| Place {
            runtime: runtime.clone(),
            link: None,
            connecting: Arc::default(),
        });
        place.connecting.clone()
    }

    /// Nobody asks by a connection any more. One that another request has made meanwhile stays.
    fn give_up(&self, lost: &Pipeline) {
        for place in self.places().values_mut() {
            let is_lost = |link: &mut Link| matches!(link, Link::One(one) if one.is(lost));
            place.link.take_if(is_lost);
        }
    }

    /// What is behind the locks is whole at any time.
    fn places(&self) -> MutexGuard<'_, HashMap<Id, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runtime that has ended drops at once what it is given.
fn has_ended(runtime: &Handle) -> bool {
    let given = runtime.spawn(pending::<()>());
    let is_dropped = given.is_finished();
    given.abort();
    is_dropped
}

/// Whether the server did not carry the command out, and another try may be better.
fn is_refused(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::Moved | ServerErrorKind::TryAgain | ServerErrorKind::ReadOnly
        )
    )
}

impl Link {
    async fn send(&self, cmd: Cmd, node: Option<&Address>) -> RedisResult<Value> {
        match self {
            Self::One(one) => one.send(cmd).await,
            // Boxed, so that a request to one server is not as large as what a Cluster needs.
            Self::Cluster(cluster) => Box::pin(cluster.send(cmd, node)).await,
        }
    }

    /// What each node says to a command without a key.
    async fn ask_each(&self, cmd: Cmd) -> RedisResult<Vec<String>> {
        match self {
            Self::One(one) => {
                let answer = one.send(cmd).await?.extract_error()?;
                Ok(vec![redis::from_redis_value(answer)?])
            }
            Self::Cluster(cluster) => cluster.ask_each(&cmd).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtimes() -> [Runtime; 2] {
        [
            Builder::new_current_thread().build().unwrap(),
            Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap(),
        ]
    }

    #[test]
    fn a_runtime_that_has_ended_is_known_from_one_that_has_not() {
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            assert!(!has_ended(&handle));
            drop(runtime);
            assert!(has_ended(&handle));
        }
    }

    #[test]
    fn there_are_places_for_the_runtimes_that_live_and_no_more() {
        let client = Client::open("redis://127.0.0.1:1").unwrap();
        let connection = Connection::new(Server::One(client));
        let [lives, _] = runtimes();
        let its = connection.connecting(lives.handle());
        for _ in 0..10 {
            for ends in runtimes() {
                connection.connecting(ends.handle());
                assert_eq!(connection.places().len(), 2);
            }
        }
        assert!(Arc::ptr_eq(&its, &connection.connecting(lives.handle())));
    }
}
