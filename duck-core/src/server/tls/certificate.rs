//! The certificate that a site shows, which may change while it serves.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::files::{CertificateError, Files, Pair, Stamp};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How often it is said that the certificate ends soon.
const REMINDER: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate with its key, from two PEM files, and how a server uses it. Clones share it.
///
/// TLS 1.2 and 1.3 are spoken, with the ciphers that rustls has (all with forward secrecy), and HTTP/2 is offered
/// beside HTTP/1.1 (ALPN, RFC 7301) where the feature `http2` is on. Clients come back with session tickets (RFC
/// 5077 and 8446): the server keeps nothing for them. The key of the tickets is in memory alone and is replaced
/// every six hours; a ticket is good for twice as long. There is no early data (0-RTT), which could be sent twice.
///
/// ```no_run
/// use duck::server::{Certificate, Tls, serve};
/// use tokio::net::TcpListener;
///
/// # async fn main_task(site: duck::Site) -> Result<(), Box<dyn std::error::Error>> {
/// let certificate = Certificate::load("cert.pem", "key.pem")?;
/// tokio::spawn(certificate.clone().follow());
/// let listener = Tls::new(TcpListener::bind("0.0.0.0:443").await?, &certificate);
/// serve(listener, site, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    files: Files,
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    seen: Mutex<[Stamp; 2]>,
}

impl Certificate {
    /// Reads a chain of certificates, the site's own first, and its key (PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    ///
    /// When a file cannot be read or holds something else, the two do not belong together, or the certificate is
    /// over.
    pub fn load(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, CertificateError> {
        Self::from_files(Files {
            certificate: certificate.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
        })
    }

    pub(crate) fn from_files(files: Files) -> Result<Self, CertificateError> {
        // Before they are read: what changes meanwhile is seen at the first look.
        let seen = Mutex::new(files.stamps());
        let pair = files.read()?;
        let current = Arc::new(Current(RwLock::new(pair)));
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config(current.clone())),
            files,
            current,
            seen,
        })))
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.clone()
    }

    /// Reads the files again. Connections that begin from now on see what is in them.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load). Then the certificate stays the one that it was.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let pair = self.0.files.read()?;
        self.0.current.replace(pair);
        Ok(())
    }

    /// Looks at the files every two seconds, without end, and [reloads](Self::reload) them when one has
    /// changed. The log says so, says what is wrong where they cannot be used, and reminds once a day of a
    /// certificate that ends within 14 days.
    pub async fn follow(self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reminded: Option<Instant> = None;
        loop {
            looks.tick().await;
            if reminded.is_none_or(|at| at.elapsed() >= REMINDER) {
                reminded = Some(Instant::now());
                self.remind();
            }
            let own = self.clone();
            // It has nothing to give back, and a panic is in the log.
            let _ = tokio::task::spawn_blocking(move || own.look()).await;
        }
    }

    /// Reloads the files if they have changed since they were read or looked at.
    fn look(&self) {
        let stamps = self.0.files.stamps();
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, stamps) != stamps {
            self.reload_and_tell();
        }
    }

    /// Reloads the files, and has the log say what came of it.
    pub(crate) fn reload_and_tell(&self) {
        match self.reload() {
            Ok(()) => {
                let file = self.0.files.certificate.display();
                tracing::info!(target: "duck", "TLS_CERT: new connections get the certificate in {file}");
                self.remind();
            }
            Err(error) => {
                tracing::error!(target: "duck", "the certificate stays as it was: {error}");
            }
        }
    }

    fn remind(&self) {
        if let Some(text) = self.0.current.ends_soon() {
            let file = self.0.files.certificate.display();
            tracing::warn!(target: "duck", "TLS_CERT: {file}: {text}");
        }
    }
}

fn config(current: Arc<Current>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring has ciphers for both")
        .with_no_client_auth()
        .with_cert_resolver(current);
    #[cfg(feature = "http2")]
    config.alpn_protocols.push(b"h2".to_vec());
    config.alpn_protocols.push(b"http/1.1".to_vec());
    // Tickets do without it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match ring::Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        // Without random bytes nothing else works either: each handshake would say so.
        Err(error) => tracing::error!(target: "duck", %error, "TLS goes without session tickets"),
    }
    config
}

/// What the next handshake gets.
struct Current(RwLock<Pair>);

impl Current {
    fn replace(&self, pair: Pair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
    }

    fn ends_soon(&self) -> Option<String> {
        let pair = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pair.ends_soon()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(pair.key.clone())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}
