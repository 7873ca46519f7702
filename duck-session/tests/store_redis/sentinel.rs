//! A primary that dies, and Sentinels that name another.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use duck_session::store::{RedisCache, SessionStore};

use crate::server::{Server, free_port, is_installed, settings};
use crate::{LATER, create, next, replace, session};

struct Sentinel {
    child: Child,
    port: u16,
}

impl Sentinel {
    fn watch(primary: &Server) -> Self {
        let port = free_port();
        let config = primary.dir().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mysite 127.0.0.1 {} 1\nsentinel down-after-milliseconds mysite 500\nsentinel failover-timeout mysite 2000\n",
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
    async fn knows_the_replica(&self) {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_go_on_when_sentinels_name_another_primary() {
    if !is_installed() {
        return;
    }
    let mut primary = Server::start(&[]);
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = Sentinel::watch(&primary);
    sentinel.knows_the_replica().await;
    let settings = settings([format!("redis://127.0.0.1:{}", sentinel.port)])
        .with("SESSION_REDIS_SENTINEL", "mysite");
    let store = RedisCache::open(&settings).await.unwrap();
    let first = session(1, None, LATER);
    create(&store, &first).await;
    let mut copy = replica.admin().await;
    let name = format!("duck:test:session:{}", first.key().to_hex());
    let mut exists = redis::cmd("EXISTS");
    exists.arg(&name);
    while !exists.query_async::<bool>(&mut copy).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
