//! Commands of many requests, sent to a server together.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, Value, cmd, pipe};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::store::runtimes::within;

/// For commands that have no deadline of the engine's: what looks after a site.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to one server, which all requests of a runtime share. Clones are one connection.
///
/// A write to a socket costs more than all else about a command. So a command waits until the tasks that are ready to
/// run have run: those they add go out with it, in one write, and the answers come back in one read. In a runtime of one
/// thread the connection's own task runs after those, and writes what they have given it.
///
/// A batch's answers are matched to its commands by their order. A request that is given up only leaves its answer
/// behind: the answer is still read, and dropped.
#[derive(Clone)]
pub(super) struct Pipeline(Arc<Inner>);

struct Inner {
    connection: MultiplexedConnection,
    /// What drives the connection.
    runtime: Handle,
    /// The next batch. Unless it is empty there is a task that will send it.
    waiting: Mutex<Vec<Waiting>>,
}

struct Waiting {
    command: Cmd,
    answer: oneshot::Sender<RedisResult<Value>>,
}

/// The duty to send the next batch. Where the task is dropped before it has, because its runtime is, those who wait
/// get an error, and the next command begins a batch of its own.
struct Turn(Option<Pipeline>);

impl Pipeline {
    /// Connects to a server. From then on this runtime drives the connection, whoever asks.
    pub(super) async fn connect(client: &Client, runtime: &Handle) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_TIMEOUT));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = within(runtime, connecting).await?;
        Ok(Self(Arc::new(Inner {
            connection,
            runtime: runtime.clone(),
            waiting: Mutex::default(),
        })))
    }

    /// Whether this is the same connection, not only the same server.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sends a command and waits for the answer.
    pub(super) async fn send(&self, command: Cmd) -> RedisResult<Value> {
        if self.0.runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let mut connection = self.0.connection.clone();
            return connection.send_packed_command(&command).await;
        }
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(Waiting { command, answer });
            waiting.len() == 1
        };
        if is_first {
            let sending = send_all(Turn(Some(self.clone())));
            self.0.runtime.spawn(sending);
        }
        let answer = answered.await;
        answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::ConnectionReset).into()))
    }

    /// Sends a command to a node of a Cluster that is only just getting the command's key: it answers to what comes right
    /// after `ASKING`.
    pub(super) async fn send_asking(&self, command: Cmd) -> RedisResult<Value> {
        let mut both = pipe();
        both.add_command(cmd("ASKING")).add_command(command);
        let mut connection = self.0.connection.clone();
        let answers = connection.send_packed_commands(&both, 1, 1).await?;
        let answer = answers.into_iter().next();
        answer.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
    }

    /// What is behind the lock is whole at any time.
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send_all(turn: Turn) {
    tokio::task::yield_now().await;
    let Some((pipeline, waiting)) = turn.take() else {
        return;
    };
    let (mut commands, mut answers) = (pipe(), Vec::with_capacity(waiting.len()));
    for Waiting { command, answer } in waiting {
        if !answer.is_closed() {
            commands.add_command(command);
            answers.push(answer);
        }
    }
    if answers.is_empty() {
        return;
    }
    let mut connection = pipeline.0.connection.clone();
    let sending = connection.send_packed_commands(&commands, 0, answers.len());
    let results: Box<dyn Iterator<Item = RedisResult<Value>> + Send> = match sending.await {
        Ok(values) => Box::new(values.into_iter().map(Ok)),
        Err(error) => Box::new(std::iter::repeat_with(move || Err(error.clone()))),
    };
    for (answer, result) in answers.into_iter().zip(results) {
        let _ = answer.send(result); // nobody may wait for it any more
    }
}

impl Turn {
    fn take(mut self) -> Option<(Pipeline, Vec<Waiting>)> {
        let pipeline = self.0.take()?;
        let waiting = mem::take(&mut *pipeline.waiting());
        Some((pipeline, waiting))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pipeline) = &self.0 {
            pipeline.waiting().clear();
        }
    }
}
