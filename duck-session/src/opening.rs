use duck::Settings;
use duck::session::AuthHash;

use crate::clock::Clock;
use crate::settings::SessionSettings;

/// What opening an engine takes.
pub(crate) struct Opening<'a> {
    pub(crate) own: &'a SessionSettings,
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a Clock,
    pub(crate) auth_hash: &'a AuthHash,
    /// Whether requests will be answered: a command connects to a server only when it asks something of it.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "the other storages are files, or memory")
    )]
    pub(crate) is_serving: bool,
}
