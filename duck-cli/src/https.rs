//! HTTPS while a site is developed: `duck run --https`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context, Failure, Result};
use crate::settings::Settings;
use crate::site::Site;

/// A certificate is good for a year. One as old as this is replaced.
const OLD: Duration = Duration::from_secs(300 * 24 * 60 * 60);

/// Whether the site speaks HTTPS, and with whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Https {
    Off,
    OfSettings,
    /// With one that is made for it, and kept in `.duck/`.
    Own,
}

impl Https {
    pub(crate) fn of(settings: &Settings, is_asked_for: bool) -> Self {
        if settings.text("TLS_CERT").is_some() {
            Self::OfSettings
        } else if is_asked_for {
            Self::Own
        } else {
            Self::Off
        }
    }

    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Off => "http",
            Self::OfSettings | Self::Own => "https",
        }
    }

    /// What the site gets besides its own settings.
    pub(crate) fn environment(self, site: &Site) -> Vec<(&'static str, OsString)> {
        let mut environment = Vec::new();
        if self == Self::Own {
            let [certificate, key] = files(site);
            environment.push(("DUCK_TLS_CERT", certificate.into()));
            environment.push(("DUCK_TLS_KEY", key.into()));
        }
        if self != Self::Off {
            // One build of the site takes over from another. Only the socket that is ours can be shared by both.
            environment.push(("DUCK_HTTP_REDIRECT_ADDRESS", OsString::new()));
        }
        environment
    }

    /// Has the site make a certificate of its own if it needs one.
    pub(crate) fn prepare(self, site: &Site, binary: &Path) -> Result {
        if self != Self::Own || files(site).iter().all(|file| is_fresh(file)) {
            return Ok(());
        }
        let made = Command::new(binary)
            .args(["ssl-gen", "--force"])
            .current_dir(&site.root)
            .envs(self.environment(site))
            .stdin(Stdio::null())
            .output()
            .context(|| format!("cannot run {}", binary.display()))?;
        if made.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&made.stderr);
        Err(Failure::new(
            if said.contains("there is no command") || said.contains("feature `tls`") {
                "this site is built without HTTPS; turn it on with `cargo add duck-core --features tls`".to_owned()
            } else {
                format!("cannot make a certificate: {}", said.trim())
            },
        ))
    }
}

fn files(site: &Site) -> [PathBuf; 2] {
    [".duck/cert.pem", ".duck/key.pem"].map(|file| site.root.join(file))
}

fn is_fresh(file: &Path) -> bool {
    let made = fs::metadata(file).and_then(|file| file.modified());
    // A file from the future is one whose age nobody knows.
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < OLD))
}
