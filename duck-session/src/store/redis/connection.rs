//! A connection for each runtime, which all requests that it runs share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use duck::server::thread_runtime;
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, RedisResult,
    ServerErrorKind, Value, cmd,
};
use tokio::runtime::Handle;

use super::address::Address;
use super::cluster::Cluster;
use super::health::{self, Health};
use super::pipeline::Pipeline;
use super::script::Script;
use super::sentinels::Sentinels;
use crate::store::runtimes::{Runtimes, within};

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
    places: Runtimes<Arc<Place>>,
    /// What the last connection was found to be.
    health: Mutex<Health>,
}

/// The place of a runtime's connection.
#[derive(Default)]
struct Place {
    link: Mutex<Option<Link>>,
    /// Held by the one who connects. A view that computes in the middle of it holds up those who wait for its thread
    /// anyway.
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            places: Runtimes::default(),
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
            let (place, link) = self.link().await?;
            let answer = link.send(command(), node).await;
            let error = match answer.and_then(Value::extract_error) {
                Ok(value) => return Ok(redis::from_redis_value(value)?),
                Err(error) => error,
            };
            let is_lost = error.is_unrecoverable_error();
            let is_refused = is_refused(&error);
            let is_over = is_lost || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
            if is_over && let Link::One(lost) = &link {
                place.give_up(lost);
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
        let (_, link) = self.link().await?;
        Ok(match link {
            Link::One(_) => vec![None],
            Link::Cluster(cluster) => cluster.primaries().await?.into_iter().map(Some).collect(),
        })
    }

    /// The connection of this runtime, and its place.
    async fn link(&self) -> RedisResult<(Arc<Place>, Link)> {
        let runtime = thread_runtime();
        let place = self.places.get(&runtime, Arc::default);
        let current = place.link().clone();
        let link = match current {
            Some(link) => link,
            // Boxed, so that a request is not as large as what connecting needs.
            None => Box::pin(self.new_link(&place, &runtime)).await?,
        };
        Ok((place, link))
    }

    async fn new_link(&self, place: &Place, runtime: &Handle) -> RedisResult<Link> {
        let _connecting = place.connecting.lock().await;
        let current = place.link().clone();
        if let Some(link) = current {
            return Ok(link);
        }
        let link = self.connect(runtime).await?;
        let infos = link.ask_each(cmd("INFO")).await?;
        let health = health::of(&infos, matches!(link, Link::Cluster(_)))?;
        self.has_found(health);
        *place.link() = Some(link.clone());
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

    fn known_health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Nobody asks by a connection any more. One that another request has made meanwhile stays.
    fn give_up(&self, lost: &Pipeline) {
        let is_lost = |link: &mut Link| matches!(link, Link::One(one) if one.is(lost));
        self.link().take_if(is_lost);
    }

    /// What is behind the lock is replaced as a whole.
    fn link(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
