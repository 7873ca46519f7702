//! One connection for the whole process, which all requests share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult,
    ServerErrorKind, Value, cmd, pipe,
};

use super::health::{self, Health};
use super::pipeline::Pipeline;
use super::script::Script;

/// For commands that have no deadline of the engine's: what looks after a site.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a command is sent that the server has refused or that may be sent again.
const MOST_TRIES: u32 = 4;

/// Where Redis is.
pub(super) enum Server {
    One(Client),
    /// Who knows which server is the primary.
    Sentinel(tokio::sync::Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) enum Link {
    One(Pipeline),
    Cluster(ClusterConnection),
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
    /// With a number, so that nobody drops the connection that another one has just made.
    link: Mutex<Option<(u64, Link)>>,
    /// Held by the one who connects; what the last connection was found to be.
    connecting: tokio::sync::Mutex<(u64, Health)>,
}

impl Connection {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            link: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Connects, and returns what an administrator should know of the server.
    pub(super) async fn health(&self) -> RedisResult<Health> {
        self.link().await?;
        Ok(self.connecting.lock().await.1.clone())
    }

    /// Sends a command and waits for the answer. `command` makes it, for each try.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        again: Again,
        command: impl Fn() -> Cmd,
    ) -> RedisResult<T> {
        self.ask_node(again, None, command).await
    }

    /// The same, where it matters which node of a Cluster answers: the one that has this slot.
    pub(super) async fn ask_node<T: FromRedisValue>(
        &self,
        again: Again,
        slot: Option<u16>,
        command: impl Fn() -> Cmd,
    ) -> RedisResult<T> {
        let mut tries = 1;
        loop {
            let (number, mut link) = self.link().await?;
            let answer = link.send(command(), slot).await;
            let error = match answer.and_then(Value::extract_error) {
                Ok(value) => return Ok(redis::from_redis_value(value)?),
                Err(error) => error,
            };
            let is_lost = error.is_unrecoverable_error();
            let is_refused = is_refused(&error);
            if is_lost || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
                self.give_up(number);
            }
            if tries == MOST_TRIES || !(is_refused || is_lost && again == Again::May) {
                return Err(error);
            }
            if is_refused && error.is_cluster_error() {
                // The client is learning which node has the slot.
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

    /// A slot of each node that has any; `None` stands for the only server.
    pub(super) async fn nodes(&self) -> RedisResult<Vec<Option<u16>>> {
        if !matches!(self.server, Server::Cluster(_)) {
            return Ok(vec![None]);
        }
        let slots: Vec<Vec<Value>> = self
            .ask(Again::May, || cmd("CLUSTER").arg("SLOTS").take())
            .await?;
        let mut nodes: Vec<(Value, u16)> = Vec::new();
        for range in slots {
            let (Some(first), Some(primary)) = (range.first(), range.get(2)) else {
                continue;
            };
            if nodes.iter().all(|(node, _)| node != primary) {
                nodes.push((primary.clone(), redis::from_redis_value_ref(first)?));
            }
        }
        Ok(nodes.into_iter().map(|(_, slot)| Some(slot)).collect())
    }

    async fn link(&self) -> RedisResult<(u64, Link)> {
        match self.current() {
            Some(link) => Ok(link),
            // Boxed, so that a request is not as large as what connecting needs.
            None => Box::pin(self.new_link()).await,
        }
    }

    async fn new_link(&self) -> RedisResult<(u64, Link)> {
        let mut connecting = self.connecting.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let mut link = self.connect().await?;
        let infos = link.ask_each(cmd("INFO")).await?;
        let health = health::of(&infos, matches!(link, Link::Cluster(_)))?;
        health.warn_unless_known(&connecting.1);
        let number = connecting.0 + 1;
        *connecting = (number, health);
        *self.lock() = Some((number, link.clone()));
        Ok((number, link))
    }

    async fn connect(&self) -> RedisResult<Link> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_TIMEOUT));
        Ok(match &self.server {
            Server::One(client) => {
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Link::One(Pipeline::new(connecting.await?))
            }
            Server::Sentinel(sentinel) => {
                let mut sentinel = sentinel.lock().await;
                let connecting = sentinel.get_async_connection_with_config(&config);
                Link::One(Pipeline::new(connecting.await?))
            }
            Server::Cluster(client) => Link::Cluster(client.get_async_connection().await?),
        })
    }

    fn current(&self) -> Option<(u64, Link)> {
        self.lock().clone()
    }

    fn give_up(&self, number: u64) {
        let mut link = self.lock();
        if link.as_ref().is_some_and(|(current, _)| *current == number) {
            *link = None;
        }
    }

    /// What is behind the lock is replaced as a whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u64, Link)>> {
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

/// The node that another one says to ask.
fn redirection(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let (host, port) = (host.to_owned(), port.parse().ok()?);
    Some(SingleNodeRoutingInfo::ByAddress { host, port })
}

impl Link {
    async fn send(&mut self, cmd: Cmd, slot: Option<u16>) -> RedisResult<Value> {
        match self {
            Self::One(one) => one.send(cmd).await,
            // Boxed, so that a request to one server is not as large as what a Cluster needs.
            Self::Cluster(cluster) => Box::pin(send_to_cluster(cluster, &cmd, slot)).await,
        }
    }

    /// What each primary says to a command without a key.
    async fn ask_each(&mut self, cmd: Cmd) -> RedisResult<Vec<String>> {
        use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy};
        match self {
            Self::One(one) => {
                let answer = one.send(cmd).await?.extract_error()?;
                Ok(vec![redis::from_redis_value(answer)?])
            }
            Self::Cluster(cluster) => {
                let all: Option<ResponsePolicy> = None;
                let nodes = (MultipleNodeRoutingInfo::AllMasters, all);
                let nodes = RoutingInfo::MultiNode(nodes);
                let answers = cluster.route_command(cmd, nodes).await?;
                let answers: std::collections::HashMap<String, String> =
                    redis::from_redis_value(answers.extract_error()?)?;
                Ok(answers.into_values().collect())
            }
        }
    }
}

/// Sends a command, and follows a slot that moves to another node, or has moved.
async fn send_to_cluster(
    cluster: &mut ClusterConnection,
    cmd: &Cmd,
    slot: Option<u16>,
) -> RedisResult<Value> {
    let answer = match slot {
        None => cluster.req_packed_command(cmd).await,
        Some(slot) => {
            let node = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
            let node = RoutingInfo::SingleNode(node);
            cluster.route_command(cmd.clone(), node).await
        }
    };
    let (is_moved, error) = match answer.and_then(Value::extract_error) {
        Err(error) => match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => (true, error),
            ErrorKind::Server(ServerErrorKind::Ask) => (false, error),
            _ => return Err(error),
        },
        answer => return answer,
    };
    let Some(node) = redirection(&error) else {
        return Err(error);
    };
    if is_moved {
        let node = RoutingInfo::SingleNode(node);
        return cluster.route_command(cmd.clone(), node).await;
    }
    let mut asking = pipe();
    asking.cmd("ASKING").add_command(cmd.clone());
    let mut answers = cluster.route_pipeline(asking, 0, 2, node).await?;
    answers.pop().ok_or(error)
}
