//! How much a WebSocket may bring, and how long it may say nothing.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Seconds, Settings, SettingsError};

/// The settings of WebSockets. They are read for each URL pattern with one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct SocketLimits {
    /// Bytes of a message, and of each of its frames.
    pub(super) websocket_max_message_bytes: usize,
    websocket_ping_interval: Seconds,
    websocket_idle_timeout: Seconds,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            websocket_max_message_bytes: 1024 * 1024,
            websocket_ping_interval: Seconds(Duration::from_secs(30)),
            websocket_idle_timeout: Seconds(Duration::from_secs(90)),
        }
    }
}

impl SocketLimits {
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let own: Self = settings.part()?;
        if own.websocket_max_message_bytes == 0 {
            let right = "must be 1 at least, or no message gets through";
            return Err(settings.error("WEBSOCKET_MAX_MESSAGE_BYTES", right));
        }
        if own.idle() < Duration::from_secs(1) {
            let right = "must be one second at least, or no socket stays open";
            return Err(settings.error("WEBSOCKET_IDLE_TIMEOUT", right));
        }
        if own.ping().is_some_and(|ping| ping >= own.idle()) {
            let right = "must be less than WEBSOCKET_IDLE_TIMEOUT, so that a pong can come before that; or 0 for no pings";
            return Err(settings.error("WEBSOCKET_PING_INTERVAL", right));
        }
        Ok(own)
    }

    /// After so long without a word the client is asked whether it is there; `None`: it is not asked.
    pub(super) fn ping(&self) -> Option<Duration> {
        Some(self.websocket_ping_interval.0).filter(|ping| !ping.is_zero())
    }

    /// After so long without a word the client is gone.
    pub(super) fn idle(&self) -> Duration {
        self.websocket_idle_timeout.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SocketLimits, SettingsError> {
        SocketLimits::from_settings(&Settings::from_toml(text).unwrap())
    }

    /// The file that the guide's page on settings is compared with.
    #[test]
    fn defaults_are_those_of_the_settings_file() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../settings.toml");
        let written = read(&std::fs::read_to_string(file).unwrap()).unwrap();
        let defaults = SocketLimits::default();
        assert_eq!(format!("{written:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn limits_with_which_no_socket_could_live_are_refused_by_key_and_line() {
        for (text, says) in [
            (
                "WEBSOCKET_MAX_MESSAGE_BYTES = 0",
                "line 1: WEBSOCKET_MAX_MESSAGE_BYTES",
            ),
            (
                "WEBSOCKET_IDLE_TIMEOUT = 0",
                "line 1: WEBSOCKET_IDLE_TIMEOUT",
            ),
            (
                "WEBSOCKET_PING_INTERVAL = 90",
                "line 1: WEBSOCKET_PING_INTERVAL",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(
            read("WEBSOCKET_PING_INTERVAL = 0")
                .unwrap()
                .ping()
                .is_none()
        );
    }
}
