//! The default policy in a real browser: what of a page runs, and what does not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::browser::{Browser, chromium};
use crate::running::Running;

const PATIENCE: Duration = Duration::from_secs(120);

/// What an attacker could get into a page.
const ATTACKS: &str = r#"<script>fetch("/ran/script")</script>
<img src="/missing.png" onerror="fetch('/ran/handler')">
<script nonce="AAAAAAAAAAAAAAAAAAAAAA">fetch("/ran/guessed-nonce")</script>
<script src="data:text/javascript,fetch('/ran/data')"></script>
<style>body { background: url("/ran/style") }</style>
<p style="background: url('/ran/style-attribute')">a</p>
<object data="/ran/object" type="text/html"></object>
<link rel="stylesheet" href="//127.0.0.1:9/ran/elsewhere.css">"#;

/// The site's own parts. The last one asks for `/done` when all others had their time.
async fn page(request: Request) -> Html<String> {
    let nonce = request.csp_nonce();
    Html(format!(
        r#"<!doctype html><title>Page</title><link rel="icon" href="data:,"><body>{ATTACKS}
<style nonce="{nonce}">main {{ background: url("/ran/own-style") }}</style><main>main</main>
<script src="/own.js"></script>
<script nonce="{nonce}">
fetch("/ran/own-script");
addEventListener("load", () => setTimeout(() => fetch("/done"), 500));
</script>"#
    ))
}

async fn own_js(_request: Request) -> Result<Response> {
    Ok(text("fetch('/ran/own-file')").with_header("content-type", "text/javascript")?)
}

#[derive(Clone, Default)]
struct Seen {
    ran: Arc<Mutex<BTreeSet<String>>>,
    done: Arc<Notify>,
}

async fn ran(request: Request, what: String) -> Result<Response> {
    let seen: &Seen = request.state()?;
    seen.ran.lock().unwrap().insert(what);
    Ok(text(""))
}

async fn done(request: Request) -> Result<Response> {
    request.state::<Seen>()?.done.notify_one();
    Ok(text(""))
}

/// What of the page runs in Chromium; `None` where there is none.
async fn runs(settings: Settings) -> Option<BTreeSet<String>> {
    let chromium = chromium()?;
    let seen = Seen::default();
    let app = App::new(settings).state(seen.clone()).urls([
        path("/", page),
        path("/own.js", own_js),
        path("/ran/<what>", ran),
        path("/done", done),
    ]);
    let site = app.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut running = Running::start(listener, site);
    let browser = Browser::show(chromium, &format!("http://127.0.0.1:{port}/"));
    let shown = tokio::time::timeout(PATIENCE, seen.done.notified()).await;
    drop(browser);
    running.begin_to_stop();
    running.stopped().await;
    assert!(shown.is_ok(), "the page's own script has not run");
    let ran = seen.ran.lock().unwrap().clone();
    Some(ran)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_attacker_puts_into_a_page_does_not_run_and_what_bears_the_nonce_does() {
    let own = ["own-file", "own-script", "own-style"].map(str::to_owned);
    let Some(ran) = runs(Settings::default()).await else {
        return;
    };
    assert_eq!(ran, BTreeSet::from(own));
    // Without the policy all of it runs: the test sees what the policy does.
    let off = Settings::default().with("SECURITY_HEADERS", false);
    let ran = runs(off).await.unwrap();
    for attack in [
        "script",
        "handler",
        "guessed-nonce",
        "data",
        "style",
        "style-attribute",
    ] {
        assert!(ran.contains(attack), "{attack}: {ran:?}");
    }
}
