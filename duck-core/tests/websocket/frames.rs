//! Frames as nobody should send them, and as anybody may: RFC 6455, 5 to 8.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;

use crate::wire::{BINARY, CLOSE, CONTINUED, FIN, PING, PONG, Server, TEXT, close, frame};

/// With what the server closes a socket that brings this.
async fn code_for(server: &Server, frames: &[Vec<u8>]) -> u16 {
    let mut socket = server.open("/echo").await;
    socket.send(&frames.concat()).await;
    socket.closed().await
}

/// A frame of which only the beginning is sent.
fn long(first: u8, length: u64) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 0x7F];
    frame.extend(length.to_be_bytes());
    frame.extend([1, 2, 3, 4]);
    frame
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_1002() {
    let server = Server::echo("").await;
    let unmasked = vec![FIN | TEXT, 2, b'h', b'i'];
    for (what, frames) in [
        ("an unmasked frame", vec![unmasked]),
        ("an unmasked close", vec![vec![FIN | CLOSE, 2, 3, 232]]),
        (
            "the first reserved bit",
            vec![frame(FIN | 0x40 | TEXT, b"x")],
        ),
        ("the second", vec![frame(FIN | 0x20 | TEXT, b"x")]),
        ("the third", vec![frame(FIN | 0x10 | TEXT, b"x")]),
        ("one on a ping", vec![frame(FIN | 0x40 | PING, b"x")]),
        ("opcode 3", vec![frame(FIN | 0x3, b"x")]),
        ("opcode 7", vec![frame(FIN | 0x7, b"x")]),
        ("opcode 11", vec![frame(FIN | 0xB, b"x")]),
        ("opcode 15", vec![frame(FIN | 0xF, b"x")]),
        (
            "a ping that is too long",
            vec![frame(FIN | PING, &[b'x'; 126])],
        ),
        (
            "a pong that is too long",
            vec![frame(FIN | PONG, &[b'x'; 126])],
        ),
        (
            "a close that is too long",
            vec![frame(FIN | CLOSE, &[3, 232].repeat(63))],
        ),
        ("a fragmented ping", vec![frame(PING, b"x")]),
        ("a fragmented close", vec![frame(CLOSE, &[3, 232])]),
        (
            "a continuation of nothing",
            vec![frame(FIN | CONTINUED, b"x")],
        ),
        (
            "one more after the end",
            vec![
                frame(TEXT, b"a"),
                frame(FIN | CONTINUED, b"b"),
                frame(FIN | CONTINUED, b"c"),
            ],
        ),
        (
            "a message within a message",
            vec![frame(TEXT, b"a"), frame(FIN | TEXT, b"b")],
        ),
        (
            "one of another kind",
            vec![frame(BINARY, b"a"), frame(FIN | TEXT, b"b")],
        ),
        ("a close of one byte", vec![frame(FIN | CLOSE, &[3])]),
    ] {
        assert_eq!(code_for(&server, &frames).await, 1002, "{what}");
    }
}

