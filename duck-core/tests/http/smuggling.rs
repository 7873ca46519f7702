//! Requests whose end two servers could see in different places.

use futures_util::future::join_all;

use crate::wire::{Server, get};

/// The settings of servers that are attacked: what keeps still is given up soon.
const SETTINGS: &str = "HEAD_TIMEOUT = 1\nBODY_TIMEOUT = 1\nIDLE_TIMEOUT = 1";

/// Sends `attack` with another request behind it. Whatever the answer to the first, the second is
/// never answered, and the connection ends.
async fn never_answers_the_second(attack: &str) -> String {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    wire.send(format!("{attack}{}", get("/smuggled"))).await;
    let answers = wire.rest().await;
    let count =
        ["HTTP/1.1 2", "HTTP/1.1 4", "HTTP/1.1 5"].map(|line| answers.matches(line).count());
    assert!(
        count.iter().sum::<usize>() <= 1,
        "{attack:?} has two answers: {answers}"
    );
    let seen = server.shared.seen();
    assert!(
        !seen.contains(&"/smuggled".to_owned()),
        "{attack:?} brought its second request in: {seen:?}"
    );
    server.stopped().await;
    answers
}

/// The same for all of them at once, and the first request of each is refused with 400.
async fn are_refused(attacks: impl IntoIterator<Item = String>) {
    join_all(attacks.into_iter().map(is_refused)).await;
}

async fn is_refused(attack: String) {
    let answers = never_answers_the_second(&attack).await;
    assert!(
        answers.starts_with("HTTP/1.1 400 "),
        "{attack:?} is answered: {answers}"
    );
    assert!(!answers.contains("home"));
}

/// A `POST` with these headers besides `Host`, and this body.
fn post(headers: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: test\r\n{headers}\r\n\r\n{body}")
}

const CHUNKED_HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

#[tokio::test]
async fn the_plain_way_is_fine() {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    for _ in 0..2 {
        wire.send(post("Content-Length: 5", "hello")).await;
        assert_eq!(wire.answer().await.body, "hello");
        wire.send(post("Transfer-Encoding: chunked", CHUNKED_HELLO))
            .await;
        assert_eq!(wire.answer().await.body, "hello");
        wire.send(post(
            "transfer-encoding: Chunked",
            "5;a=b\r\nhello\r\n0\r\nx-trailer: y\r\n\r\n",
        ))
        .await;
        assert_eq!(wire.answer().await.body, "hello");
    }
}

