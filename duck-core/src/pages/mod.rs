//! What visitors see.

mod debug;
pub(crate) mod error_page;
#[cfg(feature = "templates")]
mod error_template;
pub(crate) mod escape;
#[cfg(feature = "forms")]
pub mod forms;
#[cfg(feature = "templates")]
mod large_form;
#[cfg(feature = "templates")]
pub(crate) mod status;
#[cfg(feature = "templates")]
pub(crate) mod templates;

pub use self::error_page::error_page;
pub use self::escape::escape_html;
#[cfg(feature = "templates")]
#[doc(hidden)]
pub use self::templates::templates_folder;
#[cfg(feature = "templates")]
pub use self::templates::{Context, TemplateError, Templates};
#[cfg(feature = "templates")]
#[doc(hidden)]
pub use include_dir;

/// What functions, filters and values for templates are written with: see
/// [`Setup::template_function`](crate::Setup::template_function).
// Not the whole crate: it has a `String` and a `Json` of its own, and the compiler would name those of
// the standard library and of Duck by their whole paths.
#[cfg(feature = "templates")]
pub mod minijinja {
    pub use minijinja::value::{Kwargs, Rest};
    pub use minijinja::{Error, ErrorKind, State, Value};
}
