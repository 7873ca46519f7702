//! A Redis Cluster: which node has which slot, and a connection to each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_ok};
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd,
};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::address::{Address, redirection};
use super::pipeline::Pipeline;
use super::slots::{Range, SLOTS, slot};

/// A node that takes longer for an answer is not asked again before another node has named it.
const PATIENCE: Duration = Duration::from_millis(500);

/// A Cluster. Clones are one.
///
/// A node that is asked for a key of another node names that one: so the map of slots learns what has moved. A node
/// that is lost is forgotten with its slots, and the next command for one of them goes to another node, which says who
/// has it now.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    /// The nodes that the settings name.
    seeds: Vec<Address>,
    /// What a connection takes besides the address of its node.
    login: ConnectionInfo,
    /// What drives the connections.
    runtime: Handle,
    map: Mutex<Map>,
}

struct Map {
    /// Those that may be asked.
    nodes: Vec<Arc<Node>>,
    /// Which one of them has a slot, as far as it is known.
    slots: Vec<Option<Arc<Node>>>,
}

struct Node {
    address: Address,
    link: OnceCell<Pipeline>,
}

impl Cluster {
    /// Asks the nodes at these places for all others.
    pub(super) async fn connect(places: &[ConnectionInfo], runtime: &Handle) -> RedisResult<Self> {
        let seeds: Vec<_> = places.iter().filter_map(Address::of).collect();
        let login = places.first().cloned().ok_or_else(no_node)?;
        let cluster = Self(Arc::new(Inner {
            map: Mutex::new(Map {
                nodes: seeds.iter().cloned().map(Node::new).collect(),
                slots: vec![None; SLOTS],
            }),
            seeds,
            login,
            runtime: runtime.clone(),
        }));
        cluster.primaries().await?;
        Ok(cluster)
    }

    /// Sends a command to this node or to the one of its key, and follows a key that moves, or has moved.
    pub(super) async fn send(&self, cmd: Cmd, to: Option<&Address>) -> RedisResult<Value> {
        let slot = slot(&cmd);
        let node = match to {
            Some(address) => self.lock().node(address),
            None => self.node_with(slot)?,
        };
        let error = match self.ask(&node, cmd.clone(), false).await {
            Err(error) => error,
            answer => return answer,
        };
        let Some(address) = redirection(&error, &node.address) else {
            return Err(error);
        };
        let has_moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
        let other = {
            let mut map = self.lock();
            let other = map.node(&address);
            if has_moved {
                map.slots[slot] = Some(other.clone());
            }
            other
        };
        self.ask(&other, cmd, !has_moved).await
    }

    /// Asks which primaries there are, and which slots they have. The first node that knows is believed.
    pub(super) async fn primaries(&self) -> RedisResult<Vec<Address>> {
        let nodes = self.nodes();
        if nodes.is_empty() {
            return Err(no_node());
        }
        let asked = nodes.iter().map(|node| Box::pin(self.ranges(node)));
        let (ranges, _) = select_ok(asked).await?;
        let mut primaries = Vec::new();
        for range in &ranges {
            if !primaries.contains(&range.primary) {
                primaries.push(range.primary.clone());
            }
        }
        self.lock().draw(&ranges);
        Ok(primaries)
    }

    /// What the nodes say to a command without a key. Those that do not answer are left out.
    pub(super) async fn ask_each(&self, cmd: &Cmd) -> RedisResult<Vec<String>> {
        let nodes = self.nodes();
        let answers = nodes.iter().map(|node| self.ask(node, cmd.clone(), false));
        let (mut said, mut failed) = (Vec::new(), no_node());
        for answer in join_all(answers).await {
            match answer {
                Ok(answer) => said.push(redis::from_redis_value(answer)?),
                Err(error) => failed = error,
            }
        }
        if said.is_empty() {
            return Err(failed);
        }
        Ok(said)
    }

    async fn ranges(&self, node: &Arc<Node>) -> RedisResult<Vec<Range>> {
        let slots = cmd("CLUSTER").arg("SLOTS").take();
        let answer = self.ask(node, slots, false).await?;
        let ranges: Vec<Vec<Value>> = redis::from_redis_value(answer)?;
        let range = |range| Range::read(range, &node.address);
        let ranges: Vec<_> = ranges.into_iter().filter_map(range).collect();
        if ranges.is_empty() {
            return Err(no_node()); // it belongs to no Cluster, or knows of none yet
        }
        Ok(ranges)
    }

