//! What visitors see.

mod debug;
pub(crate) mod error_page;
pub(crate) mod escape;

pub use self::error_page::error_page;
pub use self::escape::escape_html;
