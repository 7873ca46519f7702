//! How much a client may send, and how long it may take.

use std::time::Duration;

use serde::Deserialize;

/// The settings about limits and deadlines.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct Limits {
    /// Bytes of a body, unless its URL pattern says otherwise.
    pub(crate) max_body_bytes: u64,
    /// Bytes of a request's line and headers.
    pub(crate) max_head_bytes: usize,
    /// Open connections.
    pub(crate) max_connections: usize,
    /// Parts of an upload.
    #[cfg(feature = "multipart")]
    pub(crate) max_parts: usize,
    head_timeout: u64,
    body_timeout: u64,
    idle_timeout: u64,
    write_timeout: u64,
    shutdown_timeout: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 2 * 1024 * 1024,
            max_head_bytes: 64 * 1024,
            max_connections: 10_000,
            #[cfg(feature = "multipart")]
            max_parts: 1000,
            head_timeout: 15,
            body_timeout: 60,
            idle_timeout: 60,
            write_timeout: 60,
            shutdown_timeout: 10,
        }
    }
}

impl Limits {
    /// From the first byte of a head to its last.
    pub(crate) fn head(&self) -> Duration {
        Duration::from_secs(self.head_timeout)
    }

    /// For a whole body that a view reads at once; between two pieces of one that it streams.
    pub(crate) fn body(&self) -> Duration {
        Duration::from_secs(self.body_timeout)
    }

    /// Between two requests on one connection.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_timeout)
    }

    /// Without a byte of a response getting through.
    pub(crate) fn write(&self) -> Duration {
        Duration::from_secs(self.write_timeout)
    }

    /// For requests to finish when the server stops.
    pub(crate) fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout)
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
