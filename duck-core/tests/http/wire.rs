//! A server of a test's own, and connections to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use duck::Bytes;
use duck::http::{RequestError, stream};
use duck::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::running::{PATIENCE, Running};

/// What the views of a test server have in common with the test.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    seen: Arc<Mutex<Vec<String>>>,
    /// The view `/wait` has begun.
    pub(crate) begun: Arc<Notify>,
    /// Lets the view `/wait` go on.
    pub(crate) go: Arc<Notify>,
    /// A view was dropped before its end.
    pub(crate) dropped: Arc<Notify>,
}

impl Shared {
    /// The paths that views were asked for.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic while noting").clone()
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Shared,
    running: Running,
}

impl Server {
    /// With deadlines of a second where a test waits for them.
    pub(crate) async fn start(settings: &str) -> Self {
        let shared = Shared::default();
        let settings = Settings::from_toml(settings).expect("settings");
        Self::of(app(settings, &shared), shared).await
    }

    /// One with other views.
    pub(crate) async fn with(urls: impl IntoIterator<Item = UrlPattern>) -> Self {
        Self::of(App::new(Settings::default()).urls(urls), Shared::default()).await
    }

    pub(crate) async fn of(app: App, shared: Shared) -> Self {
        let site = app.start().await.expect("a site");
        let listener = listen().await;
        let address = listener.local_addr().expect("an address");
        Self {
            address,
            shared,
            running: Running::start(listener, site),
        }
    }

    pub(crate) async fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        Wire::over(stream)
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut wire = self.connect().await;
        wire.send(get(path)).await;
        wire.answer().await
    }

    pub(crate) fn begin_to_stop(&mut self) {
        self.running.begin_to_stop();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        self.running.stopped().await;
    }
}

/// A socket on an address that no other test uses: when it is closed, connections are refused, and no
/// other server can have taken its port. Linux has 16 million loopback addresses; where there is one
/// only, the ports have to do.
async fn listen() -> TcpListener {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let host = Ipv4Addr::new(127, 1, high, low);
    match TcpListener::bind((host, 0)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.expect("a port"),
    }
}

/// The request line and host of a `GET`, complete.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A connection, as a byte after the other.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Wire {
    pub(crate) fn over(stream: TcpStream) -> Self {
        let read = Vec::new();
        Self { stream, read }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("the server reads");
    }

    /// Sends what a server that has had enough may refuse to read.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// The next response, which has to have a length or to come in chunks.
    pub(crate) async fn answer(&mut self) -> Answer {
        let (status, head) = self.head().await;
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line().await;
                let size = usize::from_str_radix(&line, 16).expect("a chunk");
                answer.body += &self.take(size).await;
                assert_eq!(self.take(2).await, "\r\n");
                if size == 0 {
                    return answer;
                }
            }
        }
        let length = answer.header("content-length").unwrap_or("0");
        answer.body = self.take(length.parse().expect("a length")).await;
        answer
    }

    /// The next response's status and headers.
    pub(crate) async fn head(&mut self) -> (u16, String) {
        let first = self.line().await;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut head = String::new();
        loop {
            match self.line().await.as_str() {
                "" => return (status.expect("a status"), head),
                line => head.extend([line, "\n"]),
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.take(end).await;
                self.take(2).await;
                return line;
            }
            assert!(
                self.more().await,
                "the connection ended in a line: {:?}",
                self.text()
            );
        }
    }

    async fn take(&mut self, count: usize) -> String {
        while self.read.len() < count {
            assert!(
                self.more().await,
                "the connection ended in a body: {:?}",
                self.text()
            );
        }
        let taken: Vec<u8> = self.read.drain(..count).collect();
        String::from_utf8_lossy(&taken).into_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.read);
        let read = timeout(PATIENCE, read)
            .await
            .expect("the server says something or goes");
        read.is_ok_and(|read| read > 0)
    }

    /// Sends no more, and goes on to read.
    pub(crate) async fn close_its_side(&mut self) {
        self.stream.shutdown().await.expect("the server is there");
    }

    /// All that comes until the server ends the connection.
    pub(crate) async fn rest(mut self) -> String {
        while self.more().await {}
        self.text()
    }
}

fn app(settings: Settings, shared: &Shared) -> App {
    let seen = shared.seen.clone();
    let (waiting, streaming, breaking) = (shared.clone(), shared.clone(), shared.clone());
    let note = process_request(move |request: Request| {
        seen.lock()
            .expect("no panic while noting")
            .push(request.path().to_owned());
        std::future::ready(Ok(request))
    });
    App::new(settings).middleware(note).urls([
        path("/", async |_request: Request| "home"),
        path("/echo", echo).methods([POST]),
        path("/echo-as-it-comes", echo_as_it_comes).methods([POST]),
        path("/unread", async |_request: Request| "not interested").methods([POST]),
        path("/panic", async |_request: Request| -> &'static str {
            panic!("as it has to")
        }),
        path("/large", async |_request: Request| "x".repeat(50_000_000)),
        path("/large-unread", async |_request: Request| {
            "x".repeat(20_000_000)
        })
        .methods([POST]),
        path("/members", async |_request: Request| redirect_to("/login")).methods([GET, POST]),
        path("/endless", endless),
        path("/break", move |_request: Request| {
            let shared = breaking.clone();
            async move { breaks(shared) }
        }),
        path("/wait", move |_request: Request| {
            let shared = waiting.clone();
            async move { wait(&shared).await }
        }),
        path("/slow-stream", move |_request: Request| {
            let shared = streaming.clone();
            async move { slow_stream(shared) }
        }),
    ])
}

async fn echo(request: Request) -> Result<String> {
    Ok(request.text().await?)
}

/// The answer begins before the body was read.
async fn echo_as_it_comes(request: Request) -> Result<Response> {
    let body = request.body_stream()?;
    let pieces = futures_util::stream::try_unfold(body, async |mut body| {
        Ok::<_, RequestError>(body.next().await?.map(|piece| (piece, body)))
    });
    Ok(stream("text/plain", pieces))
}

async fn wait(shared: &Shared) -> &'static str {
    let _noticed = Noticed(&shared.dropped);
    shared.begun.notify_one();
    shared.go.notified().await;
    "at last"
}

/// Tells when it is dropped.
struct Noticed<'a>(&'a Notify);

impl Drop for Noticed<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A piece at once, and another when the test says so.
fn slow_stream(shared: Shared) -> Response {
    let pieces = futures_util::stream::unfold((shared, 0), async |(shared, count)| {
        match count {
            0 => shared.begun.notify_one(),
            1 => shared.go.notified().await,
            _ => return None,
        }
        let piece = Ok::<_, io::Error>(Bytes::from_static(b"piece "));
        Some((piece, (shared, count + 1)))
    });
    stream("text/plain", pieces)
}

async fn endless(_request: Request) -> Response {
    let piece = Bytes::from(vec![b'x'; 65_536]);
    stream(
        "text/plain",
        futures_util::stream::repeat_with(move || Ok::<_, io::Error>(piece.clone())),
    )
}

/// A piece at once, and when the test says so an end that is none.
fn breaks(shared: Shared) -> Response {
    let pieces = futures_util::stream::unfold((shared, 0), async |(shared, count)| {
        let piece = if count == 0 {
            Ok(Bytes::from_static(b"half"))
        } else {
            shared.go.notified().await;
            Err(io::Error::other("gone"))
        };
        Some((piece, (shared, count + 1)))
    });
    stream("text/plain", pieces)
}
