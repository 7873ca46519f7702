//! A Cluster of three nodes.

use std::process::Command;

use duck_session::conformance::store;
use duck_session::store::{SessionStore, UserKey};

use crate::server::{Server, is_installed, open};
use crate::{LATER, create, next, replace, session};

/// Three primaries, which have a third of the slots each.
struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        let node = |_| {
            let bus = crate::server::free_port().to_string();
            Server::start(&[&arguments[..], &["--cluster-port", &bus]].concat())
        };
        let cluster = Self((0..3).map(node).collect());
        let places = cluster
            .0
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()));
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(places)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
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
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        cluster
    }

    fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
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
    let (first, second) = (cluster.0[0].port(), cluster.0[1].port());
    let ids = [first, second].map(|port| {
        let mut ask = Command::new("redis-cli");
        said(ask.args(["-p", &port.to_string(), "CLUSTER", "MYID"]))
    });
    let mut moving = Command::new("redis-cli")
        .args(["--cluster", "reshard", &format!("127.0.0.1:{first}")])
        .args(["--cluster-from", &ids[0], "--cluster-to", &ids[1]])
        .args(["--cluster-slots", "3000", "--cluster-yes"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut rounds = 0;
    loop {
        let is_over = moving.try_wait().unwrap();
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
        rounds += 1;
        if let Some(status) = is_over {
            assert!(status.success());
            break;
        }
    }
    assert!(rounds > 1, "nothing was written meanwhile");
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