#[tokio::test]
async fn codes_that_nobody_may_send_are_answered_with_1002_and_others_with_themselves() {
    let server = Server::echo("").await;
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535,
    ] {
        assert_eq!(code_for(&server, &[close(code)]).await, 1002, "{code}");
    }
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        assert_eq!(code_for(&server, &[close(code)]).await, code, "{code}");
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_answered_without_one() {
    let server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    socket.send(&frame(FIN | CLOSE, b"")).await;
    assert_eq!(socket.next().await, Some((FIN | CLOSE, Vec::new())));
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn what_is_no_text_is_closed_with_1007() {
    let server = Server::echo("").await;
    let mut reason = vec![3, 232];
    reason.extend([0xFF, 0xFE]);
    for (what, frames) in [
        ("bytes that are none", vec![frame(FIN | TEXT, &[0xFF])]),
        ("a surrogate", vec![frame(FIN | TEXT, &[0xED, 0xA0, 0x80])]),
        ("an overlong form", vec![frame(FIN | TEXT, &[0xC0, 0xAF])]),
        (
            "a letter that ends too early",
            vec![frame(FIN | TEXT, &[0xE2, 0x82])],
        ),
        (
            "one across fragments that does not end",
            vec![frame(TEXT, &[0xE2]), frame(FIN | CONTINUED, &[0x82])],
        ),
        (
            "one across fragments that goes wrong",
            vec![frame(TEXT, &[0xE2]), frame(CONTINUED, &[0x28])],
        ),
        (
            "a fragment that no other can mend",
            vec![frame(TEXT, b"a\xFFb")],
        ),
        ("the reason of a close", vec![frame(FIN | CLOSE, &reason)]),
    ] {
        assert_eq!(code_for(&server, &frames).await, 1007, "{what}");
    }
}

#[tokio::test]
async fn a_letter_may_be_cut_by_fragments_and_pings() {
    let server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    for (first, payload) in [
        (TEXT, &[b'a', 0xE2][..]),
        (FIN | PING, b"between"),
        (CONTINUED, &[0x82]),
        (CONTINUED, b""),
        (FIN | PONG, b"unasked"),
        (FIN | CONTINUED, &[0xAC, b'b']),
    ] {
        socket.send(&frame(first, payload)).await;
    }
    assert_eq!(socket.next().await, Some((FIN | PONG, b"between".to_vec())));
    assert_eq!(socket.next_text().await, "a\u{20AC}b");
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009_before_it_is_there() {
    let server = Server::echo("WEBSOCKET_MAX_MESSAGE_BYTES = 1000").await;
    let half = vec![b'x'; 501];
    for (what, frames) in [
        ("a frame", vec![frame(FIN | TEXT, &[b'x'; 1001])]),
        (
            "a frame that is only said to be so long",
            vec![long(FIN | BINARY, 1001)],
        ),
        ("one of 2^32 bytes", vec![long(FIN | BINARY, 1 << 32)]),
        (
            "one of 2^63 - 1 bytes",
            vec![long(FIN | BINARY, u64::MAX >> 1)],
        ),
        ("one of 2^63 bytes", vec![long(FIN | BINARY, 1 << 63)]),
        ("one of 2^64 - 1 bytes", vec![long(FIN | TEXT, u64::MAX)]),
        ("a ping", vec![long(FIN | PING, 1 << 62)]),
        (
            "fragments",
            vec![frame(TEXT, &half), frame(CONTINUED, &half)],
        ),
        (
            "fragments of bytes",
            vec![frame(BINARY, &half), frame(FIN | CONTINUED, &half)],
        ),
    ] {
        assert_eq!(code_for(&server, &frames).await, 1009, "{what}");
    }
    let mut socket = server.open("/echo").await;
    let whole = [
        frame(TEXT, &half[..500]),
        frame(FIN | CONTINUED, &half[..500]),
    ];
    socket.send(&whole.concat()).await;
    assert_eq!(
        socket.next_text().await.len(),
        1000,
        "as much as is allowed"
    );
}

#[tokio::test]
async fn lengths_are_read_in_each_of_their_forms() {
    let server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let payload = vec![b'q'; length];
        socket.send(&frame(FIN | BINARY, &payload)).await;
        assert_eq!(
            socket.next().await,
            Some((FIN | BINARY, payload)),
            "{length}"
        );
    }
}

#[tokio::test]
async fn frames_may_come_byte_by_byte() {
    let server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    let mut bytes = frame(TEXT, b"dr");
    bytes.extend(frame(FIN | PING, b"?"));
    bytes.extend(frame(FIN | CONTINUED, b"ip"));
    for byte in bytes {
        socket.send(&[byte]).await;
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(socket.next().await, Some((FIN | PONG, b"?".to_vec())));
    assert_eq!(socket.next_text().await, "drip");
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_ends_the_view() {
    let (told, gone) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let view = move |_: duck::Request, mut socket: duck::live::WebSocket| {
        let told = told.lock().unwrap().take();
        async move {
            assert_eq!(socket.receive().await, None);
            assert!(socket.send("x").await.is_err());
            told.unwrap().send(()).unwrap();
        }
    };
    let app =
        duck::App::new(duck::Settings::default()).urls([duck::live::websocket("/echo", view)]);
    let server = Server::of(app).await;
    let mut socket = server.open("/echo").await;
    socket.send(&frame(FIN | TEXT, b"half")[..4]).await;
    drop(socket);
    gone.await.expect("the view has seen it");
}

/// Any frames at all end in an echo, a pong, or a close with a code: the server goes on, and nobody panics.
#[test]
fn no_sequence_of_frames_breaks_the_server() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::echo("WEBSOCKET_MAX_MESSAGE_BYTES = 300"));
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[a-z\u{e4}\u{20ac}]{0,5}".prop_map(String::into_bytes),
        (0..400_usize).prop_map(|length| vec![b'x'; length]),
    ];
    let frames = proptest::collection::vec((any::<u8>(), payload), 1..12);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&frames, |frames| {
            runtime.block_on(async {
                let mut socket = server.open("/echo").await;
                let mut bytes: Vec<u8> = frames
                    .iter()
                    .flat_map(|(first, payload)| frame(*first, payload))
                    .collect();
                bytes.extend(close(4321));
                let _ = tokio::io::AsyncWriteExt::write_all(&mut socket.stream, &bytes).await;
                while let Some((first, payload)) = socket.next().await {
                    if first == FIN | CLOSE {
                        let code = payload
                            .get(..2)
                            .map(|code| u16::from_be_bytes([code[0], code[1]]));
                        let known = [1002, 1007, 1009, 4321];
                        assert!(
                            code.is_none_or(
                                |code| known.contains(&code) || (1000..5000).contains(&code)
                            ),
                            "{code:?}"
                        );
                        return;
                    }
                }
                panic!("the connection ended without a close");
            });
            Ok(())
        })
        .unwrap();
}
