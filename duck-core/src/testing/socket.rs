use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode, header};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message as Frame, protocol::frame::coding::CloseCode};

use super::client::TestClient;
use super::request::TestRequest;
use super::response::TestResponse;
use crate::live::Message;
use crate::live::conversation::converse;

/// Bytes that fit between the client and the site, each way.
const BETWEEN: usize = 64 * 1024;

impl TestClient {
    /// Opens a WebSocket, with the client's cookies and its host as `Origin`: `.await` gives it. The handshake and
    /// the frames are those of a browser; only the connection is one in memory.
    ///
    /// ```
    /// use duck::prelude::*;
    /// use duck::testing::TestClient;
    ///
    /// async fn echo(request: Request, mut socket: WebSocket) -> Result<()> {
    ///     while let Some(message) = socket.receive().await {
    ///         socket.send(message).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([websocket("/echo", echo)])).await;
    /// let mut socket = site.websocket("/echo").await;
    /// socket.send("quack").await;
    /// assert_eq!(socket.receive().await, Some(Message::from("quack")));
    ///
    /// let refused = site.websocket("/echo").from_origin("https://evil.example").refused().await;
    /// assert_eq!(refused.status(), 403);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When `path` is no path.
    #[track_caller]
    pub fn websocket(&self, path: &str) -> TestHandshake<'_> {
        let request = self
            .request(Method::GET, path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key());
        TestHandshake {
            client: self,
            request,
        }
    }
}

/// The request for a WebSocket that a [`TestClient`] is about to make: `.await` opens it.
#[derive(Debug)]
pub struct TestHandshake<'a> {
    client: &'a TestClient,
    request: TestRequest<'a>,
}

impl TestHandshake<'_> {
    /// Adds a header, as [`TestRequest::header`] does.
    ///
    /// # Panics
    ///
    /// When it cannot be one.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Opens it as a script on a page of another site does. Without this, it is opened by a page of the site's own.
    ///
    /// # Panics
    ///
    /// When it cannot stand in a header.
    #[must_use]
    #[track_caller]
    pub fn from_origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// What the site answers in place of opening it.
    ///
    /// # Panics
    ///
    /// When the site opens it.
    pub async fn refused(self) -> TestResponse {
        let Err(answer) = self.open().await else {
            panic!("the site has opened the socket");
        };
        answer
    }

    async fn open(self) -> Result<TestSocket, TestResponse> {
        let Self { client, request } = self;
        let mut request = request.into_http();
        let scheme = if client.is_secure() { "https" } else { "http" };
        let own = format!("{scheme}://{}", client.host());
        if let Ok(own) = own.try_into() {
            request.headers_mut().entry(header::ORIGIN).or_insert(own);
        }
        let (answer, accepted) = client.open(request).await;
        let Some(accepted) = accepted else {
            return Err(answer);
        };
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(
            answer.header("sec-websocket-accept"),
            Some(&*derive_accept_key(key().as_bytes()))
        );
        let (here, there) = duplex(BETWEEN);
        tokio::spawn(converse(*accepted, there, Bytes::new()));
        let stream = WebSocketStream::from_raw_socket(here, Role::Client, None).await;
        Ok(TestSocket {
            stream,
            answer,
            code: None,
        })
    }
}

impl<'a> IntoFuture for TestHandshake<'a> {
    type Output = TestSocket;
    type IntoFuture = Pin<Box<dyn Future<Output = TestSocket> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.open().await {
                Ok(socket) => socket,
                Err(answer) => panic!("the site does not open the socket: {answer:?}"),
            }
        })
    }
}

fn key() -> String {
    BASE64.encode(b"duck test client")
}

/// An open WebSocket of a [`TestClient`]. Dropped, it is gone without a word, as when a browser loses its
/// connection.
pub struct TestSocket {
    stream: WebSocketStream<DuplexStream>,
    answer: TestResponse,
    code: Option<u16>,
}

impl TestSocket {
    /// The site's answer to the handshake: its cookies and other headers.
    pub fn answer(&self) -> &TestResponse {
        &self.answer
    }

    /// Sends a message. Where the socket is closed, it goes nowhere, as in a browser.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let frame = match message.into() {
            Message::Text(text) => Frame::Text(text.into()),
            Message::Binary(bytes) => Frame::Binary(bytes),
        };
        let _ = self.stream.send(frame).await;
    }

    /// The next message; `None` when the socket is closed.
    pub async fn receive(&mut self) -> Option<Message> {
        loop {
            match self.stream.next().await?.ok()? {
                Frame::Text(text) => return Some(Message::Text(text.as_str().to_owned())),
                Frame::Binary(bytes) => return Some(Message::Binary(bytes)),
                Frame::Close(close) => self.code = close.map(|close| close.code.into()),
                Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => {}
            }
        }
    }

    /// Waits until the site closes the socket, and says with which code. What else it sends until then is passed
    /// over.
    ///
    /// # Panics
    ///
    /// When the connection ends without one.
    pub async fn closed(&mut self) -> u16 {
        while self.receive().await.is_some() {}
        match self.code {
            Some(code) => code,
            None => panic!("the connection ended without a code"),
        }
    }

    /// Closes the socket, as a page does that is left, and waits for the site's answer.
    pub async fn close(mut self) {
        let frame = CloseFrame {
            code: CloseCode::Away,
            reason: "".into(),
        };
        let _ = self.stream.close(Some(frame)).await;
        while self.receive().await.is_some() {}
    }
}

impl fmt::Debug for TestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSocket").finish_non_exhaustive()
    }
}
