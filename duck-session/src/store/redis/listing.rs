use crate::store::SessionKey;

/// Keys behind `after`, the last one first.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) after: Option<SessionKey>,
    pub(super) keys: Vec<SessionKey>,
    /// Whether there are more than were kept.
    pub(super) is_cut: bool,
}
