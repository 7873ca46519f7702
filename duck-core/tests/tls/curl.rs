//! The real curl and the real openssl.

use crate::program;
use crate::server::{LARGE, Server};

/// What a program wrote to its standard output and its standard error; `None` where it is not installed.
pub(crate) async fn run(
    program: &'static str,
    options: &[&str],
    input: Vec<u8>,
) -> Option<(String, String)> {
    let output = program::run(program, options, input).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&output.stdout), text(&output.stderr)))
}

/// Asks with curl, which checks the certificate.
async fn curl(server: &Server, options: &[&str], path: &str, input: Vec<u8>) -> Option<String> {
    let (file, url) = (server.file("cert.pem"), server.url(path));
    let file = file.to_str().expect("a name");
    let own = ["--silent", "--show-error", "--cacert", file, &url];
    let (out, err) = run("curl", &[&own, options].concat(), input).await?;
    assert_eq!(err, "", "{options:?}");
    Some(out)
}

#[tokio::test]
async fn curl_speaks_both_versions_of_http_over_both_versions_of_tls() {
    let server = Server::start("").await;
    for (http, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for tls in ["1.2", "1.3"] {
            let least = format!("--tlsv{tls}");
            let options = [
                http,
                &least,
                "--tls-max",
                tls,
                "--write-out",
                " %{http_version}",
            ];
            if let Some(out) = curl(&server, &options, "/who", Vec::new()).await {
                assert_eq!(out, format!("127.0.0.1 secure=true {version}"), "TLS {tls}");
            }
        }
    }
}

#[tokio::test]
async fn large_bodies_come_whole_both_ways() {
    let server = Server::start("").await;
    for http in ["--http1.1", "--http2"] {
        let options = [
            http,
            "--write-out",
            "%{size_download}",
            "--output",
            "/dev/null",
        ];
        if let Some(out) = curl(&server, &options, "/large", Vec::new()).await {
            assert_eq!(out, LARGE.to_string(), "{http}");
        }
        let body = vec![b'x'; LARGE];
        let options = [http, "--data-binary", "@-", "--header", "Expect:"];
        if let Some(out) = curl(&server, &options, "/count", body).await {
            assert_eq!(out, LARGE.to_string(), "{http}");
        }
    }
}

#[tokio::test]
async fn older_versions_of_tls_are_refused() {
    let server = Server::start("").await;
    let address = server.address.to_string();
    for (version, is_taken) in [("-tls1_1", false), ("-tls1", false), ("-tls1_2", true)] {
        // Without this, openssl would not even ask.
        let options = [
            "s_client",
            "-connect",
            &address,
            version,
            "-cipher",
            "ALL:@SECLEVEL=0",
        ];
        if let Some((out, err)) = run("openssl", &options, Vec::new()).await {
            let refused = err.contains(" alert ");
            assert_eq!(refused, !is_taken, "{version}: {err}");
            assert_eq!(
                out.contains("BEGIN CERTIFICATE"),
                is_taken,
                "{version}: {out}"
            );
        }
    }
}
