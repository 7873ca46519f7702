//! The core of the Duck web framework: requests, responses, routing, middleware and the server.
//!
//! ```no_run
//! use duck_core::prelude::*;
//!
//! async fn home(request: Request) -> Result<Response> {
//!     Ok(html("<h1>Quack</h1>"))
//! }
//!
//! async fn user(request: Request, id: u32) -> Result<Response> {
//!     Ok(text(format!("user {id}")))
//! }
//!
//! fn main() -> duck_core::ExitCode {
//!     App::from_settings("settings.toml")
//!         .urls([path("/", home).name("home"), path("/user/<id>", user).name("user")])
//!         .run()
//! }
//! ```
//!
//! # The path of a request
//!
//! `serve` accepts a connection and runs it; hyper reads a head and calls [`Site::respond`]; the
//! router finds the route; [`Next::run`] goes through the middleware to the view, and back with its
//! response; hyper writes it.
//!
//! # Features
//!
//! All but `multipart` are about what the site can do, not how: leave out what you do not use.
//!
//! * `http2` – HTTP/2 beside HTTP/1.1 on the same port.
//! * `tower` – any `tower::Layer` around a site: `App::layer`.
//! * `multipart` – uploads.
//! * `regex` – `re_path`.
//! * `cli` – the commands of the site's own binary, and its log on standard error.
//! * `testing` – a client for the site's tests. It is not on by default: a site has it among its
//!   `[dev-dependencies]`.

mod app;
mod body;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod command_hint;
mod component;
mod context;
mod descriptors;
mod error;
mod error_page;
mod escape;
mod fields;
mod files;
mod forwarded;
mod framing;
mod http;
mod into_response;
mod limits;
mod middleware;
#[cfg(feature = "multipart")]
mod multipart;
mod or_error;
mod panics;
mod parameters;
mod params;
mod pattern;
mod place;
pub mod prelude;
mod proxies;
mod received;
mod redirect;
mod request;
mod request_error;
mod response;
mod route;
mod router;
mod run;
mod secret;
mod sending;
mod server;
#[cfg(feature = "tower")]
mod service;
mod serving;
mod session;
mod session_error;
mod settings;
mod setup;
mod signals;
mod site;
mod stderr;
mod stream_with;

#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tower")]
mod tower;
mod urls;
mod view;

use std::future::Future;
use std::pin::Pin;

pub use std::process::ExitCode;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use bytes::Bytes;
pub use cookie::Cookie;
pub use uuid::Uuid;

pub use app::App;
pub use body::{Body, BoxError};
pub use component::Component;
pub use error::{Cause, Error, Result};
pub use escape::escape_html;
pub use files::{file, static_folder};
pub use into_response::{Html, IntoResponse, Json};
pub use middleware::{
    Middleware, MiddlewareFn, Next, ProcessRequest, ProcessResponse, process_request,
    process_response,
};
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, MultipartForm, Part, UploadedFile};
pub use or_error::{Or500, OrNotFound};
pub use params::{FromParam, FromParams, Param, Values};
pub use place::Place;
pub use proxies::Connection;
pub use redirect::{redirect, redirect_external, redirect_to};
pub use request::{BodyStream, Request, UrlValues};
pub use request_error::RequestError;
pub use response::{Response, ResponseError, bytes, html, json, stream, text};
pub use secret::SecretKey;
pub use server::serve;
pub use session::{
    Changes, Commit, CookieChange, CookieValue, Expiry, Flash, FlashLevel, Identity, Lifetime,
    Loaded, NewCookie, Record, Revoked, Session, SessionData, SessionEngine, SessionGuard,
    SessionId, SessionPolicy, TypedSession, UserSession, Visitor,
};
pub use session_error::SessionError;
#[doc(hidden)]
pub use settings::nearest;
pub use settings::{Seconds, Settings, SettingsError};
pub use setup::Setup;
pub use site::{RouteLine, Site};
pub use stream_with::{Pieces, stream_with};
#[cfg(feature = "tower")]
pub use tower::{Inside, Layer};
#[cfg(feature = "regex")]
pub use urls::re_path;
pub use urls::{Blueprint, UrlPattern, path};
pub use view::{AsView, AsyncAnswer, ClassView, View, class_view};

/// `GET`, for [`UrlPattern::methods`] and for comparing with [`Request::method`].
pub const GET: Method = Method::GET;
/// `POST`.
pub const POST: Method = Method::POST;
/// `PUT`.
pub const PUT: Method = Method::PUT;
/// `PATCH`.
pub const PATCH: Method = Method::PATCH;
/// `DELETE`.
pub const DELETE: Method = Method::DELETE;
/// `HEAD`: comes with `GET`, and is named only by a view that answers it otherwise.
pub const HEAD: Method = Method::HEAD;
/// `OPTIONS`: is answered by the framework, and is named only by a view that answers it otherwise.
pub const OPTIONS: Method = Method::OPTIONS;

/// A future on the heap, as traits with `dyn` need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
