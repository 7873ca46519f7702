//! TLS to the server, by rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How a server has to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// Not at all: whoever only listens learns nothing, whoever stands in between learns everything.
    Nothing,
    /// By a certificate for its name that leads to a root of this system.
    SystemRoots,
    /// The same with the roots in a PEM file.
    RootsOf(PathBuf),
}

impl Check {
    /// The file of roots, where a relative one is meant to count from another folder.
    pub(super) fn resolve(self, resolve: impl Fn(&Path) -> PathBuf) -> Self {
        match self {
            Self::RootsOf(file) => Self::RootsOf(resolve(&file)),
            check => check,
        }
    }

    /// What speaks TLS. A provider is named, since a program may have been built with several.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let roots = match self {
            Self::Nothing => {
                let unchecked = Arc::new(Unchecked(provider));
                let config = config
                    .dangerous()
                    .with_custom_certificate_verifier(unchecked);
                return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
            }
            Self::SystemRoots => system_roots()?,
            Self::RootsOf(file) => roots_of(file)?,
        };
        let config = config.with_root_certificates(roots);
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system has no certificates to check the server's with (on Debian: `apt install ca-certificates`); sslrootcert names a file with some".to_owned());
    }
    Ok(roots)
}

fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let unreadable =
        |why: &dyn std::fmt::Display| format!("sslrootcert: {}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"has no certificate in it (PEM)"));
    }
    Ok(roots)
}

/// Takes any certificate, as `sslmode=prefer` does.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
