//! What the author of a site sees of an error while `DEBUG` is on, and nobody else ever.

mod html;
mod report;
mod secrets;
mod source;
mod text;

pub(super) use self::html::{STYLE, html};
pub(super) use self::report::Report;
pub(super) use self::text::{problem, text};
