//! Views that compute while sessions are being saved.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duck::{Request, Result, UrlPattern, path};
use futures_util::FutureExt;

use crate::served::{PATIENCE, Server, Visitor};

static RELEASED: AtomicBool = AtomicBool::new(false);

pub(crate) fn urls() -> [UrlPattern; 3] {
    [
        path("/count", count),
        path("/hold", hold),
        path("/release", async |_: Request| {
            RELEASED.store(true, Ordering::SeqCst);
            "released"
        }),
    ]
}

async fn count(request: Request) -> Result<String> {
    let count = request.session.update("n", |n: &mut u64| *n += 1).await?;
    Ok(count.to_string())
}

/// Begins to save, and computes until somebody else asks for `/release`.
async fn hold(request: Request) -> Result<String> {
    let count = count(request.clone()).await?;
    let mut saving = pin!(request.session.save());
    // The answer is on its way, or here already if another thread was quick.
    let saved = saving.as_mut().now_or_never();
    eprintln!("it computes");
    let start = Instant::now();
    while !RELEASED.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    match saved {
        Some(saved) => saved?,
        None => saving.await?,
    }
    Ok(count)
}

/// Two visitors on two threads of a site, who have sessions.
pub(crate) fn visitors(server: &Server) -> (Visitor, Visitor) {
    let (mut one, mut other) = server.two_visitors();
    assert_eq!(one.get("/count"), "1");
    assert_eq!(other.get("/count"), "1");
    (one, other)
}

/// The view of one visitor computes, for so long at least. Meanwhile the other one's session is read and saved.
pub(crate) fn holds_up_nobody_else(
    server: &mut Server,
    (mut held, mut other): (Visitor, Visitor),
    time: Duration,
) {
    held.ask("/hold");
    server.line_with("it computes");
    let start = Instant::now();
    for count in 2..100 {
        assert_eq!(other.get("/count"), count.to_string());
    }
    assert!(held.waits(), "its view computes");
    thread::sleep(time.saturating_sub(start.elapsed()));
    other.get("/release");
    assert_eq!(held.answer(), (200, "2".to_owned()));
}
