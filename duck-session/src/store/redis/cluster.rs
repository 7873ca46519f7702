//! A Redis Cluster: which node has which slot, and a connection to each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_ok};
use redis::{
    Arg, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    ServerErrorKind, Value, cmd,
};
use tokio::sync::OnceCell;

use super::pipeline::{Pipeline, config};

/// How many slots there are. Each key is in one of them.
const SLOTS: usize = 16_384;

/// A node that takes longer for an answer is not asked again before another node has named it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where a node is, as the Cluster says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

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

/// Slots from the first to the last of them, and their primary.
struct Range {
    first: usize,
    last: usize,
    primary: Address,
}

impl Cluster {
    /// Asks the nodes at these places for all others.
    pub(super) async fn connect(places: &[ConnectionInfo]) -> RedisResult<Self> {
        let seeds: Vec<_> = places.iter().filter_map(Address::of).collect();
        let login = places.first().cloned().ok_or_else(no_node)?;
        let cluster = Self(Arc::new(Inner {
            map: Mutex::new(Map {
                nodes: seeds.iter().cloned().map(Node::new).collect(),
                slots: vec![None; SLOTS],
            }),
            seeds,
            login,
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
        let config = config();
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Pipeline::new(Box::pin(connecting).await?))
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

impl Address {
    /// `None` for what is no address of a network.
    pub(super) fn of(place: &ConnectionInfo) -> Option<Self> {
        let (host, port) = match place.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host.clone(), *port)
            }
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// This node, reached as the one at this address is.
    fn in_place_of(&self, address: &ConnectionAddr) -> ConnectionAddr {
        let Self { host, port } = self.clone();
        match address.clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        }
    }
}

impl Range {
    /// Reads one of `CLUSTER SLOTS`: the first slot, the last one, and the nodes with the primary before the others.
    /// A host that is left out is that of the node that was asked; `?` is one that the node does not know either.
    fn read(range: Vec<Value>, asked: &Address) -> Option<Self> {
        let mut range = range.into_iter();
        let (first, last) = (number(&range.next()?)?, number(&range.next()?)?);
        let primary: Vec<Value> = redis::from_redis_value(range.next()?).ok()?;
        let mut primary = primary.into_iter();
        let host: Option<String> = redis::from_redis_value(primary.next()?).ok()?;
        let port = number(&primary.next()?)?;
        let host = match host {
            Some(host) if host == "?" => return None,
            Some(host) if !host.is_empty() => host,
            _ => asked.host.clone(),
        };
        let primary = Address { host, port };
        Some(Self {
            first,
            last,
            primary,
        })
    }
}

fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        _ => None,
    }
}

/// The node that this one says to ask: `MOVED 3999 127.0.0.1:6381`. Without a host it is this one's.
fn redirection(error: &RedisError, asked: &Address) -> Option<Address> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { &asked.host } else { host };
    let host = host.to_owned();
    let port = port.parse().ok()?;
    Some(Address { host, port })
}

/// The slot of a command's key. No name of ours has the braces that would make a part of it count alone.
fn slot(cmd: &Cmd) -> usize {
    let mut arguments = cmd.args_iter();
    let key = match arguments.next() {
        Some(Arg::Simple(b"EVAL" | b"EVALSHA")) => arguments.nth(2),
        _ => arguments.next(),
    };
    match key {
        Some(Arg::Simple(key)) => {
            usize::from(crc16::State::<crc16::XMODEM>::calculate(key)) % SLOTS
        }
        _ => 0,
    }
}

fn no_node() -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node answers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address { host, port }
    }

    /// As `CLUSTER KEYSLOT` says.
    #[test]
    fn a_key_is_in_the_slot_that_redis_puts_it_in() {
        for (key, expected) in [("123456789", 12_739), ("foo", 12_182), ("bar", 5061)] {
            assert_eq!(slot(cmd("GET").arg(key)), expected);
            let mut call = cmd("EVALSHA");
            assert_eq!(
                slot(call.arg("a hash").arg(1).arg(key).arg("bar")),
                expected
            );
        }
        assert_eq!(slot(&cmd("INFO")), 0);
    }

    #[test]
    fn a_redirection_without_a_host_leads_to_another_port_of_the_same_host() {
        let asked = address("10.0.0.1", 6379);
        let to = |text: &str| {
            let error = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
            let error = error.unwrap().extract_error().unwrap_err();
            redirection(&error, &asked)
        };
        assert!(to("MOVED 3999 10.0.0.2:6381") == Some(address("10.0.0.2", 6381)));
        assert!(to("ASK 3999 [fe80::1]:6381") == Some(address("fe80::1", 6381)));
        assert!(to("MOVED 3999 :6381") == Some(address("10.0.0.1", 6381)));
        for wrong in [
            "MOVED 3999",
            "MOVED 3999 host",
            "MOVED 3999 host:70000",
            "ERR no",
        ] {
            assert!(to(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_a_node_says_of_slots_is_read_and_nonsense_is_left_out() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let range = |first, last, host| {
            let node = Value::Array(vec![host, Value::Int(7000), text("id")]);
            vec![Value::Int(first), Value::Int(last), node]
        };
        let asked = address("asked", 6379);
        let named = Range::read(range(0, 5460, text("host")), &asked).unwrap();
        assert!(named.primary == address("host", 7000));
        assert_eq!((named.first, named.last), (0, 5460));
        for same in [text(""), Value::Nil] {
            assert!(
                Range::read(range(0, 1, same), &asked).unwrap().primary == address("asked", 7000)
            );
        }
        assert!(Range::read(range(0, 1, text("?")), &asked).is_none());
        assert!(Range::read(range(-1, 1, text("host")), &asked).is_none());
        assert!(Range::read(vec![Value::Int(0), Value::Int(1)], &asked).is_none());
        assert!(Range::read(Vec::new(), &asked).is_none());
        let mut map = Map {
            nodes: Vec::new(),
            slots: vec![None; SLOTS],
        };
        let primary = address("host", 7000);
        let (first, last) = (5, 99_999);
        map.draw(&[Range {
            first,
            last,
            primary,
        }]);
        assert!(map.slots.iter().all(Option::is_none) && map.slots.len() == SLOTS);
    }

    #[test]
    fn a_node_that_is_lost_is_forgotten_with_its_slots_and_its_successor_is_not() {
        let mut map = Map {
            nodes: Vec::new(),
            slots: vec![None; SLOTS],
        };
        let halves = [(0, 8191, 1), (8192, 16_383, 2)].map(|(first, last, port)| Range {
            first,
            last,
            primary: address("host", port),
        });
        map.draw(&halves);
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
