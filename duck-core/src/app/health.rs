//! `/-/live` and `/-/ready`: what a load balancer asks a site.

use http::header::{self, HeaderValue};

use crate::app::component::Component;
use crate::app::ready_state::ReadyState;
use crate::app::setup::Setup;
use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::{Response, json, text};
use crate::routing::urls::path;

/// Answers what load balancers and supervisors ask: `/-/live` and `/-/ready`.
///
/// * `/-/live` is 200 for as long as the process answers: whatever restarts a program that hangs asks for it.
/// * `/-/ready` is 200 while the site can do its work, and 503 from the moment on that it was asked to stop, and while
///   one of the checks fails: that of the session storage, that of a database of `duck::database`, and those that the site
///   adds with [`Setup::ready_check`]. A check has two seconds. Checks run at most once a second, however many ask.
///
/// The bodies are `ok` and `not ready`, and nothing else; with `DEBUG`, JSON that names the checks which fail. Why they
/// fail, the log says once.
///
/// Both stand outside of the site's middleware, of its tower layers and of the log of all requests. They are answered
/// under an address in place of a host name (`http://10.0.0.7:8000/-/ready`), and under `localhost`, whether or not
/// `ALLOWED_HOSTS` names it: that is how machines ask, and no page of another site can have such a host. The answers
/// are the same for every host.
///
/// ```
/// use duck::testing::TestClient;
/// use duck::{App, Health, Settings, Setup};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let search = async |setup: &mut Setup<'_>| {
///     setup.ready_check("search", async || Err(std::io::Error::other("the index is gone").into()));
///     Ok(())
/// };
/// let site = TestClient::start(App::new(Settings::default()).with(Health::new()).with(search)).await;
/// assert_eq!(site.get("/-/live").await.text(), "ok\n");
///
/// let answer = site.get("/-/ready").await;
/// assert_eq!((answer.status().as_u16(), answer.text()), (503, "not ready\n"));
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Health(());

impl Health {
    /// Both pages.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Component for Health {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        setup.urls([path("/-/live", live).bare(), path("/-/ready", ready).bare()]);
        Ok(())
    }
}

async fn live(_request: Request) -> Response {
    fresh(text("ok\n"))
}

async fn ready(request: Request) -> Response {
    let context = request.context();
    let state = ReadyState::of(context).await;
    let answer = match (context.debug, state.is_ready()) {
        (true, _) => json(&state.json()),
        (false, true) => text("ok\n"),
        (false, false) => text("not ready\n"),
    };
    fresh(answer.with_status(state.status()))
}

/// It says how the site is now.
fn fresh(answer: Response) -> Response {
    answer.with(
        header::CACHE_CONTROL,
        const { HeaderValue::from_static("no-store") },
    )
}
