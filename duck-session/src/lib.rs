//! Sessions for the Duck web framework: the middleware, the engine and the storages.
//!
//! ```
//! use duck::prelude::*;
//! use duck_session::SessionMiddleware;
//!
//! async fn home(request: Request) -> Result<Response> {
//!     let visits = request.session.update("visits", |n: &mut u64| *n += 1).await?;
//!     Ok(html(format!("<h1>Visit {visits}</h1>")))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let settings = duck::Settings::default().with("SESSION_STORAGE", "InMemoryCache");
//! let app = App::new(settings).with(SessionMiddleware::new()).urls([path("/", home)]);
//! # app.start().await.unwrap();
//! # }
//! ```
//!
//! # The path of a session
//!
//! [`SessionMiddleware`] gives the request a handle that knows the visitor's cookies and nothing
//! else. At the first access the engine reads an id from them, makes the storage's name for it,
//! asks the [`store`], and opens the record. When the view has returned, the changes go back to the
//! engine: it seals a new record and swaps it for the one that was read; if another request was
//! faster, it reads that record and makes the changes again on top of it.

mod binding;
mod clock;
#[cfg(feature = "commands")]
mod commands;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cookie;
mod engine;
mod events;
mod header;
mod lifetime;
mod locks;
mod log;
mod maintenance;
mod middleware;
mod opening;
mod reader;
mod registry;
mod seal;
mod sealed_cookie;
mod settings;
pub mod store;
mod verifier;

pub use clock::Clock;
pub use middleware::SessionMiddleware;
pub use settings::{
    Bind, Conflict, DatabaseUrl, Fsync, OnLimit, OnReplay, OnStoreError, Prefix, SameSite, Seconds,
    Secure, SessionSettings,
};
