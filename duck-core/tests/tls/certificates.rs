//! Certificates that change while they are used, and tickets.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use duck::server::Certificate;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{HandshakeKind, version};

use crate::client::{ask, connect, open, trusting};
use crate::curl::run;
use crate::running::PATIENCE;
use crate::server::{Server, make, make_until, write};

/// Whether new connections get the certificate that is in this client's file.
async fn shows(server: &Server, der: &CertificateDer<'static>) -> bool {
    let config = trusting(server, &[&version::TLS13]);
    match connect(server.address, &config).await {
        Ok(stream) => {
            let shown = stream.get_ref().1.peer_certificates();
            shown.is_some_and(|shown| shown[0] == *der)
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_by_the_next_handshake_and_a_broken_one_is_not() {
    let server = Server::start("").await;
    tokio::spawn(server.certificate.clone().follow());
    let mut before = open(&server).await;
    let second = make("second");
    write(&server.folder, &second);
    let start = Instant::now();
    while !shows(&server, &second.der).await {
        assert!(
            start.elapsed() < PATIENCE,
            "the new certificate is never shown"
        );
        sleep(Duration::from_millis(100)).await;
    }
    ask(&mut before, "/", "home").await;
    for (what, certificate, key) in [
        ("no PEM", "nonsense", second.key.as_str()),
        ("half of it", &second.certificate[..200], &second.key),
        ("another key", &second.certificate, &make("third").key),
        ("no key", &second.certificate, ""),
    ] {
        std::fs::write(server.file("cert.pem"), certificate).unwrap();
        std::fs::write(server.file("key.pem"), key).unwrap();
        assert!(server.certificate.reload().is_err(), "{what}");
        // Longer than two looks.
        sleep(Duration::from_secs(5)).await;
        std::fs::write(server.file("cert.pem"), &second.certificate).unwrap();
        assert!(shows(&server, &second.der).await, "{what}");
    }
    std::fs::remove_file(server.file("key.pem")).unwrap();
    sleep(Duration::from_secs(5)).await;
    assert!(shows(&server, &second.der).await, "a file is gone");
}

#[tokio::test]
async fn a_reload_on_demand_says_what_is_wrong() {
    let server = Server::start("").await;
    let second = make("second");
    std::fs::write(server.file("cert.pem"), &second.certificate).unwrap();
    let error = server.certificate.reload().unwrap_err();
    assert_eq!(error.file(), server.file("key.pem"));
    assert!(
        error
            .to_string()
            .contains("is not the key of the certificate in"),
        "{error}"
    );
    std::fs::write(server.file("key.pem"), &second.key).unwrap();
    server.certificate.reload().unwrap();
    assert!(shows(&server, &second.der).await);
}

/// With TLS 1.2 there are sessions that the server keeps as well. This one keeps none: it is the tickets that count.
#[tokio::test]
async fn tickets_resume_across_connections() {
    let server = Server::start("").await;
    for version in [&version::TLS13, &version::TLS12] {
        let config = trusting(&server, &[version]);
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(server.address, &config).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind());
            ask(&mut stream, "/", "home").await;
        }
        let [full, resumed] = [HandshakeKind::Full, HandshakeKind::Resumed].map(Some);
        assert_eq!(kinds, [full, resumed, resumed], "{version:?}");
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).expect("a file");
        file
    }
}

#[test]
fn files_that_cannot_be_used_say_why_and_nothing_of_the_key() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (good, other) = (make("a"), make("b"));
    let over = make_until("over", SystemTime::now() - Duration::from_hours(24));
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, at_key, right) in [
        (
            good.certificate.as_str(),
            other.key.as_str(),
            true,
            "is not the key",
        ),
        ("", &good.key, false, "holds no certificate"),
        (&good.key, &good.key, false, "holds no certificate"),
        (&good.certificate, "", true, "holds no key"),
        (&good.certificate, &good.certificate, true, "holds no key"),
        (&good.certificate, encrypted, true, "is encrypted"),
        (&over.certificate, &over.key, false, "ended on"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &good.key,
            false,
            "cannot be used",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n!\n",
            &good.key,
            false,
            "no good PEM",
        ),
    ] {
        let files = [
            folder.put("cert.pem", certificate),
            folder.put("key.pem", key),
        ];
        let error = Certificate::load(&files[0], &files[1]).unwrap_err();
        assert_eq!(error.file(), files[usize::from(at_key)], "{error}");
        let text = error.to_string();
        assert!(text.contains(right), "{right}: {text}");
        let secret = good.key.lines().nth(1).unwrap();
        assert!(!text.contains(secret) && text.len() < 400, "{text}");
    }
    let error = Certificate::load("/nowhere/cert.pem", "/nowhere/key.pem").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/nowhere/cert.pem cannot be read"),
        "{error}"
    );
}

/// The forms in which openssl writes keys, and a chain with more than one certificate.
#[tokio::test]
async fn keys_of_all_forms_are_read() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let place = |name: &str| folder.0.path().join(name).to_str().unwrap().to_owned();
    for (kind, option, head) in [
        ("ec", "ec_paramgen_curve:P-256", "BEGIN EC PRIVATE KEY"),
        ("rsa", "rsa_keygen_bits:2048", "BEGIN RSA PRIVATE KEY"),
    ] {
        let (key, certificate, old) = (place("key.pem"), place("cert.pem"), place("old.pem"));
        let new_key = kind.to_uppercase();
        let make = [
            "genpkey",
            "-algorithm",
            &new_key,
            "-pkeyopt",
            option,
            "-out",
            &key,
        ];
        if run("openssl", &make, Vec::new()).await.is_none() {
            return;
        }
        let sign = [
            "req",
            "-x509",
            "-key",
            &key,
            "-subj",
            "/CN=a",
            "-days",
            "9",
            "-out",
            &certificate,
        ];
        let (_, err) = run("openssl", &sign, Vec::new()).await.unwrap();
        let convert = ["pkey", "-traditional", "-in", &key, "-out", &old];
        run("openssl", &convert, Vec::new()).await.unwrap();
        assert!(
            std::fs::read_to_string(&old).unwrap().contains(head),
            "{err}"
        );
        let chain = std::fs::read_to_string(&certificate).unwrap() + &make_chain();
        std::fs::write(&certificate, chain).unwrap();
        for form in [&key, &old] {
            Certificate::load(&certificate, form).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// What stands behind a site's own certificate.
fn make_chain() -> String {
    make("signer").certificate
}
