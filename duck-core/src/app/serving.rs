//! Where a site listens, and with how many threads it answers.

use serde::Deserialize;

use crate::settings::{Settings, SettingsError};

/// The settings of the server itself. They are read when the site is built, so that `check` sees them.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct Serving {
    pub(crate) address: String,
    pub(crate) workers: Option<usize>,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8000".into(),
            workers: None,
        }
    }
}

impl Serving {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let own: Self = settings.part()?;
        if own.workers == Some(0) {
            return Err(settings.error("WORKERS", "a server has at least one worker"));
        }
        if !is_address(&own.address) {
            let right = "takes a host and a port, such as \"127.0.0.1:8000\" or \"[::1]:8000\"";
            return Err(settings.error("ADDRESS", right));
        }
        Ok(own)
    }
}

/// A host (a name, an IPv4 address, or an IPv6 address in brackets) and a port.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = inside.map_or_else(
        || !host.is_empty() && host.bytes().all(is_name),
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    is_host && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_can_listen_on_is_refused_by_key_and_line() {
        for right in ["127.0.0.1:8000", "localhost:80", "[::1]:0", "0.0.0.0:65535"] {
            assert!(is_address(right), "{right}");
        }
        for wrong in [
            "8000",
            ":8000",
            "localhost",
            "http://127.0.0.1:8000",
            "127.0.0.1:65536",
            "127.0.0.1:",
            "127.0.0.1:80/",
            "::1:8000",
            "[localhost]:80",
            "a b:80",
            "127.0.0.1:+80",
            "",
            "*:80",
        ] {
            let text = format!("\nADDRESS = '{wrong}'");
            let error = Serving::from_settings(&Settings::from_toml(&text).unwrap());
            let error = error.err().unwrap().to_string();
            assert!(
                error.contains(
                    "line 2: ADDRESS: takes a host and a port, such as \"127.0.0.1:8000\""
                ),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn a_server_without_workers_is_refused() {
        let error = Serving::from_settings(&Settings::from_toml("WORKERS = 0").unwrap());
        assert!(error.err().unwrap().to_string().contains("line 1: WORKERS"));
    }
}
