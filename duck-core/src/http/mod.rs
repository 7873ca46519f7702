//! Requests and responses.

pub(crate) mod accept;
pub(crate) mod authority;
pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod fields;
pub(crate) mod forwarded;
pub(crate) mod into_response;
mod methods;
mod network;
pub(crate) mod origin;
pub(crate) mod parameters;
pub(crate) mod parsing;
#[cfg(feature = "private-cookies")]
mod private_cookies;
pub(crate) mod proxies;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod request_error;
pub(crate) mod response;
mod result;
mod spare_headers;
pub(crate) mod stream_with;
pub(crate) mod vary;

pub use http::{HeaderMap, HeaderName, HeaderValue, Uri};

pub use self::body::{Body, BoxError};
pub use self::methods::{DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT};
pub use self::network::network_of;
#[cfg(feature = "private-cookies")]
pub use self::private_cookies::PrivateCookies;
pub use self::proxies::Connection;
pub use self::redirect::redirect_external;
pub use self::request::{BodyStream, UrlValues};
pub use self::request_error::RequestError;
pub use self::response::{ResponseError, bytes, stream};
pub use self::result::ResponseResult;
pub use self::stream_with::{Pieces, stream_with};
