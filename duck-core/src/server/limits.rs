//! How much a client may send, and how long it may take.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::settings::{Seconds, Settings, SettingsError};

/// A browser opens up to six connections before it has anything to ask for; two of them share an address
/// now and then.
const BROWSER: usize = 8;

/// How many looks at a connection there are in a deadline. It may be two of them late: an eighth.
const LOOKS: u32 = 16;

/// The settings about limits and deadlines.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct Limits {
    /// Bytes of a body, unless its URL pattern says otherwise.
    pub(crate) max_body_bytes: u64,
    /// Bytes a second of a body that is streamed.
    pub(crate) body_min_rate: u64,
    /// Bytes of a request's line and headers.
    pub(crate) max_head_bytes: usize,
    /// Open connections.
    pub(crate) max_connections: usize,
    /// Of those, how many from one address that have not sent a whole head yet.
    max_new_connections_per_address: Option<usize>,
    /// Fields of a form or a query, parts of an upload.
    pub(crate) max_fields: usize,
    head_timeout: Seconds,
    body_timeout: Seconds,
    idle_timeout: Seconds,
    write_timeout: Seconds,
    shutdown_timeout: Seconds,
    shutdown_delay: Seconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 2 * 1024 * 1024,
            body_min_rate: 1024,
            max_head_bytes: 64 * 1024,
            max_connections: 10_000,
            max_new_connections_per_address: None,
            max_fields: 1000,
            head_timeout: Seconds(Duration::from_secs(15)),
            body_timeout: Seconds(Duration::from_secs(60)),
            idle_timeout: Seconds(Duration::from_secs(60)),
            write_timeout: Seconds(Duration::from_secs(60)),
            shutdown_timeout: Seconds(Duration::from_secs(10)),
            shutdown_delay: Seconds(Duration::ZERO),
        }
    }
}

impl Limits {
    /// The limits of a site, checked.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let mut own: Self = settings.part()?;
        let deadlines = [
            ("HEAD_TIMEOUT", own.head_timeout),
            ("BODY_TIMEOUT", own.body_timeout),
            ("IDLE_TIMEOUT", own.idle_timeout),
            ("WRITE_TIMEOUT", own.write_timeout),
        ];
        for (key, deadline) in deadlines {
            if deadline.0 < Duration::from_secs(1) {
                return Err(settings.error(
                    key,
                    "must be one second at least, or no request gets through",
                ));
            }
        }
        if own.max_connections == 0 {
            return Err(settings.error("MAX_CONNECTIONS", "must be 1 at least, or nobody gets in"));
        }
        own.max_connections = own.max_connections.min(Semaphore::MAX_PERMITS);
        if own.max_new_connections_per_address == Some(0) {
            return Err(settings.error(
                "MAX_NEW_CONNECTIONS_PER_ADDRESS",
                "must be 1 at least, or nobody gets in",
            ));
        }
        Ok(own)
    }

    /// How many connections from one address may have no whole head yet, where there is room for
    /// `connections` in all.
    pub(crate) fn new_connections_per_address(&self, connections: usize) -> usize {
        let eighth = (connections / 8).max(BROWSER);
        self.max_new_connections_per_address.unwrap_or(eighth)
    }

    /// Of a request's line and headers. hyper refuses a buffer smaller than this; heads longer than it are
    /// answered with 431.
    pub(crate) fn head_bytes(&self) -> usize {
        self.max_head_bytes.max(8192)
    }

    /// From the first byte of a head to its last.
    pub(crate) fn head(&self) -> Duration {
        self.head_timeout.0
    }

    /// For a whole body that a view reads at once; of one that it streams, for what is to come in that time at
    /// `BODY_MIN_RATE`.
    pub(crate) fn body(&self) -> Duration {
        self.body_timeout.0
    }

    /// How often each connection is looked at: often enough for the shortest of the deadlines that are kept so.
    pub(crate) fn look(&self) -> Duration {
        let shortest = self.head().min(self.idle()).min(self.write());
        (shortest / LOOKS).min(Duration::from_secs(1))
    }

    /// Between two requests on one connection.
    pub(crate) fn idle(&self) -> Duration {
        self.idle_timeout.0
    }

    /// Without a byte of a response getting through.
    pub(crate) fn write(&self) -> Duration {
        self.write_timeout.0
    }

    /// Between being asked to stop and taking no more connections.
    pub(crate) fn shutdown_delay(&self) -> Duration {
        self.shutdown_delay.0
    }

    /// For requests to finish when the server stops.
    pub(crate) fn shutdown(&self) -> Duration {
        self.shutdown_timeout.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that the guide's page on settings is compared with.
    #[test]
    fn defaults_are_those_of_the_settings_file() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../settings.toml");
        let settings = std::fs::read_to_string(file).unwrap();
        let written: Limits = crate::Settings::from_toml(&settings)
            .unwrap()
            .part()
            .unwrap();
        assert_eq!(format!("{written:?}"), format!("{:?}", Limits::default()));
    }
}
