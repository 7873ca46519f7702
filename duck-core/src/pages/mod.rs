//! What visitors see.

pub(crate) mod error_page;
pub(crate) mod escape;

pub use self::escape::escape_html;
