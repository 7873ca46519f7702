//! The two files of a certificate: its chain and its key, in PEM (RFC 7468).

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use x509_cert::der::Decode;

/// Before a certificate ends, this long its owner is warned.
const WARNED_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Where they are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What was in them.
pub(crate) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The last second in which it is good; `None` if it cannot be read.
    ends: Option<SystemTime>,
}

/// By which a change of a file is seen.
pub(super) type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Files {
    /// Reads both. They have to belong together, and the certificate must not be over.
    pub(crate) fn read(&self) -> Result<Pair, CertificateError> {
        let chain = self.chain()?;
        let ends = chain.first().and_then(ends);
        let key = self.private_key()?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| self.misfit(&error))?;
        if ends.is_some_and(|ends| ends < SystemTime::now()) {
            let date = ends.map_or_else(String::new, date);
            return Err(
                self.about_certificate(format!("its certificate ended on {date}; renew it"))
            );
        }
        let key = Arc::new(key);
        Ok(Pair { key, ends })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let pem = fs::read(&self.certificate)
            .map_err(|error| self.about_certificate(format!("cannot be read: {error}")))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match chain {
            Ok(chain) if chain.is_empty() => {
                let text = "holds no certificate: it takes `-----BEGIN CERTIFICATE-----`, the site's own first, \
                            then those it was signed with";
                Err(self.about_certificate(text.to_owned()))
            }
            Ok(chain) => Ok(chain),
            Err(error) => Err(self.about_certificate(format!("is no good PEM: {error}"))),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, CertificateError> {
        let pem = fs::read(&self.key)
            .map_err(|error| self.about_key(format!("cannot be read: {error}")))?;
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
            let is_encrypted = String::from_utf8_lossy(&pem).contains("ENCRYPTED PRIVATE KEY");
            self.about_key(match error {
                PemError::NoItemsFound if is_encrypted => {
                    "is encrypted: write it without a password (`openssl pkey -in … -out …`), readable by the \
                     site's user alone"
                        .to_owned()
                }
                PemError::NoItemsFound => {
                    "holds no key: it takes `-----BEGIN PRIVATE KEY-----` (PKCS#8), `EC PRIVATE KEY` (SEC1) or \
                     `RSA PRIVATE KEY` (PKCS#1)"
                        .to_owned()
                }
                error => format!("is no good PEM: {error}"),
            })
        })
    }

    fn misfit(&self, error: &Error) -> CertificateError {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = self.certificate.display();
                self.about_key(format!(
                    "is not the key of the certificate in {certificate}"
                ))
            }
            Error::InvalidCertificate(_) => {
                self.about_certificate(format!("its certificate cannot be used: {error}"))
            }
            _ => self.about_key(format!("its key cannot be used: {error}")),
        }
    }

    fn about_certificate(&self, text: String) -> CertificateError {
        CertificateError {
            is_about_key: false,
            file: self.certificate.clone(),
            text,
        }
    }

    fn about_key(&self, text: String) -> CertificateError {
        CertificateError {
            is_about_key: true,
            file: self.key.clone(),
            text,
        }
    }

    /// Both as they are now. A file that is not there has none.
    pub(super) fn stamps(&self) -> [Stamp; 2] {
        [&self.certificate, &self.key].map(stamp)
    }
}

impl Pair {
    /// What to say of one that ends soon.
    pub(crate) fn ends_soon(&self) -> Option<String> {
        let ends = self.ends?;
        let is_soon = ends < SystemTime::now() + WARNED_BEFORE;
        is_soon.then(|| format!("its certificate ends on {}; renew it", date(ends)))
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    // Of the file that a link leads to: certbot changes links.
    let file: Metadata = fs::metadata(path).ok()?;
    Some((
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
    ))
}

/// RFC 5280, 4.1.2.5.
fn ends(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let not_after = certificate.tbs_certificate.validity.not_after;
    UNIX_EPOCH.checked_add(not_after.to_unix_duration())
}

/// A day and a time, as HTTP has them.
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// What is wrong with the files of a certificate. Nothing of the key is told.
#[derive(Debug, Clone)]
pub struct CertificateError {
    is_about_key: bool,
    file: PathBuf,
    text: String,
}

impl CertificateError {
    /// The file: that of the certificate or that of the key.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn is_about_key(&self) -> bool {
        self.is_about_key
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file.display(), self.text)
    }
}

impl std::error::Error for CertificateError {}
