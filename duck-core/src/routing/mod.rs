//! From the path of a request to the view that answers it.

pub(crate) mod blueprint;
pub(crate) mod converter;
pub(crate) mod encoding;
pub(crate) mod endpoint;
pub(crate) mod host;
pub(crate) mod hosts;
pub(crate) mod mistakes;
#[cfg(feature = "tower")]
mod mount;
pub(crate) mod nearest;
mod own_pages;
pub(crate) mod params;
pub(crate) mod pattern;
pub(crate) mod route;
pub(crate) mod router;
pub(crate) mod routes;
pub(crate) mod urls;
pub(crate) mod view;

#[cfg(feature = "tower")]
pub use self::mount::mount;
pub use self::params::{FromParam, FromParams, Param, Values};
pub use self::urls::host;
#[cfg(feature = "regex")]
pub use self::urls::re_path;
pub use self::view::{AsView, AsyncAnswer, ClassView, View, class_view};
