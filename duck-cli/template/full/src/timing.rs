//! A middleware of the site's own.

use std::time::Instant;

use duck::prelude::*;

/// Tells in a header how long the rest of the site took.
pub async fn timing(request: Request, next: Next<'_>) -> Result<Response> {
    let started = Instant::now();
    let response = next.run(request).await;
    Ok(response.with_header("x-took", format!("{} us", started.elapsed().as_micros()))?)
}
