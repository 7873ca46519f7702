//! The core of the Duck web framework.

mod error;
mod request_error;
mod session_error;

pub use error::{Error, Result};
pub use request_error::RequestError;
pub use session_error::SessionError;

pub use http::StatusCode;
