//! The connection that all requests of a runtime share: nobody gets another's answer, and nobody waits for ever.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use duck_session::store::{Durability, RedisCache, SessionStore, StoredSession};
use futures_util::FutureExt;
use futures_util::future::{Either, join_all, select};
use redis::aio::MultiplexedConnection;
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};

use crate::proxy::Proxy;
use crate::server::{Server, is_installed, open};
use crate::{LATER, create, key, next, session};

/// One of one thread, which is that of the caller, and one with a thread of its own.
pub(crate) fn runtimes() -> [Runtime; 2] {
    let runtime = |mut builder: Builder| builder.worker_threads(1).enable_all().build().unwrap();
    [Builder::new_current_thread(), Builder::new_multi_thread()].map(runtime)
}

/// A request that goes on elsewhere, as the save of a visitor who has gone does.
#[test]
fn a_command_whose_runtime_ends_is_sent_again_by_the_one_that_waits_for_it() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let ([lives, _], key) = (runtimes(), key(1));
    let store = lives.block_on(server.store());
    for ends in runtimes() {
        // Its connection is there.
        assert!(ends.block_on(store.load(&key)).unwrap().is_none());
        let mut loading = pin!(store.load(&key));
        ends.block_on(async {
            server.signal(Signal::STOP);
            assert!(loading.as_mut().now_or_never().is_none(), "it is asked");
        });
        drop(ends);
        server.signal(Signal::CONT);
        lives.block_on(async {
            let loading = tokio::time::timeout(Duration::from_secs(20), loading);
            assert!(loading.await.unwrap().unwrap().is_none());
        });
    }
}

#[test]
fn each_runtime_has_a_connection_which_is_closed_when_it_ends() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let [lives, other] = runtimes();
    let mut admin = other.block_on(server.admin());
    let mut connections = || other.block_on(clients(&mut admin)) - 1;
    let store = lives.block_on(server.store());
    assert_eq!(connections(), 1);
    for ends in runtimes() {
        for number in 0..5 {
            assert!(ends.block_on(store.load(&key(number))).unwrap().is_none());
        }
        assert_eq!(connections(), 2);
        drop(ends);
        let start = Instant::now();
        while connections() > 1 {
            assert!(start.elapsed() < Duration::from_secs(20), "it stays open");
        }
    }
    assert!(lives.block_on(store.load(&key(1))).unwrap().is_none());
    assert_eq!(connections(), 1);
}

async fn clients(admin: &mut MultiplexedConnection) -> usize {
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST").arg("TYPE").arg("normal");
    let list: String = list.query_async(admin).await.unwrap();
    list.lines().count()
}

#[test]
fn what_is_asked_at_the_same_time_goes_out_in_one_write() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    for runtime in runtimes() {
        runtime.block_on(async {
            let store = server.store().await;
            let mut admin = server.admin().await;
            let before = reads(&mut admin).await;
            let visitors = tokio::spawn(async move {
                let load = |number| {
                    let store = store.clone();
                    tokio::spawn(async move { store.load(&key(number)).await })
                };
                join_all((0..40).map(load)).await
            });
            for loaded in visitors.await.unwrap() {
                assert!(loaded.unwrap().unwrap().is_none());
            }
            let reads = reads(&mut admin).await - before;
            assert!(reads < 10, "{reads} reads for 40 commands");
        });
    }
}

/// How often the server has found something to read.
async fn reads(admin: &mut MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("stats").query_async(admin).await.unwrap();
    let reads = |line: &str| line.strip_prefix("total_reads_processed:")?.parse().ok();
    info.lines().find_map(reads).unwrap()
}

/// What a request gives, unless it is given up at some moment: after a few turns of the runtime, or now and then
/// after some time, in which even a busy machine has an answer.
async fn unless_given_up<T>(request: impl Future<Output = T>) -> Option<T> {
    let patience = async {
        if fastrand::u32(0..8) == 0 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        }
        for _ in 0..fastrand::u32(0..12) {
            tokio::task::yield_now().await;
        }
    };
    match select(pin!(request), pin!(patience)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// What is in the session of one visitor.
fn mark(visitor: u64, count: u64) -> Vec<u8> {
    format!(
        "visitor {visitor} {count} {}",
        "x".repeat(usize::try_from(visitor).unwrap())
    )
    .into_bytes()
}

fn is_of(visitor: u64, session: &StoredSession) -> bool {
    session.bytes()[..] == mark(visitor, session.version().count)
}

/// How often somebody had an answer, and how often it was not waited for.
#[derive(Default)]
struct Visits {
    answered: AtomicU64,
    given_up: AtomicU64,
    are_over: AtomicBool,
}

impl Visits {
    fn are_enough(&self) -> bool {
        [&self.answered, &self.given_up]
            .iter()
            .all(|count| count.load(Relaxed) > 100)
    }
}

/// Reads and writes one session, and gives up at any moment.
async fn visit(store: RedisCache, visitor: u64, visits: Arc<Visits>) {
    let key = key(visitor);
    while !visits.are_over.load(Relaxed) {
        let loading = store.load(&key).map(Result::ok);
        let loaded = match unless_given_up(loading).await {
            None => {
                visits.given_up.fetch_add(1, Relaxed);
                continue;
            }
            Some(None) => continue, // the connection was cut
            Some(Some(loaded)) => loaded.unwrap(),
        };
        visits.answered.fetch_add(1, Relaxed);
        assert!(is_of(visitor, &loaded), "{visitor}: {:?}", loaded.bytes());
        let newer = next(&loaded, mark(visitor, loaded.version().count + 1));
        let replacing = store.replace(loaded.version(), &newer, Durability::Crash);
        unless_given_up(replacing).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_are_given_up_at_any_moment_never_give_a_visitor_the_session_of_another() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let proxy = Proxy::before(server.port()).await;
    let store = open(proxy.url()).await.unwrap();
    for visitor in 0..40 {
        let first = session(visitor, None, LATER);
        create(&store, &next(&first, mark(visitor, 1))).await;
    }
    let visits = Arc::<Visits>::default();
    let visit = |visitor| tokio::spawn(visit(store.clone(), visitor, visits.clone()));
    let visitors: Vec<_> = (0..40).map(visit).collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) || !visits.are_enough() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nobody is answered"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut_the_next_script();
        server.signal(Signal::STOP);
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.signal(Signal::CONT);
    }
    visits.are_over.store(true, Relaxed);
    for visitor in visitors {
        visitor.await.unwrap();
    }
    for visitor in 0..40 {
        let found = store.load(&key(visitor)).await.unwrap().unwrap();
        assert!(is_of(visitor, &found), "{visitor}");
    }
}
