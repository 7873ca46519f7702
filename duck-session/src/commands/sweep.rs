use duck::{ExitCode, Result};
use serde_json::json;

use super::desk::Desk;
use super::scan::Scan;
use super::words;
use crate::engine::administration::Administration;
use crate::engine::stored::State;

/// Removes everything that is over.
pub(super) async fn run(mut desk: Desk<'_>) -> Result<ExitCode> {
    let removed = sweep(desk.administration).await?;
    desk.answer(
        &json!({ "removed": removed }),
        &format!(
            "  {} removed, whose time was over\n",
            words::sessions(removed)
        ),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The storage does it in bulk for as long as it finds something. What is left then, each by itself:
/// a storage looks at some of its records at a time, and knows nothing of `SESSION_IDLE_TIMEOUT`.
pub(super) async fn sweep(administration: &dyn Administration) -> Result<usize> {
    let mut removed = 0;
    loop {
        match administration.sweep().await? {
            0 => break,
            more => removed += more,
        }
    }
    let mut scan = Scan::new(administration);
    while let Some(records) = scan.next().await? {
        for stored in records {
            if matches!(stored.state, State::Expired) && administration.discard(&stored).await? {
                removed += 1;
            }
        }
    }
    Ok(removed)
}
