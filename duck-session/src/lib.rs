//! Sessions for the Duck web framework.

pub mod cache;