#[tokio::test]
async fn a_length_and_chunks_together_are_refused() {
    are_refused(
        [
            "Content-Length: 15\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 15",
            "Content-Length: 5\r\ntransfer-encoding:chunked",
            "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length:\t0",
            "Transfer-Encoding: chunked\r\nContent-Length: nonsense",
            "Content-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        ]
        .map(|headers| post(headers, CHUNKED_HELLO)),
    )
    .await;
}

#[tokio::test]
async fn a_length_and_chunks_together_are_refused_later_on_a_connection_too() {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    wire.send(post("Transfer-Encoding: chunked", CHUNKED_HELLO))
        .await;
    assert_eq!(wire.answer().await.status, 200);
    wire.send(get("/")).await;
    assert_eq!(wire.answer().await.status, 200);
    let attack = post(
        "Transfer-Encoding: chunked\r\nContent-Length: 15",
        CHUNKED_HELLO,
    );
    for byte in attack.as_bytes() {
        wire.send([*byte]).await;
    }
    let answer = wire.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (400, Some("close"))
    );
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_pipelined_attack_does_not_spoil_the_requests_before_it() {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    let attack = post(
        "Transfer-Encoding: chunked\r\nContent-Length: 15",
        CHUNKED_HELLO,
    );
    wire.send(format!(
        "{}{}{attack}{}",
        get("/"),
        post("Content-Length: 5", "hello"),
        get("/smuggled")
    ))
    .await;
    assert_eq!(wire.answer().await.body, "home");
    assert_eq!(wire.answer().await.body, "hello");
    assert_eq!(wire.answer().await.status, 400);
    assert_eq!(wire.rest().await, "");
    assert!(!server.shared.seen().contains(&"/smuggled".to_owned()));
}

#[tokio::test]
async fn other_transfer_codings_are_refused() {
    are_refused(
        [
            "xchunked",
            "chunkedx",
            "identity",
            "chunked, identity",
            "gzip, chunked",
            "chunked, chunked",
            "\"chunked\"",
            "chunked;a=b",
            "chun ked",
            "\u{b}chunked",
            "",
            ",chunked",
        ]
        .map(|coding| post(&format!("Transfer-Encoding: {coding}"), CHUNKED_HELLO)),
    )
    .await;
    are_refused(
        [
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked",
            "Transfer-Encoding:\r\n chunked",
            "X: y\r\n Transfer-Encoding: chunked",
            "X: y\rTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\n\tx",
            "Transfer\u{0}-Encoding: chunked",
        ]
        .map(|headers| post(headers, CHUNKED_HELLO)),
    )
    .await;
}

#[tokio::test]
async fn an_underscore_is_another_header() {
    // Not a length, so that the body is a request of its own: as for any server that knows no such header.
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    wire.send(post("Content_Length: 5", "")).await;
    assert_eq!(wire.answer().await.body, "");
}

#[tokio::test]
async fn http_1_0_knows_no_chunks() {
    is_refused(format!(
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED_HELLO}"
    ))
    .await;
}

#[tokio::test]
async fn a_length_that_is_no_plain_number_is_refused() {
    are_refused(
        [
            "+5",
            "-5",
            "5, 5",
            "5,6",
            "0x5",
            "5 5",
            "5a",
            "",
            " ",
            "\"5\"",
            "5;",
            "99999999999999999999",
            "٥",
            "5.0",
        ]
        .map(|length| post(&format!("Content-Length: {length}"), "hello")),
    )
    .await;
    are_refused(
        [
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length : 5",
            "Content-Length\t: 5",
            " Content-Length: 5",
            "Content-Length: \r\n 5",
            "Content-Length: 5\r\n 0",
            "Content-Length",
            ": 5",
        ]
        .map(|headers| post(headers, "hello")),
    )
    .await;
}

#[tokio::test]
async fn the_same_length_twice_ends_where_it_says() {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    wire.send(post("Content-Length: 5\r\nContent-Length: 5", "hello"))
        .await;
    assert_eq!(wire.answer().await.body, "hello");
}

#[tokio::test]
async fn lines_that_end_in_their_own_way_are_refused() {
    are_refused(
        [
            "GET / HTTP/1.1\nHost: test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\n\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX: y\nZ: z\r\n\r\n",
            "GET / HTTP/1.1\rHost: test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX: y\r\n z\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: test\r\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX y: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX : z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX\0: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\nX: a\u{7f}b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: test\r\n(X): b\r\n\r\n",
        ]
        .map(str::to_owned),
    )
    .await;
}

#[tokio::test]
async fn a_request_line_that_is_none_is_refused() {
    are_refused(
        [
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.2",
            "GET / HTTP/3.0",
            "GET / HTTP/11",
            "GET / http/1.1",
            "GET / HTTP/1.1 ",
            "GET /",
            "GET",
            "GET /a b HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET http:// HTTP/1.1",
            "G ET / HTTP/1.1",
            "{} / HTTP/1.1",
            " GET / HTTP/1.1",
            "\u{16}\u{3}\u{1}\u{2}",
        ]
        .map(|line| format!("{line}\r\nHost: test\r\n\r\n")),
    )
    .await;
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    are_refused(
        [
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "g\r\nhello\r\n0\r\n\r\n",
            "5;\nhello\r\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\nbroken trailer\r\n\r\n",
        ]
        .map(|body| post("Transfer-Encoding: chunked", body)),
    )
    .await;
}

