//! The core of the Duck web framework: requests, responses, routing, middleware and the server.
//!
//! ```no_run
//! use duck::prelude::*;
//!
//! async fn home(request: Request) -> Result<Response> {
//!     Ok(html("<h1>Quack</h1>"))
//! }
//!
//! async fn user(request: Request, id: u32) -> Result<Response> {
//!     Ok(text(format!("user {id}")))
//! }
//!
//! fn main() -> duck::ExitCode {
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
//! * `tls` – HTTPS without a proxy: `TLS_CERT`, `TLS_KEY`, and the command `ssl-gen`. Off by default.
//! * `tower` – any `tower::Layer` around a site (`App::layer`), any service in it ([`routing::mount`]), a site as a service.
//! * `multipart` – uploads.
//! * `regex` – `re_path`.
//! * `auth` – users who log in with a password. Off by default.
//! * `limits` – rate limits: `.limit("5/min")`. Off by default.
//! * `cli` – the commands of the site's own binary, and its log on standard error.
//! * `templates` – pages from templates: [`render`].
//! * `collectstatic` – the command of that name: static files under names with a hash, and compressed.
//! * `forms` – forms with rules, shown again with what is wrong: `request.form()`.
//! * `websocket` – WebSockets: [`live`]. Off by default.
//! * `sqlite`, `postgres` – a database through sqlx. Off by default.
//! * `compression` – responses compressed as they are sent: [`middleware`]. Off by default.
//! * `private-cookies` – cookies that visitors cannot change, or not read either: [`http`]. Off by default.
//! * `tasks` – work at set times. Off by default.
//! * `metrics` – counts for Prometheus, at an address of their own. Off by default.
//! * `testing` – a client for the site's tests. It is not on by default: a site has it among its
//!   `[dev-dependencies]`.

pub mod app;
#[cfg(feature = "auth")]
pub mod auth;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod database;
pub mod error;
pub mod files;
pub mod http;
pub mod live;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod middleware;
#[cfg(feature = "multipart")]
pub mod multipart;
pub mod pages;
pub mod prelude;
pub mod routing;
pub mod server;
pub mod session;
pub mod settings;
#[cfg(feature = "tasks")]
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;

use std::future::Future;
use std::pin::Pin;

pub use std::process::ExitCode;

pub use ::http::{Method, StatusCode};
pub use bytes::Bytes;
pub use cookie::Cookie;
/// The rules of forms.
#[cfg(feature = "forms")]
pub use garde;
/// The queries of a database. A site that uses its macros (`migrate!`, `FromRow`) has the crate itself as well.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sqlx;
pub use uuid::Uuid;

pub use crate::app::App;
pub use crate::app::blocking::blocking;
pub use crate::app::component::Component;
pub use crate::app::health::Health;
pub use crate::app::setup::Setup;
pub use crate::app::site::Site;
pub use crate::error::{Error, Result};
pub use crate::http::into_response::{Html, IntoResponse, Json};
pub use crate::http::redirect::{redirect, redirect_to};
pub use crate::http::request::Request;
pub use crate::http::response::{Response, html, json, text};
pub use crate::middleware::{Middleware, Next};
#[cfg(feature = "forms")]
pub use crate::pages::forms;
#[cfg(feature = "templates")]
pub use crate::pages::templates::render::render;
pub use crate::routing::blueprint::Blueprint;
pub use crate::routing::urls::{UrlPattern, path};
pub use crate::session::Session;
pub use crate::settings::Settings;

/// A future on the heap, as traits with `dyn` need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
