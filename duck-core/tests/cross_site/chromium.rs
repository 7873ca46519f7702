//! The same with a real browser: a page of one site sends a `fetch` and a form to another.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::http::Body;
use duck::middleware::Inside;
use duck::prelude::*;
use duck::server::serve;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::browser::{Browser, chromium};

const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a `fetch` and then a form to each site in its query, and then says that it is done.
const PAGE: &str = r#"<!doctype html><link rel="icon" href="data:,"><iframe name="frame"></iframe><script>
const frame = document.querySelector("iframe");

async function send(to) {
  await fetch(`http://${to}/save?fetch`, { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => {});
  const form = document.createElement("form");
  Object.assign(form, { method: "post", target: "frame", action: `http://${to}/save?form` });
  document.body.append(form);
  const arrived = new Promise(done => frame.onload = done);
  form.submit();
  await arrived;
}

(async () => {
  for (const to of new URLSearchParams(location.search).getAll("to")) await send(to);
  await fetch("/done");
})();
</script>"#;

async fn page(_request: Request) -> Response {
    html(PAGE)
}

async fn save(_request: Request) -> Response {
    text("saved")
}

async fn done(request: Request) -> Result<Response> {
    request.state::<Arc<Notify>>()?.notify_one();
    Ok(text("done"))
}

/// What arrived: how it was sent, what the browser said of the page, and the status of the answer.
type Seen = Arc<Mutex<Vec<(String, String, u16)>>>;

/// A site that notes all that is sent to it, refused or not.
struct Served {
    port: u16,
    seen: Seen,
    /// Its page has sent everything.
    done: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(settings: Settings) -> Self {
        let seen = Seen::default();
        let notes = seen.clone();
        let noting = tower::layer::layer_fn(move |inside: Inside| {
            let notes = notes.clone();
            tower::service_fn(move |request: http::Request<Body>| {
                note(notes.clone(), inside.clone(), request)
            })
        });
        let all_sent = Arc::new(Notify::new());
        // The page sends wherever its query says.
        let settings = settings.with("SECURITY_HEADERS", false);
        let app = App::new(settings).layer(noting).state(all_sent.clone());
        let urls = [
            path("/save", save).methods([POST]),
            path("/page", page),
            path("/done", done),
        ];
        let site = app.urls(urls).start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = serve(listener, site.expect("a site"), std::future::pending());
        let task = tokio::spawn(serving);
        Self {
            port,
            seen,
            done: all_sent,
            task,
        }
    }

    /// What has come since the last time.
    fn seen(&self) -> Vec<(String, String, u16)> {
        std::mem::take(&mut *self.seen.lock().expect("no panic while noting"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Stands outside of everything that the site does.
async fn note(
    seen: Seen,
    site: Inside,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let how = request.uri().query().unwrap_or_default().to_owned();
    let from = request.headers().get("sec-fetch-site");
    let from = from.and_then(|from| from.to_str().ok()).unwrap_or_default();
    let (from, is_post) = (from.to_owned(), *request.method() == POST);
    let response = site.oneshot(request).await?;
    if is_post {
        let note = (how, from, response.status().as_u16());
        seen.lock().expect("no panic while noting").push(note);
    }
    Ok(response)
}

/// Has a site's page send to others what it is to send.
async fn visit(chromium: &Path, site: &Served, host: &str, query: &str) {
    let url = format!("http://{host}:{}/page?{query}", site.port);
    let _browser = Browser::show(chromium, &url);
    let sent = timeout(PATIENCE, site.done.notified()).await;
    assert!(sent.is_ok(), "{url} has not sent everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_or_port_sends_nothing_that_counts_unless_it_is_trusted() {
    let Some(chromium) = chromium() else { return };
    let other = Served::start(Settings::default()).await;
    let origins = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{}", other.port));
    let own = Served::start(Settings::default()).await;
    let trusting = Settings::default().with("CSRF_TRUSTED_ORIGINS", &origins);
    let trusting = Served::start(trusting).await;
    let to = format!("to=127.0.0.1:{}&to=127.0.0.1:{}", own.port, trusting.port);
    let sent = |from: &str, status| {
        ["fetch", "form"]
            .map(|how| (how.to_owned(), from.to_owned(), status))
            .to_vec()
    };
    for (host, from) in [("127.0.0.1", "same-site"), ("localhost", "cross-site")] {
        visit(chromium, &other, host, &to).await;
        assert_eq!(own.seen(), sent(from, 403), "{host}");
        assert_eq!(trusting.seen(), sent(from, 200), "{host}");
    }
    let itself = format!("to=127.0.0.1:{}", own.port);
    visit(chromium, &own, "127.0.0.1", &itself).await;
    assert_eq!(own.seen(), sent("same-origin", 200));
}