#[tokio::test]
async fn a_chunk_larger_than_any_memory_is_waited_for_and_given_up() {
    let answers = never_answers_the_second(&post(
        "Transfer-Encoding: chunked",
        "ffffffffffffffff\r\nhello",
    ))
    .await;
    assert!(
        answers.is_empty() || answers.starts_with("HTTP/1.1 4"),
        "{answers}"
    );
}

#[tokio::test]
async fn a_host_that_is_missing_or_none_is_refused() {
    are_refused(
        [
            "",
            "Host: a\r\nHost: b\r\n",
            "Host: test\r\nHost: test\r\n",
            "Host: test/path\r\n",
            "Host: user@test\r\n",
            "Host: a b\r\n",
            "Host: a\\b\r\n",
            "Host: <script>\r\n",
            "Host: a?b\r\n",
            "Host: \u{e9}\r\n",
        ]
        .map(|host| format!("GET / HTTP/1.1\r\n{host}\r\n")),
    )
    .await;
}

#[tokio::test]
async fn a_body_that_no_view_reads_is_no_request() {
    let hidden = get("/smuggled");
    let attacks = [
        format!(
            "POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!(
            "POST /missing HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
            hidden.len()
        ),
        format!(
            "OPTIONS / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
    ];
    let tries = attacks.iter().map(async |attack| {
        let server = Server::start(SETTINGS).await;
        let mut wire = server.connect().await;
        wire.send(attack).await;
        wire.rest().await;
        assert!(
            !server.shared.seen().contains(&"/smuggled".to_owned()),
            "{attack}"
        );
    });
    join_all(tries).await;
}

/// The pieces are sent one after the other, with time for the server to read each by itself.
async fn in_pieces(pieces: &[&str]) -> (String, Vec<String>) {
    let server = Server::start(SETTINGS).await;
    let mut wire = server.connect().await;
    for piece in pieces {
        // The server may have refused what it has by now.
        let _ = wire.try_send(piece).await;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let answers = wire.rest().await;
    let seen = server.shared.seen();
    server.stopped().await;
    (answers, seen)
}

/// What the guard cannot follow to its end makes it refuse what comes after, and a preface of HTTP/2 in
/// the middle of a connection switches nothing off.
#[tokio::test]
async fn the_guard_is_not_talked_out_of_step() {
    let (zeros, spaces) = ("0".repeat(60), " ".repeat(70));
    let both = "Content-Length: 38\r\nTransfer-Encoding: chunked";
    let smuggling = post(both, &format!("0\r\n\r\n{}", get("/smuggled")));
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let length = preface.len();
    let plain = post(&format!("Content-Length: {length}"), preface);
    let cut_zeros = post(&format!("Content-Length: {zeros}{length}"), preface);
    let cut_spaces = post(&format!("Content-Length:{spaces}{length}"), preface);
    let sized = post(
        "Transfer-Encoding: chunked",
        &format!("{zeros}{zeros}18\r\n{preface}\r\n0\r\n\r\n"),
    );
    let trailers = post(
        "Transfer-Encoding: chunked",
        &format!("0\r\nx: y\n\n{preface}\r\n\r\n"),
    );
    let attacks = [plain, cut_zeros, cut_spaces, sized, trailers];
    join_all(attacks.iter().map(async |attack| {
        for cut in [attack.len(), 100, 130, 150] {
            let (first, second) = attack.split_at(cut.min(attack.len()));
            let (answers, seen) = in_pieces(&[first, second, &smuggling]).await;
            assert!(
                !seen.contains(&"/smuggled".to_owned()),
                "{attack:?} at {cut}: {answers}"
            );
            let refused = answers.matches("HTTP/1.1 400 ").count();
            assert_eq!(refused, 1, "{attack:?} at {cut}: {answers}");
        }
    }))
    .await;
}
