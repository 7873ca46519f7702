//! What `duck run` answers while there is no site: nobody waits for a build before a blank window.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::environment::Environment;
use crate::run::{BUILD_THAT_TAKES_LONG, PATIENCE, Running, edit, site};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n";

/// Everything that is answered to these bytes, up to the end of the connection.
fn answer(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    read(&mut stream)
}

/// A connection, once the socket is there.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A site whose build ends only when it is told to.
fn site_that_takes_long() -> Environment {
    let environment = site();
    environment.write("site/build.rs", BUILD_THAT_TAKES_LONG);
    environment
}

#[test]
fn the_first_build_is_told_to_whoever_asks() {
    let environment = site_that_takes_long();
    let running = Running::start(&environment, &[]);
    let address = running.address;

    let page = answer(address, GET.as_bytes());
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    assert!(page.contains("<h1>Building stand-in</h1>"), "{page}");
    assert!(page.contains("\r\nCache-Control: no-store\r\n"), "{page}");
    assert!(page.contains("http-equiv=\"refresh\""), "{page}");

    let old = answer(address, b"GET /a?b HTTP/1.0\r\n\r\n");
    assert!(old.contains("Building stand-in"), "{old}");

    let head = answer(address, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );

    // Far more than fits the buffers of a socket.
    let mut post = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n".to_vec();
    post.resize(post.len() + 8_000_000, b'x');
    let posted = answer(address, &post);
    assert!(posted.starts_with("HTTP/1.1 503 "), "{posted}");
    assert!(
        posted.contains("send it again") && !posted.contains("http-equiv=\"refresh\""),
        "{posted}"
    );

    // One that has said all it has to say still gets an answer.
    let mut half = connect(address);
    half.write_all(GET.as_bytes()).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    assert!(read(&mut half).contains("Building stand-in"));

    // A head in pieces.
    let mut slow = connect(address);
    for piece in GET.as_bytes().chunks(7) {
        slow.write_all(piece).unwrap();
    }
    assert!(read(&mut slow).contains("Building stand-in"));
    assert_eq!(running.stop().code(), Some(0));
}

#[test]
fn many_visitors_who_say_nothing_keep_nobody_from_the_page() {
    let environment = site_that_takes_long();
    let running = Running::start(&environment, &[]);
    let silent: Vec<TcpStream> = (0..40).map(|_| connect(running.address)).collect();
    assert!(answer(running.address, GET.as_bytes()).contains("Building stand-in"));
    drop(silent);
}

#[test]
fn a_compile_error_at_the_first_start_is_on_the_page_until_it_is_mended() {
    let environment = site();
    environment.write("site/src/main.rs", "fn main() { notess::<b>() }");
    let running = Running::start(&environment, &[]);
    running.says("for an edit");
    let page = answer(running.address, GET.as_bytes());
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    assert!(
        page.contains("<h1>stand-in does not compile</h1>"),
        "{page}"
    );
    assert!(page.contains("cannot find function `notess`"), "{page}");
    assert!(page.contains("notess::&lt;b&gt;()"), "{page}");
    assert!(!page.contains('\u{1b}'), "{page}");
    assert!(
        !page.contains("Compiling"),
        "cargo's own lines are no errors: {page}"
    );

    // What a browser opens ahead, and asks on later, must not bring the old page then.
    let mut ahead = connect(running.address);
    edit(&environment, "mended");
    running.says("Serving");
    assert_eq!(read(&mut ahead), "", "it is closed");
    assert_eq!(running.ask().0, "mended");
}

#[test]
fn a_site_that_ends_at_its_start_is_quoted_on_the_page() {
    let environment = site();
    environment.write(
        "site/src/main.rs",
        r#"fn main() { eprintln!("error: no <key>"); std::process::exit(7) }"#,
    );
    let running = Running::start(&environment, &[]);
    running.says("for an edit");
    let page = answer(running.address, GET.as_bytes());
    assert!(
        page.contains("stand-in ended at its start, with exit status: 7"),
        "{page}"
    );
    assert!(page.contains("error: no &lt;key&gt;"), "{page}");
    edit(&environment, "mended");
    running.says("Serving");
    assert_eq!(running.ask().0, "mended");
}

#[test]
fn the_address_in_the_env_file_is_where_the_site_listens() {
    let environment = site();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    fs::write(
        environment.path("site/.env"),
        format!("\u{feff}export DUCK_ADDRESS = \"{address}\" # here\r\n"),
    )
    .unwrap();
    // The port is taken: the message shows which one was asked for.
    let mut command = environment.command(&["run"]);
    let output = command
        .current_dir(environment.path("site"))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains(&format!("port {} is used", address.port())),
        "{err}"
    );
}
