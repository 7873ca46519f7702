//! What keeps a site from starting, and what it says when it starts.

use std::sync::LazyLock;

use duck_session::store::{RedisCache, SessionStore};

use crate::server::{Server, is_installed, open, settings};
use crate::sharing::runtimes;
use crate::{LOG, key, site};

/// Why a store does not open. It says which setting, and no password.
async fn refused(url: impl serde::Serialize) -> String {
    let error = open(url).await.unwrap_err().chain().clone();
    assert!(error.starts_with("SESSION_REDIS_URL"), "{error}");
    assert!(
        !error.contains("secret") && !error.contains("wrong"),
        "{error}"
    );
    error
}

#[tokio::test]
async fn a_wrong_password_keeps_the_site_from_starting() {
    if !is_installed() {
        return;
    }
    LazyLock::force(&LOG);
    let server = Server::start(&["--requirepass", "s%e/cret"]);
    let at = format!("127.0.0.1:{}", server.port());
    let error = refused(format!("redis://:wr0ng@{at}")).await;
    assert!(!error.contains("wr0ng"), "{error}");
    refused(format!("redis://{at}")).await;
    let store = open(format!("redis://:s%25e%2Fcret@{at}")).await.unwrap();
    assert!(!format!("{store:?}").contains("cret"));
    for password in ["wr0ng", "s%e/cret", "s%25e%2Fcret"] {
        assert!(!LOG.entries("").contains(password), "{}", LOG.entries(""));
    }
}

#[tokio::test]
async fn a_user_of_the_access_list_needs_only_the_keys_of_the_prefix() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER")
        .arg("mysite")
        .arg("on")
        .arg(">pass")
        .arg("~duck:test:*");
    for right in [
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
        "+time",
        "-@dangerous",
        "+info",
    ] {
        set.arg(right);
    }
    let _: () = set.query_async(&mut server.admin().await).await.unwrap();
    let url = format!("redis://mysite:pass@127.0.0.1:{}", server.port());
    let client = site::visitor(site::settings(url)).await;
    site::read(&client, "/login/ida").await;
    assert_eq!(site::read(&client, "/user").await, "ida");
    site::read(&client, "/logout").await;
    refused(format!("redis://nobody:pass@127.0.0.1:{}", server.port())).await;
}

#[tokio::test]
async fn a_replica_keeps_the_site_from_starting() {
    if !is_installed() {
        return;
    }
    let primary = Server::start(&[]);
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let error = refused(replica.url()).await;
    assert!(error.contains("replica"), "{error}");
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_told_in_the_log() {
    if !is_installed() {
        return;
    }
    LazyLock::force(&LOG);
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let client = site::visitor(site::settings(server.url())).await;
    site::read(&client, "/add").await;
    let mut admin = server.admin().await;
    let mut demote = redis::cmd("REPLICAOF");
    demote.arg("127.0.0.1").arg(other.port());
    let _: () = demote.query_async(&mut admin).await.unwrap();
    site::assert_unavailable(&client.get("/add").await);
    assert!(LOG.entries("").contains("replica"), "{}", LOG.entries(""));
    let mut promote = redis::cmd("REPLICAOF");
    let _: () = promote
        .arg("NO")
        .arg("ONE")
        .query_async(&mut admin)
        .await
        .unwrap();
    site::read_again(&client, "/add").await;
}

#[tokio::test]
async fn a_node_of_a_cluster_and_a_list_of_one_server_are_refused() {
    if !is_installed() {
        return;
    }
    let node = Server::start(&["--cluster-enabled", "yes"]);
    assert!(refused(node.url()).await.contains("Cluster"));
    let server = Server::start(&[]);
    refused([server.url()]).await;
}

#[test]
fn a_policy_that_evicts_sessions_is_a_warning_at_the_start_and_not_for_each_connection() {
    if !is_installed() {
        return;
    }
    LazyLock::force(&LOG);
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "noeviction",
    ] {
        let server = Server::start(&["--maxmemory", "64mb", "--maxmemory-policy", policy]);
        let [first, other] = runtimes();
        let store = first.block_on(server.store());
        assert!(other.block_on(store.load(&key(1))).unwrap().is_none());
        let warning = format!("WARN message=Redis: maxmemory-policy is {policy}");
        let said = LOG.entries("").matches(&warning).count();
        assert_eq!(said, usize::from(policy != "noeviction"), "{policy}");
    }
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_with_their_line() {
    let url = "redis://:secret@127.0.0.1:1";
    for (key, text) in [
        ("SESSION_REDIS_URL", String::new()),
        (
            "SESSION_REDIS_URL",
            "SESSION_REDIS_URL = 'localhost:6379'".into(),
        ),
        (
            "SESSION_REDIS_URL",
            "SESSION_REDIS_URL = 'http://:secret@localhost'".into(),
        ),
        (
            "SESSION_REDIS_URL",
            "SESSION_REDIS_URL = 'redis://:secret@host:port'".into(),
        ),
        (
            "SESSION_REDIS_URL",
            "SESSION_REDIS_URL = 'redis://:secret@host/mysite'".into(),
        ),
        ("SESSION_REDIS_URL", "SESSION_REDIS_URL = []".into()),
        ("SESSION_REDIS_URL", "SESSION_REDIS_URL = 6379".into()),
        (
            "SESSION_REDIS_URL",
            "SESSION_REDIS_URL = ['redis://a:1', 'redis://:secret@b:1']".into(),
        ),
        (
            "SESSION_REDIS_PREFIX",
            format!("SESSION_REDIS_URL = '{url}'\nSESSION_REDIS_PREFIX = ''"),
        ),
        (
            "SESSION_REDIS_PREFIX",
            format!("SESSION_REDIS_URL = '{url}'\nSESSION_REDIS_PREFIX = 'a*'"),
        ),
        (
            "SESSION_REDIS_PREFIX",
            format!("SESSION_REDIS_URL = '{url}'\nSESSION_REDIS_PREFIX = '{{a}}'"),
        ),
    ] {
        let settings = duck::Settings::from_toml(&text).unwrap();
        let error = RedisCache::open(&settings)
            .await
            .unwrap_err()
            .chain()
            .clone();
        assert!(error.contains(key), "{text}: {error}");
        assert!(
            text.is_empty() || error.contains(", line "),
            "{text}: {error}"
        );
        assert!(!error.contains("secret"), "{text}: {error}");
    }
}

#[tokio::test]
async fn two_sites_share_a_server_by_their_prefixes() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let own = settings(server.url()).with("SESSION_REDIS_PREFIX", None::<String>);
    RedisCache::open(&own).await.unwrap();
    let name = std::env::current_exe().unwrap();
    let name = name.file_stem().unwrap().to_str().unwrap();
    let shown = format!("{:?}", RedisCache::open(&own).await.unwrap());
    assert!(shown.contains(&format!("duck:{name}:")), "{shown}");
}

#[tokio::test]
async fn urls_of_which_only_some_are_of_tls_are_refused() {
    let mixed = [
        "redis://:secret@127.0.0.1:1",
        "rediss://:secret@127.0.0.1:1",
    ];
    assert!(refused(mixed).await.contains("the same scheme"));
}
