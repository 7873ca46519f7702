//! Taking bodies apart, and other work of the processor's, without holding up other visitors.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

use crate::http::request_error::RequestError;

/// From here on a body is taken apart in a thread for blocking work. Handing it over costs some ten
/// microseconds, about what it takes to parse so much.
const LARGE: usize = 64 * 1024;

/// What a field costs beside its bytes: looking for its place, and reading it as a type.
const FIELD: usize = 256;

/// How much work a form is, in bytes.
pub(crate) fn weight_of_form(body: &[u8]) -> usize {
    body.len() + FIELD * memchr::memchr_iter(b'&', body).count()
}

/// How much work one field is, in bytes.
#[cfg(feature = "forms")]
pub(crate) fn weight_of_field(length: usize) -> usize {
    length + FIELD
}

/// Does what is little work at once, and what is much in a thread for blocking work.
pub(crate) async fn parse<R: Send + 'static>(
    weight: usize,
    work: impl FnOnce() -> Result<R, RequestError> + Send + 'static,
) -> Result<R, RequestError> {
    if weight < LARGE {
        return work();
    }
    off_the_workers(work).await?
}

/// Does work in a thread for blocking work.
pub(crate) async fn off_the_workers<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, RequestError> {
    spawn_blocking(work)
        .await
        .map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => RequestError::internal("the site is stopping").because(error),
        })
}
