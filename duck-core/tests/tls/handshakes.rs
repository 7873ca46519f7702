//! Clients that do not come to the end of their handshake, and those that speak something else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::{ask, connect, open, rest, trusting};
use crate::server::Server;

/// The beginning of a `ClientHello` of 512 bytes, of which no more comes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_at_the_deadline_and_holds_up_nobody() {
    let server = Server::start("HEAD_TIMEOUT = 2").await;
    let start = Instant::now();
    let mut stalled = Vec::new();
    for sent in [&b""[..], HALF_A_HELLO] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stalled.push(stream);
    }
    ask(&mut open(&server).await, "/", "home").await;
    let answered = start.elapsed();
    assert!(answered < Duration::from_secs(2), "{answered:?}");
    for mut stream in stalled {
        rest(&mut stream).await;
        let cut = start.elapsed();
        assert!(
            (Duration::from_secs(2)..Duration::from_secs(10)).contains(&cut),
            "{cut:?}"
        );
    }
}

#[tokio::test]
async fn a_handshake_without_a_request_is_cut_at_the_same_deadline() {
    let server = Server::start("HEAD_TIMEOUT = 1").await;
    let mut stream = open(&server).await;
    let start = Instant::now();
    rest(&mut stream).await;
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn handshakes_of_one_address_are_bounded_until_it_has_asked_for_something() {
    let server = Server::start("MAX_NEW_CONNECTIONS_PER_ADDRESS = 2").await;
    let mut first = open(&server).await;
    let second = TcpStream::connect(server.address).await.unwrap();
    let config = trusting(&server, &[&tokio_rustls::rustls::version::TLS13]);
    assert!(
        connect(server.address, &config).await.is_err(),
        "a third is closed"
    );
    ask(&mut first, "/", "home").await;
    ask(&mut open(&server).await, "/", "home").await;
    drop(second);
}

#[tokio::test]
async fn what_is_no_tls_is_closed_without_harm() {
    let server = Server::start("").await;
    let noise: Vec<u8> = (0..100_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let long_record = [&b"\x16\x03\x01\xff\xff"[..], &[0; 9_000]].concat();
    let hostile: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80", // SSL 2
        b"\x15\x03\x03\x00\x02\x02\x28",                             // an alert
        b"\x17\x03\x03\x00\x05hello",                                // data before a handshake
        &noise,
        &long_record,
    ];
    for bytes in hostile {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // It may be closed before all is sent.
        let _ = stream.write_all(bytes).await;
        let said = timeout(Duration::from_secs(10), rest(&mut stream)).await;
        let said = said.expect("closed at once, not at a deadline");
        assert!(said.len() < 20 && !said.starts_with(b"HTTP"), "{said:?}");
    }
    ask(&mut open(&server).await, "/", "home").await;
}

#[tokio::test]
async fn a_client_that_leaves_in_its_handshake_leaves_nothing() {
    let server = Server::start("MAX_NEW_CONNECTIONS_PER_ADDRESS = 3").await;
    for round in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(HALF_A_HELLO).await.unwrap();
        stream.shutdown().await.unwrap();
        let said = timeout(Duration::from_secs(10), rest(&mut stream)).await;
        assert!(said.is_ok(), "{round}");
    }
    ask(&mut open(&server).await, "/", "home").await;
}
