//! Where a site listens, and with how many threads it answers.

use crate::http::authority::is_address;
use std::io;
use std::path::Path;
use std::thread::available_parallelism;

use serde::Deserialize;
use tokio::runtime::Handle;

#[cfg(feature = "tls")]
use crate::app::https::Https;
use crate::server::socket::unix_path;
use crate::server::threads::Threads;
use crate::settings::{Settings, SettingsError};

/// The settings of the server itself. They are read when the site is built, so that `check` sees them.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct Serving {
    pub(crate) address: String,
    /// Permissions of a Unix socket, in octal digits.
    pub(crate) unix_socket_mode: String,
    pub(crate) workers: Option<usize>,
    /// Whether threads take over what others have to do; otherwise each connection stays on one.
    work_stealing: bool,
    #[cfg(feature = "tls")]
    #[serde(skip)]
    pub(crate) https: Option<Https>,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8000".into(),
            unix_socket_mode: "660".into(),
            workers: None,
            work_stealing: false,
            #[cfg(feature = "tls")]
            https: None,
        }
    }
}

impl Serving {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "HTTPS is added"))]
        let mut own: Self = settings.part()?;
        if own.workers == Some(0) {
            return Err(settings.error("WORKERS", "a server has at least one worker"));
        }
        match unix_path(&own.address) {
            Some(path) => check_path(settings, path)?,
            None if is_address(&own.address) => {}
            None => {
                let right = "takes a host and a port, such as \"127.0.0.1:8000\" or \"[::1]:8000\", or a Unix socket, \
                             \"unix:/run/mysite.sock\"";
                return Err(settings.error("ADDRESS", right));
            }
        }
        own.mode(settings)?;
        #[cfg(feature = "tls")]
        {
            own.https = Https::from_settings(settings)?;
        }
        #[cfg(not(feature = "tls"))]
        refuse_https(settings)?;
        Ok(own)
    }

    /// What its connections run on, where the site is started in this runtime.
    pub(crate) fn threads(&self, runtime: &Handle) -> io::Result<Threads> {
        if self.work_stealing {
            return Ok(Threads::of(runtime));
        }
        let processors = || available_parallelism().map_or(1, usize::from);
        Threads::start(self.workers.unwrap_or_else(processors), runtime)
    }

    /// The permissions of a Unix socket.
    pub(crate) fn mode(&self, settings: &Settings) -> Result<u32, SettingsError> {
        let mode = u32::from_str_radix(&self.unix_socket_mode, 8).ok();
        mode.filter(|mode| *mode <= 0o777).ok_or_else(|| {
            let right = "takes permissions as `chmod` does, in three octal digits: \"660\" lets the site's user and \
                         group connect";
            settings.error("UNIX_SOCKET_MODE", right)
        })
    }
}

/// A site that believes it speaks HTTPS must not run without.
#[cfg(not(feature = "tls"))]
fn refuse_https(settings: &Settings) -> Result<(), SettingsError> {
    for key in ["TLS_CERT", "TLS_KEY", "HTTP_REDIRECT_ADDRESS"] {
        if settings
            .get::<String>(key)?
            .is_some_and(|value| !value.is_empty())
        {
            let right =
                "takes the feature `tls` of duck-core: `cargo add duck-core --features tls`";
            return Err(settings.error(key, right));
        }
    }
    settings.get::<u16>("HTTP_REDIRECT_PORT")?;
    Ok(())
}

/// The system has no room for longer paths of sockets: unix(7).
const LONGEST_PATH: usize = 107;

fn check_path(settings: &Settings, path: &Path) -> Result<(), SettingsError> {
    if path.file_name().is_none() {
        let right = "takes the path of a socket behind `unix:`, \"unix:/run/mysite.sock\"";
        return Err(settings.error("ADDRESS", right));
    }
    if settings.resolve(path).as_os_str().len() > LONGEST_PATH {
        let right = format_args!(
            "the path of a Unix socket has {LONGEST_PATH} bytes at most; choose a shorter one"
        );
        return Err(settings.error("ADDRESS", right));
    }
    Ok(())
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
    fn a_path_that_can_be_no_socket_and_a_mode_that_is_none_are_refused_by_key_and_line() {
        let long = format!("ADDRESS = 'unix:/{}'", "a".repeat(107));
        for (wrong, right) in [
            ("ADDRESS = 'unix:'", "line 1: ADDRESS: takes the path"),
            ("ADDRESS = 'unix:/'", "line 1: ADDRESS: takes the path"),
            (&long, "line 1: ADDRESS: the path of a Unix socket has 107"),
            ("UNIX_SOCKET_MODE = 'rw'", "line 1: UNIX_SOCKET_MODE: takes"),
            (
                "UNIX_SOCKET_MODE = '1777'",
                "line 1: UNIX_SOCKET_MODE: takes",
            ),
            ("UNIX_SOCKET_MODE = '-7'", "line 1: UNIX_SOCKET_MODE: takes"),
        ] {
            let error = Serving::from_settings(&Settings::from_toml(wrong).unwrap());
            let error = error.err().unwrap().to_string();
            assert!(error.contains(right), "{wrong}: {error}");
        }
        let right = "ADDRESS = 'unix:/run/a.sock'\nUNIX_SOCKET_MODE = '600'";
        let settings = Settings::from_toml(right).unwrap();
        let serving = Serving::from_settings(&settings).unwrap();
        assert_eq!(serving.mode(&settings).unwrap(), 0o600);
    }

    #[test]
    fn a_server_without_workers_is_refused() {
        let error = Serving::from_settings(&Settings::from_toml("WORKERS = 0").unwrap());
        assert!(error.err().unwrap().to_string().contains("line 1: WORKERS"));
    }
}
