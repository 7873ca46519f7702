//! Counts for Prometheus, at an address of their own: feature `metrics`.
//!
//! [`Metrics`] is a component. The guide is `docs/monitoring.md`.

mod listener;
pub(crate) mod meter;
mod process;
mod requests;

use crate::http::authority::is_address;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::time::sleep;

use self::listener::Listener;
use self::requests::Count;
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::settings::{Settings, SettingsError};

const KEY: &str = "METRICS_ADDRESS";

/// The bounds of the histograms, in seconds.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Between two tries to listen where another process still does.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts for Prometheus: `http://ADDRESS/metrics`, where `ADDRESS` is the setting `METRICS_ADDRESS`, such as
/// `"127.0.0.1:9100"`. Without that setting nothing is counted.
///
/// ```
/// use duck::metrics::Metrics;
/// use duck::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// // First, so that it counts what the middleware after it answers.
/// let app = App::new(Settings::default()).with(Metrics::new());
/// # app.start().await?;
/// # Ok(())
/// # }
/// ```
///
/// | name | labels | what |
/// |---|---|---|
/// | `duck_requests_total` | `method`, `route`, `status` | requests answered; with status 499 those whose client left before |
/// | `duck_request_seconds` | `method`, `route` | a histogram: from the head of a request to that of its response |
/// | `duck_requests_in_flight` | | requests being answered |
/// | `duck_connections` | | open connections |
/// | `duck_received_bytes_total`, `duck_sent_bytes_total` | | bytes over all connections, heads included |
/// | `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds` | | of the process, on Linux |
///
/// `route` is the URL pattern as it is written (`/notes/<id>`), never the path of a request, and `method` one of the nine of
/// the standards, or `other`: so a visitor cannot make up new series. Requests without a pattern have the route `none`.
/// With the feature `metrics` of duck-session, what happens to sessions is here too, and so is what the site counts with
/// the macros of the crate `metrics`.
///
/// The same address answers `/-/live` and `/-/ready` in JSON that names the checks which fail. It is for machines that you
/// trust: listen on an address that the internet does not reach. On a loopback address it refuses requests for a host that
/// is neither an address nor `localhost`, as a page of another site can bring them there.
///
/// The counts are those of the process: several sites in one process count together.
///
/// # Errors
///
/// The site does not start where `METRICS_ADDRESS` is no address or cannot be listened on, and where the program has set a
/// recorder of the crate `metrics` itself. Where another process listens there it starts, says so, and tries again:
/// it may be the edition of the site before this one.
#[derive(Debug, Default)]
pub struct Metrics(());

impl Metrics {
    /// As the settings say.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Component for Metrics {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let settings = setup.settings();
        let Some(address) = settings.get::<String>(KEY)? else {
            return Ok(());
        };
        if !is_address(&address) {
            let right = "takes a host and a port, such as \"127.0.0.1:9100\" or \"[::1]:9100\"";
            return Err(settings.error(KEY, right).into());
        }
        if !setup.is_serving() {
            return Ok(());
        }
        let first = bind(settings, &address).await?;
        let handle = recorder(settings)?;
        setup.banner("metrics", format!("http://{address}/metrics"));
        setup.middleware(Count::new());
        let first = Arc::new(Mutex::new(first));
        setup.background_in_context(move |context| {
            let (first, address, handle) = (first.clone(), address.clone(), handle.clone());
            async move {
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                let socket = match first {
                    Some(socket) => socket,
                    None => bind_again(&address).await,
                };
                Listener::new(socket, handle, context).serve().await;
            }
        });
        Ok(())
    }
}

/// `None` where another process listens there.
async fn bind(settings: &Settings, address: &str) -> Result<Option<TcpListener>, SettingsError> {
    match TcpListener::bind(address).await {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        Err(error) => {
            Err(settings.error(KEY, format_args!("cannot listen on {address:?}: {error}")))
        }
    }
}

async fn bind_again(address: &str) -> TcpListener {
    tracing::warn!(target: "duck", address, "another program listens on METRICS_ADDRESS: it is tried again each second");
    loop {
        sleep(PAUSE).await;
        if let Ok(socket) = TcpListener::bind(address).await {
            tracing::info!(target: "duck", address, "METRICS_ADDRESS is free now: metrics are served");
            return socket;
        }
    }
}

/// The recorder of this process, of which there is one.
fn recorder(settings: &Settings) -> Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut known = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*known {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS);
    let recorder = builder.map_err(Error::internal)?.build_recorder();
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|_| {
        let right = "the program has set a recorder of the crate `metrics` itself: leave out that, or this setting";
        settings.error(KEY, right)
    })?;
    describe();
    *known = Some(handle.clone());
    Ok(handle)
}

fn describe() {
    use ::metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "duck_requests_total",
        "Requests answered; status 499: the client left before."
    );
    describe_histogram!(
        "duck_request_seconds",
        "Seconds from the head of a request to that of its response."
    );
    describe_gauge!("duck_requests_in_flight", "Requests being answered.");
    describe_gauge!("duck_connections", "Open connections.");
    describe_counter!(
        "duck_received_bytes_total",
        "Bytes received over all connections."
    );
    describe_counter!("duck_sent_bytes_total", "Bytes sent over all connections.");
}
