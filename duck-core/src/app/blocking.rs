//! Work that would hold up the other requests of its thread.

use crate::error::Result;
use crate::http::parsing::off_the_workers;

/// Does work that computes or blocks in a thread made for such work, and gives what comes of it. Meanwhile the thread
/// that the view runs on answers others.
///
/// A view keeps its thread between two `.await`s, so what takes more than a millisecond there belongs in here:
/// pictures, archives, calls of libraries that wait. Handing work over costs some ten microseconds.
///
/// ```
/// use duck::{Request, Result, blocking};
///
/// async fn report(_request: Request) -> Result<String> {
///     let sum = blocking(|| (1..=1_000_000_u64).sum::<u64>()).await?;
///     Ok(format!("{sum}"))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = duck::App::new(duck::Settings::default()).urls([duck::path("/", report)]);
/// # let answer = duck::testing::TestClient::start(app).await.get("/").await;
/// # assert_eq!(answer.text(), "500000500000");
/// # }
/// ```
///
/// Work that has begun goes on when the client has gone. It does not keep a site from stopping for more than a second.
/// How many threads there are follows from how many files the process may open; more work waits for a free one.
///
/// # Errors
///
/// When the site stops before the work has begun.
///
/// # Panics
///
/// When the work panics: the request is answered with a 500, and the log names the line.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(off_the_workers(work).await?)
}
