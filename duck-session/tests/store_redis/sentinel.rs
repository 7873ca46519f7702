//! A primary that dies, and Sentinels that name another.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use duck_session::store::{RedisCache, SessionStore};
use redis::aio::MultiplexedConnection;

use crate::server::{Server, free_port, is_installed, settings};
use crate::sharing::runtimes;
use crate::{LATER, create, next, replace, session};

/// What the servers ask for, and what the Sentinel itself asks for, where they ask for anything.
const PASSWORD: &str = "of-the-servers";
const SENTINEL_PASSWORD: &str = "of-the-sentinel";

struct Sentinel {
    child: Child,
    port: u16,
}

impl Sentinel {
    /// With these lines in its configuration.
    fn watch(primary: &Server, more: &str) -> Self {
        let port = free_port();
        let config = primary.dir().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mysite 127.0.0.1 {} 1\nsentinel down-after-milliseconds mysite 500\nsentinel failover-timeout mysite 2000\n{more}",
            primary.port()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("redis-server")
            .arg(&config)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Waits until it knows the replica of the primary.
    async fn knows_the_replica(&self, login: &str) {
        let url = format!("redis://{login}127.0.0.1:{}", self.port);
        let client = redis::Client::open(url).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < patience, "the Sentinel finds no replica");
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(mut sentinel) = client.get_multiplexed_async_connection().await else {
                continue;
            };
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("REPLICAS").arg("mysite");
            let found: Vec<redis::Value> = ask.query_async(&mut sentinel).await.unwrap();
            let found = format!("{found:?}");
            if found.contains("\"slave\"") || found.contains("'slave'") {
                return;
            }
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_runtime_asks_the_sentinels_and_has_a_connection_of_its_own() {
    if !is_installed() {
        return;
    }
    let [lives, _] = runtimes();
    let primary = Server::start(&[]);
    let sentinel = Sentinel::watch(&primary, "");
    let settings = settings([format!("redis://127.0.0.1:{}", sentinel.port)])
        .with("SESSION_REDIS_SENTINEL", "mysite");
    let store = lives.block_on(RedisCache::open(&settings)).unwrap();
    let first = session(1, None, LATER);
    let crash = duck_session::store::Durability::Crash;
    let patience = Instant::now() + Duration::from_secs(60);
    while let Err(error) = lives.block_on(store.create(&first, crash)) {
        assert!(Instant::now() < patience, "{error}"); // the Sentinel has only just started
        std::thread::sleep(Duration::from_millis(50));
    }
    for ends in runtimes() {
        let found = ends.block_on(store.load(first.key()));
        assert!(found.unwrap().is_some());
    }
    let found = lives.block_on(store.load(first.key()));
    assert!(found.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_go_on_when_sentinels_name_another_primary() {
    if !is_installed() {
        return;
    }
    let mut primary = Server::start(&[]);
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = Sentinel::watch(&primary, "");
    sentinel.knows_the_replica("").await;
    let settings = settings([format!("redis://127.0.0.1:{}", sentinel.port)])
        .with("SESSION_REDIS_SENTINEL", "mysite");
    let store = RedisCache::open(&settings).await.unwrap();
    let first = session(1, None, LATER);
    create(&store, &first).await;
    let mut copy = replica.admin().await;
    let name = format!("duck:test:session:{}", first.key().to_hex());
    is_copied(&mut copy, &name).await;
    primary.kill();

    let patience = Instant::now() + Duration::from_secs(60);
    let second = next(&first, "2");
    loop {
        match store
            .replace(
                first.version(),
                &second,
                duck_session::store::Durability::Crash,
            )
            .await
        {
            Ok(replaced) => break assert!(replaced),
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let third = next(&second, "3");
    assert!(replace(&store, &second, &third).await);
    // Its connections were closed when it became the primary.
    let mut copy = replica.admin().await;
    let mut get = redis::cmd("GET");
    let written: Vec<u8> = get.arg(&name).query_async(&mut copy).await.unwrap();
    assert!(written.ends_with(b"3"), "it is written to the new primary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_and_sentinels_with_passwords_swap_their_places_and_no_session_is_lost() {
    if !is_installed() {
        return;
    }
    let login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let primary = Server::start(&login);
    let port = primary.port().to_string();
    let replica = ["--replicaof", "127.0.0.1", &port];
    let replica = Server::start(&[&login[..], &replica].concat());
    let more = format!("requirepass {SENTINEL_PASSWORD}\nsentinel auth-pass mysite {PASSWORD}\n");
    let sentinel = Sentinel::watch(&primary, &more);
    let sentinel_login = format!(":{SENTINEL_PASSWORD}@");
    sentinel.knows_the_replica(&sentinel_login).await;
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", sentinel.port);
    let settings = settings([url]).with("SESSION_REDIS_SENTINEL", "mysite");
    let without = RedisCache::open(&settings).await;
    without.expect_err("the Sentinel asks for a password");
    let settings = settings.with("SESSION_REDIS_SENTINEL_PASSWORD", SENTINEL_PASSWORD);
    let store = RedisCache::open(&settings).await.unwrap();
    let first = session(1, None, LATER);
    create(&store, &first).await;
    let name = format!("duck:test:session:{}", first.key().to_hex());
    let server_login = format!(":{PASSWORD}@");
    let mut copy = connection(&server_login, replica.port()).await.unwrap();
    is_copied(&mut copy, &name).await;

    let mut sentinel = connection(&sentinel_login, sentinel.port).await.unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let mut swap = redis::cmd("SENTINEL");
    swap.arg("FAILOVER").arg("mysite");
    while let Err(error) = swap.query_async::<()>(&mut sentinel).await {
        assert!(Instant::now() < patience, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while !is_replica(&server_login, primary.port()).await {
        assert!(Instant::now() < patience, "the primary stays what it is");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The old one takes no writes from now on.
    let second = next(&first, "2");
    loop {
        let crash = duck_session::store::Durability::Crash;
        match store.replace(first.version(), &second, crash).await {
            Ok(replaced) => break assert!(replaced),
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut new = connection(&server_login, replica.port()).await.unwrap();
    let mut get = redis::cmd("GET");
    let written: Vec<u8> = get.arg(&name).query_async(&mut new).await.unwrap();
    assert!(written.ends_with(b"2"), "it is written to the new primary");
}

async fn connection(login: &str, port: u16) -> redis::RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://{login}127.0.0.1:{port}"))?;
    client.get_multiplexed_async_connection().await
}

/// Asked on a connection of its own: a server closes those it has when it becomes a replica.
async fn is_replica(login: &str, port: u16) -> bool {
    let Ok(mut server) = connection(login, port).await else {
        return false;
    };
    let mut info = redis::cmd("INFO");
    let info: redis::RedisResult<String> = info.arg("replication").query_async(&mut server).await;
    info.is_ok_and(|info| info.contains("role:slave"))
}

/// Waits until a replica has this key.
async fn is_copied(replica: &mut MultiplexedConnection, name: &str) {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(name);
    while !exists.query_async::<bool>(replica).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
