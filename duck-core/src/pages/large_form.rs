//! Forms that take long to draw.

/// A mark on a request that has a form of many fields for its page. Drawing a field takes some fifty
/// microseconds, and a client chooses how many rows a form has: such a page is drawn off the workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LargeForm;

/// Fields that are drawn in about the time that nobody else notices.
#[cfg(feature = "forms")]
pub(super) const FEW: usize = 32;
