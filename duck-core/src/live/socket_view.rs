//! What a function has to be to serve a WebSocket, and its URL pattern.

use std::future::{Future, Ready, ready};
use std::sync::Arc;

use super::handshake;
use super::socket::WebSocket;
use super::socket_limits::SocketLimits;
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::http::response::{Response, is_token};
use crate::routing::params::FromParams;
use crate::routing::urls::UrlPattern;
use crate::routing::view::{AsyncAnswer, View};

/// Binds a path to a view that speaks over a WebSocket (RFC 6455).
///
/// Paths and their parameters are as [`path`](crate::path) has them; the parameters come after the socket. The view
/// gives back nothing, or a [`Result`].
///
/// ```
/// use duck::live::{WebSocket, websocket};
/// use duck::{App, Request, Result, Settings};
///
/// async fn echo(request: Request, mut socket: WebSocket, name: String) -> Result<()> {
///     socket.send(format!("Hello, {name}")).await?;
///     while let Some(message) = socket.receive().await {
///         socket.send(message).await?;
///     }
///     Ok(())
/// }
///
/// # use duck::testing::TestClient;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::new(Settings::default()).urls([websocket("/echo/<name>", echo).name("echo")]);
/// let site = TestClient::start(app).await;
/// let mut socket = site.websocket("/echo/duck").await;
/// assert_eq!(socket.receive().await.unwrap().text(), Some("Hello, duck"));
/// socket.send("quack").await;
/// assert_eq!(socket.receive().await.unwrap().text(), Some("quack"));
/// # }
/// ```
///
/// # Who may open it
///
/// The request for it passes through the site's middleware as any other `GET`: they may refuse it, or send it to the
/// login page, and the view begins when their answer, the 101, has left. A page of another site may not open it,
/// unless `CSRF_TRUSTED_ORIGINS` names that, or the pattern has [`csrf(false)`](UrlPattern::csrf). What is no
/// browser sends no `Origin`, and is let in. A request that is no handshake is answered with 426 or 400.
///
/// Browsers open WebSockets over HTTP/1.1, whatever protocol the page came by. RFC 8441 (over HTTP/2) is not spoken.
///
/// # The session
///
/// `request.session` is the session as the middleware saved it with the 101. `reload` reads it again. Changes are
/// saved by [`save`](crate::Session::save), and lost without; where the session was not begun before, they
/// are refused with [`SessionError::Committed`](crate::session::SessionError::Committed), as a login and
/// `cycle_id` are: no response could carry the cookie. `SESSION_ENGINE = "cookie"` cannot save at all then. A logout
/// is saved as everything else.
///
/// When the session is over, and the view or a middleware has asked for it, the socket is closed with 4401: see
/// [`watch`](crate::Session::watch) for how soon. A visitor without a session has none to lose.
///
/// # The end
///
/// | code | the socket is closed because |
/// |---|---|
/// | 1000 | the view has returned |
/// | 1001 | the server stops, or nothing came from the client for `WEBSOCKET_IDLE_TIMEOUT` |
/// | 1002 | the client broke the protocol |
/// | 1007 | a text is not UTF-8 |
/// | 1008 | the view gave back an error with a status below 500 |
/// | 1009 | a message is larger than `WEBSOCKET_MAX_MESSAGE_BYTES` |
/// | 1011 | the view failed, or panicked: it is in the log, with the line |
/// | 4401 | the session is over |
///
/// Whatever the reason, [`receive`](WebSocket::receive) gives `None` then, and the view has five seconds left. What
/// must not be lost is done in a task of its own.
///
/// Only the server of this crate ([`serve`](crate::server::serve), so `App::run`) opens WebSockets, and the client of
/// the tests: where the site is a service of another server, the 101 leads nowhere.
pub fn websocket<V, Args>(path: &str, view: V) -> UrlPattern
where
    V: SocketView<Args>,
    V::Future: AsyncAnswer<Answer: SocketAnswer> + Send + 'static,
    Args: FromParams,
{
    websocket_with(path, [], view)
}

