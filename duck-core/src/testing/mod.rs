//! A client for a site's tests: no socket, and cookies as a browser keeps them.
//!
//! It needs the feature `testing`, which a site turns on for its tests alone, so that nothing of this is
//! built into the program that serves:
//!
//! ```toml
//! [dev-dependencies]
//! duck-core = { path = "vendor/duck/duck-core", features = ["testing"] }
//! ```

mod client;
mod cookie_date;
mod jar;
mod multipart;
mod request;
mod response;
#[cfg(feature = "websocket")]
mod socket;

pub use self::client::TestClient;
pub use self::request::TestRequest;
pub use self::response::TestResponse;
#[cfg(feature = "websocket")]
pub use self::socket::{TestHandshake, TestSocket};
