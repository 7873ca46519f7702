//! Forms: read, checked, and shown again with what is wrong.
//!
//! [`Request::form`](crate::Request::form) reads a form as a struct with rules, a [`Form`]. A
//! template draws its fields: `{{ field(form.title) }}`. What was entered wrongly stands beside its
//! field, and the page has the status 422.
//!
//! The guide's page on forms goes through all of it.

mod access;
mod body;
mod deserializer;
mod drawn;
mod errors;
pub(crate) mod field;
mod form;
mod form_type;
mod input;
mod name;
mod picture;
mod read;
mod read_error;
mod reader;
mod reading;
mod request;
mod rules;
mod shape;
mod stand_in;
mod tree;
mod upload;
mod wording;

pub use self::form::Form;
pub use self::form_type::FormType;
pub use self::picture::is_picture;
pub use self::upload::Upload;
pub use self::wording::Wording;
pub use crate::http::fields::Problem;
