//! What visitors see.

pub(crate) mod error_page;
pub(crate) mod escape;
#[cfg(feature = "templates")]
pub(crate) mod status;
#[cfg(feature = "templates")]
pub(crate) mod templates;

pub use self::escape::escape_html;
#[cfg(feature = "templates")]
#[doc(hidden)]
pub use self::templates::templates_folder;
#[cfg(feature = "templates")]
pub use self::templates::{Context, TemplateError, Templates};
#[cfg(feature = "templates")]
#[doc(hidden)]
pub use include_dir;
/// The engine of the templates: what functions and filters of a site's own are written with.
#[cfg(feature = "templates")]
pub use minijinja;
