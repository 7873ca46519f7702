use std::sync::Arc;

use duck::{BoxFuture, Result, Settings};

use crate::clock::Clock;
use crate::settings::SessionSettings;

/// What opening an engine takes.
pub(crate) struct Opening<'a> {
    pub(crate) own: &'a SessionSettings,
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a Clock,
    pub(crate) auth_hash: Option<&'a AuthHash>,
}

/// What a user's sessions stand and fall with, as the site tells it.
pub(crate) type AuthHash =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<String>>> + Send + Sync>;
