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
}
