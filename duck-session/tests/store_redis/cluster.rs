//! A Cluster of three primaries.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use duck_session::conformance::store;
use duck_session::store::{RedisCache, SessionStore, StoredSession, UserKey};
use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::server::{Server, is_installed, open};
use crate::sharing::runtimes;
use crate::{LATER, create, next, replace, session};

/// Three primaries, which have a third of the slots each, and their replicas.
struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        Self::with_replicas(0, "5000").await
    }

    /// So many replicas of each primary. A node that says nothing for so many milliseconds is taken for dead.
    async fn with_replicas(replicas: usize, node_timeout: &str) -> Self {
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            node_timeout,
        ];
        let node = |_| {
            let bus = crate::server::free_port().to_string();
            Server::start(&[&arguments[..], &["--cluster-port", &bus]].concat())
        };
        let cluster = Self((0..3 * (1 + replicas)).map(node).collect());
        let places = cluster
            .0
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()));
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(places)
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        for node in &cluster.0 {
            let mut admin = node.admin().await;
            loop {
                let info: String = redis::cmd("CLUSTER")
                    .arg("INFO")
                    .query_async(&mut admin)
                    .await
                    .unwrap();
                if info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        cluster
    }

    fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
    }

    /// Begins to move many slots of the first primary to the second one.
    fn reshard(&self) -> Child {
        let (first, second) = (self.0[0].port(), self.0[1].port());
        let ids = [first, second].map(|port| {
            let mut ask = Command::new("redis-cli");
            said(ask.args(["-p", &port.to_string(), "CLUSTER", "MYID"]))
        });
        let mut moving = Command::new("redis-cli");
        moving
            .args(["--cluster", "reshard", &format!("127.0.0.1:{first}")])
            .args(["--cluster-from", &ids[0], "--cluster-to", &ids[1]])
            .args(["--cluster-slots", "3000", "--cluster-yes"])
            .stdout(Stdio::null());
        moving.spawn().unwrap()
    }

    /// Waits until all nodes together have so many keys: replicas are told later than the site.
    async fn have_keys(&self, expected: usize) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let mut keys = 0;
            for node in &self.0 {
                let mut admin = node.admin().await;
                let size: usize = redis::cmd("DBSIZE").query_async(&mut admin).await.unwrap();
                keys += size;
            }
            if keys == expected {
                return;
            }
            assert!(Instant::now() < patience, "{keys} keys");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What each node says of its replication, once every replica has a copy.
    async fn copied(&self) -> Vec<String> {
        let mut all = Vec::new();
        for node in &self.0 {
            let mut admin = node.admin().await;
            loop {
                let mut info = redis::cmd("INFO");
                let info: String = info
                    .arg("replication")
                    .query_async(&mut admin)
                    .await
                    .unwrap();
                if info.contains("role:master") || info.contains("master_link_status:up") {
                    all.push(info);
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        all
    }
}

/// Waits until all of these sessions are found again, each within the time that a visitor waits.
async fn all_are_found(store: &RedisCache, sessions: &[StoredSession]) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let loads = sessions
            .iter()
            .map(|session| timeout(Duration::from_secs(2), store.load(session.key())));
        let mut is_whole = true;
        for found in join_all(loads).await {
            match found {
                Ok(Ok(found)) => assert!(found.is_some(), "a session is gone"),
                _ => is_whole = false,
            }
        }
        if is_whole {
            return;
        }
        assert!(Instant::now() < patience, "nobody has the slots");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_redis_store_conforms_in_a_cluster() {
    if !is_installed() {
        return;
    }
    let cluster = Cluster::start().await;
    let urls = cluster.urls();
    let suite = store::suite(move || {
        let urls = urls.clone();
        async move { open(urls).await.unwrap() }
    });
    suite.outlives_a_restart().is_shared().run().await;
}

#[test]
fn each_runtime_has_connections_of_its_own_to_the_nodes() {
    if !is_installed() {
        return;
    }
    let [lives, _] = runtimes();
    let cluster = lives.block_on(Cluster::start());
    let store = lives.block_on(open(cluster.urls())).unwrap();
    let sessions = [1, 2, 3, 4, 5, 6, 7, 8].map(|number| session(number, None, LATER));
    for session in &sessions {
        lives.block_on(create(&store, session));
    }
    for ends in runtimes() {
        ends.block_on(all_are_found(&store, &sessions));
    }
    lives.block_on(all_are_found(&store, &sessions));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_found_and_written_while_its_slot_moves_to_another_node() {
    if !is_installed() {
        return;
    }
    let cluster = Cluster::start().await;
    let store = open(cluster.urls()).await.unwrap();
    let user = UserKey::from_bytes([3; 16]);
    let mut sessions: Vec<_> = (0..60).map(|it| session(it, Some(user), LATER)).collect();
    for session in &sessions {
        create(&store, session).await;
    }
    while_slots_move(&cluster, async || {
        for session in &mut sessions {
            let newer = next(session, "newer");
            assert!(replace(&store, session, &newer).await);
            assert_eq!(
                store.load(session.key()).await.unwrap().unwrap().version(),
                newer.version()
            );
            *session = newer;
        }
        assert_eq!(
            store.of_user(&user, 100).await.unwrap().len(),
            sessions.len()
        );
    })
    .await;
}

/// Does something again and again while slots move to other nodes, and once more when they have.
async fn while_slots_move(cluster: &Cluster, mut round: impl AsyncFnMut()) {
    let mut moving = cluster.reshard();
    let mut rounds = 0;
    loop {
        let is_over = moving.try_wait().unwrap();
        round().await;
        rounds += 1;
        if let Some(status) = is_over {
            assert!(status.success());
            break;
        }
    }
    assert!(rounds > 1, "nothing was asked meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_requests_at_once_are_answered_while_slots_move() {
    if !is_installed() {
        return;
    }
    let cluster = Cluster::start().await;
    let store = open(cluster.urls()).await.unwrap();
    let sessions: Vec<_> = (0..400).map(|it| session(it, None, LATER)).collect();
    for session in &sessions {
        create(&store, session).await;
    }
    while_slots_move(&cluster, async || {
        let loads = join_all(sessions.iter().map(|session| store.load(session.key())));
        let found = timeout(Duration::from_secs(20), loads).await;
        for session in found.expect("some are never answered") {
            assert!(session.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_a_primary_hangs_or_dies_its_replica_is_asked() {
    if !is_installed() {
        return;
    }
    let mut cluster = Cluster::with_replicas(1, "2000").await;
    let copied = cluster.copied().await;
    let primaries: Vec<_> = (0..copied.len())
        .filter(|&node| copied[node].contains("role:master"))
        .collect();
    assert_eq!(primaries.len(), 3);
    let store = open(cluster.urls()).await.unwrap();
    let mut sessions: Vec<_> = (0..60).map(|it| session(it, None, LATER)).collect();
    for session in &sessions {
        create(&store, session).await;
    }
    cluster.have_keys(2 * sessions.len()).await;
    cluster.0[primaries[0]].signal(Signal::STOP);
    all_are_found(&store, &sessions).await;
    cluster.0[primaries[1]].kill();
    all_are_found(&store, &sessions).await;
    for session in &mut sessions {
        let newer = next(session, "newer");
        assert!(replace(&store, session, &newer).await);
    }
}

fn said(command: &mut Command) -> String {
    let said = command.output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn clearing_a_cluster_reaches_every_node_and_only_this_site() {
    if !is_installed() {
        return;
    }
    let cluster = Cluster::start().await;
    let store = open(cluster.urls()).await.unwrap();
    let other = crate::server::settings(cluster.urls()).with("SESSION_REDIS_PREFIX", "other:");
    let other = duck_session::store::RedisCache::open(&other).await.unwrap();
    for number in 0..50 {
        create(&store, &session(number, None, LATER)).await;
        create(&other, &session(number, None, LATER)).await;
    }
    store.clear().await.unwrap();
    assert!(store.page(None, 100).await.unwrap().sessions.is_empty());
    assert_eq!(other.page(None, 100).await.unwrap().sessions.len(), 50);
}
