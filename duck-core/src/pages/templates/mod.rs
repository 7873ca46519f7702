//! Pages from templates: minijinja, which has the syntax of Jinja2.

mod context;
pub(super) mod engine;
mod error;
pub(crate) mod folder;
pub(crate) mod folders;
mod functions;
mod kind;
mod lazy;
mod names;
pub(crate) mod registry;
pub(crate) mod render;

pub use self::context::Context;
pub use self::error::TemplateError;
pub use self::folders::{Templates, templates_folder};
