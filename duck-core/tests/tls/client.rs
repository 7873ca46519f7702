//! A client that can do with a connection what curl does not.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::running::PATIENCE;
use crate::server::Server;

/// One that trusts what is in the server's file now.
pub(crate) fn trusting(
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let pem = std::fs::read(server.file("cert.pem")).expect("a file");
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    roots.add(certificate).expect("it can be trusted");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(config.clone())
        .connect(name, stream)
        .await
}

/// A connection to the server, of TLS 1.3.
pub(crate) async fn open(server: &Server) -> TlsStream<TcpStream> {
    let config = trusting(server, &[&tokio_rustls::rustls::version::TLS13]);
    connect(server.address, &config).await.expect("a handshake")
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// Reads up to the end of this text.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(text.as_bytes()) {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        let byte = byte.expect("the server says something");
        read.push(
            byte.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&read))
            }),
        );
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads to the end of the connection, however that comes.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut read)).await;
    let _ = end.expect("the server ends the connection");
    read
}

/// One request and its answer.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, path: &str, answer: &str) {
    stream
        .write_all(get(path).as_bytes())
        .await
        .expect("it reads");
    read_until(stream, answer).await;
}
