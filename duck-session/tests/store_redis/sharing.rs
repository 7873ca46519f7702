//! The one connection that all requests share: nobody gets another's answer, and nobody waits for ever.

use std::pin::pin;
use std::time::{Duration, Instant};

use duck_session::store::{Durability, RedisCache, SessionStore, StoredSession};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use rustix::process::Signal;

use crate::proxy::Proxy;
use crate::server::{Server, is_installed, open};
use crate::{LATER, create, key, next, session};

#[test]
fn a_runtime_that_ends_before_its_command_is_sent_holds_nobody_up() {
    if !is_installed() {
        return;
    }
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap()
    };
    let server = Server::start(&[]);
    let (lives, ends, key) = (runtime(), runtime(), key(1));
    let store = lives.block_on(server.store());
    ends.block_on(async {
        assert!(store.load(&key).now_or_never().is_none(), "it is asked");
    });
    drop(ends);
    lives.block_on(async {
        let loading = tokio::time::timeout(Duration::from_secs(20), store.load(&key));
        assert!(loading.await.unwrap().unwrap().is_none());
    });
}

/// What a request gives, unless it is given up after so many turns of the runtime.
async fn given_up_after<T>(turns: u32, request: impl Future<Output = T>) -> Option<T> {
    let patience = async {
        for _ in 0..turns {
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

/// Reads and writes one session, and gives up at any moment. Returns how often it was answered and how often not.
async fn visit(store: RedisCache, visitor: u64, end: Instant) -> (u64, u64) {
    let (key, mut answered, mut given_up) = (key(visitor), 0, 0);
    while Instant::now() < end {
        let loading = store.load(&key).map(Result::ok);
        let loaded = match given_up_after(fastrand::u32(0..12), loading).await {
            None => {
                given_up += 1;
                continue;
            }
            Some(None) => continue, // the connection was cut
            Some(Some(loaded)) => loaded.unwrap(),
        };
        answered += 1;
        assert!(is_of(visitor, &loaded), "{visitor}: {:?}", loaded.bytes());
        let newer = next(&loaded, mark(visitor, loaded.version().count + 1));
        let replacing = store.replace(loaded.version(), &newer, Durability::Crash);
        given_up_after(fastrand::u32(0..12), replacing).await;
    }
    (answered, given_up)
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
    let end = Instant::now() + Duration::from_secs(3);
    let visits = (0..40).map(|visitor| tokio::spawn(visit(store.clone(), visitor, end)));
    let visits: Vec<_> = visits.collect();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut_the_next_script();
        server.signal(Signal::STOP);
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.signal(Signal::CONT);
    }
    let (mut answered, mut given_up) = (0, 0);
    for visit in visits {
        let counts = visit.await.unwrap();
        (answered, given_up) = (answered + counts.0, given_up + counts.1);
    }
    assert!(answered > 100 && given_up > 100, "{answered} {given_up}");
    for visitor in 0..40 {
        let found = store.load(&key(visitor)).await.unwrap().unwrap();
        assert!(is_of(visitor, &found), "{visitor}");
    }
}