    /// Where `is_asking`, the node is to answer for a slot that it is only just getting.
    async fn ask(&self, node: &Arc<Node>, cmd: Cmd, is_asking: bool) -> RedisResult<Value> {
        let connecting = node.link.get_or_try_init(|| self.link(&node.address));
        let link = connecting.await.inspect_err(|_| self.lock().forget(node))?;
        // Connecting has a deadline of its own, and may well take longer than an answer.
        let _watch = Watch {
            cluster: self,
            node,
            since: Instant::now(),
        };
        let answer = if is_asking {
            link.send_asking(cmd).await
        } else {
            link.send(cmd).await
        };
        let answer = answer.and_then(Value::extract_error);
        if answer
            .as_ref()
            .is_err_and(RedisError::is_unrecoverable_error)
        {
            self.lock().forget(node);
        }
        answer
    }

    async fn link(&self, address: &Address) -> RedisResult<Pipeline> {
        let place = self.0.login.clone();
        let there = address.in_place_of(place.addr());
        let client = Client::open(place.set_addr(there))?;
        Box::pin(Pipeline::connect(&client, &self.0.runtime)).await
    }

    fn node_with(&self, slot: usize) -> RedisResult<Arc<Node>> {
        let known = self.lock().slots[slot].clone();
        let any = || {
            let nodes = self.nodes();
            let at = fastrand::usize(..nodes.len().max(1));
            nodes.into_iter().nth(at)
        };
        known.or_else(any).ok_or_else(no_node)
    }

    /// Those that may be asked; those of the settings once all are lost.
    fn nodes(&self) -> Vec<Arc<Node>> {
        let mut map = self.lock();
        if map.nodes.is_empty() {
            map.nodes = self.0.seeds.iter().cloned().map(Node::new).collect();
        }
        map.nodes.clone()
    }

    /// What is behind the lock is whole at any time, and the lock is never held over an `await`.
    fn lock(&self) -> MutexGuard<'_, Map> {
        self.0.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn node(&mut self, address: &Address) -> Arc<Node> {
        let known = self.nodes.iter().find(|node| node.address == *address);
        if let Some(node) = known {
            return node.clone();
        }
        let node = Node::new(address.clone());
        self.nodes.push(node.clone());
        node
    }

    fn draw(&mut self, ranges: &[Range]) {
        self.slots = vec![None; SLOTS];
        for range in ranges {
            let node = self.node(&range.primary);
            if let Some(slots) = self.slots.get_mut(range.first..=range.last) {
                slots.fill(Some(node));
            }
        }
        let primary = |node: &Arc<Node>| ranges.iter().any(|it| it.primary == node.address);
        self.nodes.retain(primary);
    }

    fn forget(&mut self, node: &Arc<Node>) {
        let before = self.nodes.len();
        self.nodes.retain(|known| !is(known, node));
        if self.nodes.len() == before {
            return; // others have found it out
        }
        for slot in &mut self.slots {
            slot.take_if(|known| is(known, node));
        }
    }
}

/// Whether this is the same connection, not only the same address.
fn is(one: &Arc<Node>, other: &Arc<Node>) -> bool {
    Arc::ptr_eq(one, other)
}

impl Node {
    fn new(address: Address) -> Arc<Self> {
        let link = OnceCell::new();
        Arc::new(Self { address, link })
    }
}

/// Sees how long an answer takes, and whether the one who waits for it has given up.
struct Watch<'a> {
    cluster: &'a Cluster,
    node: &'a Arc<Node>,
    since: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= PATIENCE {
            self.cluster.lock().forget(self.node);
        }
    }
}

fn no_node() -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node answers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(usize, usize, u16)]) -> Map {
        let range = |&(first, last, port): &(usize, usize, u16)| Range {
            first,
            last,
            primary: Address::new("host", port),
        };
        let mut map = Map {
            nodes: Vec::new(),
            slots: vec![None; SLOTS],
        };
        map.draw(&ranges.iter().map(range).collect::<Vec<_>>());
        map
    }

    #[test]
    fn slots_that_there_are_not_are_left_out() {
        let map = map(&[(0, 4, 1), (5, 99_999, 2)]);
        assert_eq!(map.slots.len(), SLOTS);
        assert!(map.slots[..5].iter().all(Option::is_some));
        assert!(map.slots[5..].iter().all(Option::is_none));
    }

    #[test]
    fn a_node_that_is_lost_is_forgotten_with_its_slots_and_its_successor_is_not() {
        let mut map = map(&[(0, 8191, 1), (8192, 16_383, 2)]);
        let lost = map.slots[100].clone().unwrap();
        map.forget(&lost);
        assert!(map.slots[..8192].iter().all(Option::is_none));
        assert!(map.slots[8192..].iter().all(Option::is_some));
        let successor = map.node(&lost.address);
        map.slots[100] = Some(successor.clone());
        map.forget(&lost);
        assert!(
            map.slots[100]
                .as_ref()
                .is_some_and(|node| is(node, &successor))
        );
        assert!(map.node(&lost.address).link.get().is_none());
    }
}