/// The same for a view that speaks protocols which have names, the subprotocols of RFC 6455: `new WebSocket("/graphql",
/// ["graphql-transport-ws"])`.
///
/// The first one that the client offers and the view names is chosen; the client is told, and
/// [`WebSocket::protocol`] tells the view. Where they have none in common the socket is opened without, and browsers that
/// have offered some close it at once: a view that cannot do without one closes it too.
///
/// ```
/// use duck::live::{WebSocket, websocket_with};
/// use duck::{App, Request, Result, Settings};
///
/// async fn chat(_request: Request, socket: WebSocket) -> Result<()> {
///     match socket.protocol() {
///         Some("chat.v2") => socket.send(r#"{"welcome": "to the chat"}"#).await?,
///         Some(_) => socket.send("welcome to the chat").await?,
///         None => socket.close(1008, "chat.v1 and chat.v2 are spoken here").await?,
///     }
///     Ok(())
/// }
///
/// # use duck::testing::TestClient;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::new(Settings::default()).urls([websocket_with("/chat", ["chat.v2", "chat.v1"], chat)]);
/// let site = TestClient::start(app).await;
/// let offer = site.websocket("/chat").header("sec-websocket-protocol", "chat.v3, chat.v2");
/// let mut socket = offer.await;
/// assert_eq!(socket.answer().header("sec-websocket-protocol"), Some("chat.v2"));
/// assert_eq!(socket.receive().await.unwrap().text(), Some(r#"{"welcome": "to the chat"}"#));
/// assert_eq!(site.websocket("/chat").await.closed().await, 1008);
/// # }
/// ```
///
/// # Errors
///
/// The site does not start where a name is none: it is letters, digits and ``!#$%&'*+-.^_`|~``. Capitals count.
pub fn websocket_with<V, Args>(
    path: &str,
    protocols: impl IntoIterator<Item = &'static str>,
    view: V,
) -> UrlPattern
where
    V: SocketView<Args>,
    V::Future: AsyncAnswer<Answer: SocketAnswer> + Send + 'static,
    Args: FromParams,
{
    let (at, protocols) = (path.to_owned(), Vec::from_iter(protocols));
    let mut pattern = UrlPattern::from_settings(path.to_owned(), move |settings| {
        if let Some(name) = protocols.iter().find(|name| !is_token(name)) {
            return Err(Error::internal(format!(
                "the WebSocket at {at:?}: {name:?} is no name of a protocol; it is one word, such as \"chat.v2\""
            )));
        }
        Ok(Opening {
            view: Arc::new(view),
            protocols: protocols.into(),
            limits: SocketLimits::from_settings(settings)?,
        })
    });
    pattern.view_name = std::any::type_name::<V>();
    pattern
}

/// Something that speaks over WebSockets: an `async fn` that takes the [`Request`], the [`WebSocket`] and, after them,
/// up to eight parameters of its path.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view of a WebSocket",
    label = "not a view of a WebSocket",
    note = "it is `async fn name(request: Request, socket: WebSocket) -> Result<()>`: it takes both by value",
    note = "after them come up to eight `<…>` parts of its path, in their order: `async fn room(request: Request, socket: WebSocket, id: u32)`",
    note = "it is given without being called: `websocket(\"/chat\", chat)`, not `websocket(\"/chat\", chat())`"
)]
pub trait SocketView<Args>: Send + Sync + 'static {
    /// What the view is while it runs.
    type Future;

    /// Starts the view.
    fn call(&self, request: Request, socket: WebSocket, args: Args) -> Self::Future;
}

macro_rules! socket_view_for_function {
    ($($name:ident $value:ident),*) => {
        #[diagnostic::do_not_recommend]
        impl<Function, Running, $($name),*> SocketView<($($name,)*)> for Function
        where
            Function: Fn(Request, WebSocket, $($name),*) -> Running + Send + Sync + 'static,
        {
            type Future = Running;

            fn call(&self, request: Request, socket: WebSocket, args: ($($name,)*)) -> Running {
                let ($($value,)*) = args;
                self(request, socket, $($value),*)
            }
        }
    };
}

socket_view_for_function!();
socket_view_for_function!(A a);
socket_view_for_function!(A a, B b);
socket_view_for_function!(A a, B b, C c);
socket_view_for_function!(A a, B b, C c, D d);
socket_view_for_function!(A a, B b, C c, D d, E e);
socket_view_for_function!(A a, B b, C c, D d, E e, F f);
socket_view_for_function!(A a, B b, C c, D d, E e, F f, G g);
socket_view_for_function!(A a, B b, C c, D d, E e, F f, G g, H h);

/// What the view of a WebSocket gives back: nothing, or a `Result` of nothing.
#[diagnostic::on_unimplemented(
    message = "a view of a WebSocket gives back nothing, not `{Self}`",
    label = "gives back `{Self}`",
    note = "it is `async fn name(request: Request, socket: WebSocket) -> Result<()>`; what the client is to get is sent with `socket.send(…)`"
)]
pub trait SocketAnswer {
    /// Whether all went well.
    ///
    /// # Errors
    ///
    /// What the view failed with.
    fn into_result(self) -> Result<()>;
}

impl SocketAnswer for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> SocketAnswer for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// The view that answers the handshake.
struct Opening<V> {
    view: Arc<V>,
    protocols: Box<[&'static str]>,
    limits: SocketLimits,
}

#[diagnostic::do_not_recommend]
impl<V, Args> View<Args> for Opening<V>
where
    V: SocketView<Args>,
    V::Future: Future<Output: SocketAnswer> + Send + 'static,
    Args: FromParams,
{
    type Future = Ready<Response>;

    fn call(&self, request: Request, args: Args) -> Self::Future {
        let view = self.view.clone();
        let start = move |request, socket| -> crate::BoxFuture<'static, Result<()>> {
            let running = view.call(request, socket, args);
            Box::pin(async move { running.await.into_result() })
        };
        let answer = handshake::answer(request, self.limits, &self.protocols, Box::new(start));
        ready(answer)
    }
}
