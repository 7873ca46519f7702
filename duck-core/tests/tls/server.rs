//! A server of a test's own, which speaks HTTPS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use duck::prelude::*;
use duck::server::{Certificate, Listener, Tls};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::running::Running;

/// Large enough that no buffer holds it.
pub(crate) const LARGE: usize = 50_000_000;

/// What the views have in common with the test.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    /// The view `/wait` has begun.
    pub(crate) begun: Arc<Notify>,
    /// Lets it go on.
    pub(crate) go: Arc<Notify>,
}

/// A running server, and what its views have in common with the test.
pub(crate) struct Served {
    pub(crate) shared: Shared,
    running: Running,
}

impl Served {
    pub(crate) async fn start(listener: impl Listener, settings: &str) -> Self {
        let shared = Shared::default();
        let settings = Settings::from_toml(settings).expect("settings");
        let site = app(settings, &shared).start().await.expect("a site");
        Self {
            shared,
            running: Running::start(listener, site),
        }
    }

    pub(crate) fn begin_to_stop(&mut self) {
        self.running.begin_to_stop();
    }

    pub(crate) async fn stopped(self) {
        self.running.stopped().await;
    }
}

/// A server with a certificate of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) site: Served,
    pub(crate) certificate: Certificate,
    /// Where its certificate and key are.
    pub(crate) folder: TempDir,
}

impl Server {
    pub(crate) async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder, &make("first"));
        let certificate = Certificate::load(
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let certificate = certificate.expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let site = Served::start(Tls::new(listener, &certificate), settings).await;
        Self {
            address,
            site,
            certificate,
            folder,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

/// Makes one for this machine.
pub(crate) fn make(name: &str) -> Pair {
    make_until(name, SystemTime::now() + Duration::from_hours(24 * 90))
}

pub(crate) fn make_until(name: &str, ends: SystemTime) -> Pair {
    let names = vec![
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        name.to_owned(),
    ];
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.not_before = (ends - Duration::from_hours(24 * 365)).into();
    params.not_after = ends.into();
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().clone(),
    }
}

pub(crate) fn write(folder: &TempDir, pair: &Pair) {
    std::fs::write(folder.path().join("cert.pem"), &pair.certificate).expect("a file");
    std::fs::write(folder.path().join("key.pem"), &pair.key).expect("a file");
}

fn app(settings: Settings, shared: &Shared) -> App {
    let waiting = shared.clone();
    App::new(settings).urls([
        path("/", async |_request: Request| "home"),
        path("/who", who),
        path("/count", count).methods([POST]).max_body(u64::MAX),
        path("/large", async |_request: Request| "x".repeat(LARGE)),
        path("/wait", move |_request: Request| {
            let shared = waiting.clone();
            async move {
                shared.begun.notify_one();
                shared.go.notified().await;
                "at last"
            }
        }),
    ])
}

/// What the site knows of the visitor.
async fn who(request: Request) -> String {
    let ip = request.client_ip().map(|ip| ip.to_string());
    let secure = request.is_secure();
    format!("{} secure={secure}", ip.as_deref().unwrap_or("nobody"))
}

async fn count(request: Request) -> Result<String> {
    let mut body = request.body_stream()?;
    let mut bytes = 0;
    while let Some(piece) = body.next().await? {
        bytes += piece.len();
    }
    Ok(bytes.to_string())
}
