//! The settings of HTTPS: whose certificate, and who is sent to it.

use crate::http::authority::is_address;
use std::path::PathBuf;

use crate::server::tls::{Certificate, CertificateError, Files};
use crate::settings::{Settings, SettingsError};

const CERTIFICATE: &str = "TLS_CERT";
const KEY: &str = "TLS_KEY";
pub(crate) const REDIRECT: &str = "HTTP_REDIRECT_ADDRESS";
const PORT: &str = "HTTP_REDIRECT_PORT";

/// A site that speaks HTTPS itself.
pub(crate) struct Https {
    pub(crate) files: Files,
    /// Where visitors who come without encryption are sent on.
    pub(crate) redirect: Option<String>,
    /// The port to which they are sent; unset, the one that the site listens at.
    pub(crate) port: Option<u16>,
}

impl Https {
    /// `None` for a site whose HTTPS is another program's affair. The files are not read here: a command such as
    /// `ssl-gen` runs before they are there.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Option<Self>, SettingsError> {
        let files = files(settings)?;
        let redirect: Option<String> = settings.get(REDIRECT)?;
        let redirect = redirect.filter(|address| !address.is_empty());
        let port = settings.get(PORT)?;
        let Some(files) = files else {
            let key = redirect.map(|_| REDIRECT).or(port.map(|_: u16| PORT));
            return match key {
                Some(key) => {
                    Err(settings.error(key, "takes TLS_CERT and TLS_KEY: it leads to HTTPS"))
                }
                None => Ok(None),
            };
        };
        if port == Some(0) {
            return Err(settings.error(PORT, "takes the port that browsers use, such as 443"));
        }
        if let Some(address) = &redirect {
            if !is_address(address) {
                let right =
                    "takes a host and a port, such as \"0.0.0.0:80\"; leave it out to have none";
                return Err(settings.error(REDIRECT, right));
            }
            check_hosts(settings)?;
        }
        Ok(Some(Self {
            files,
            redirect,
            port,
        }))
    }

    pub(crate) fn certificate(&self, settings: &Settings) -> Result<Certificate, SettingsError> {
        Certificate::from_files(self.files.clone()).map_err(|error| named(settings, &error))
    }
}

/// A site that sends visitors on names its hosts.
pub(crate) fn check_hosts(settings: &Settings) -> Result<(), SettingsError> {
    let hosts: Option<Vec<String>> = settings.get("ALLOWED_HOSTS")?;
    if hosts.is_none_or(|hosts| hosts.is_empty()) && !settings.is_debug() {
        let right = "takes ALLOWED_HOSTS: nobody is sent to a host that is not the site's";
        return Err(settings.error(REDIRECT, right));
    }
    Ok(())
}

/// Where the certificate and its key are, if the site has them.
pub(crate) fn files(settings: &Settings) -> Result<Option<Files>, SettingsError> {
    let path = |key| {
        Ok(settings
            .get::<PathBuf>(key)?
            .map(|path| settings.resolve(path)))
    };
    match (path(CERTIFICATE)?, path(KEY)?) {
        (Some(certificate), Some(key)) => Ok(Some(Files { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(settings.error(
            CERTIFICATE,
            "takes TLS_KEY besides: the file of the certificate's key",
        )),
        (None, Some(_)) => {
            Err(settings.error(KEY, "takes TLS_CERT besides: the file of the certificate"))
        }
    }
}

/// What is wrong with the files, for `check`; with `deploy`, also what is wrong on the internet.
#[cfg(feature = "cli")]
pub(crate) fn findings(settings: &Settings, deploy: bool) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;

    // The site has started: they are both set, or neither is.
    let Ok(Some(files)) = files(settings) else {
        return Vec::new();
    };
    let pair = match files.read() {
        Ok(pair) => pair,
        Err(error) => return vec![named(settings, &error).to_string()],
    };
    if !deploy {
        return Vec::new();
    }
    let ends = pair.ends_soon().map(|text| {
        let text = format_args!("{} {text}", files.certificate.display());
        settings.error(CERTIFICATE, text).to_string()
    });
    let is_open = files
        .key
        .metadata()
        .is_ok_and(|file| file.mode() & 0o004 != 0);
    let open = is_open.then(|| {
        let file = files.key.display();
        let text = format_args!(
            "{file} is the site's key, and every user of this machine can read it: `chmod o= {file}`"
        );
        settings.error(KEY, text).to_string()
    });
    ends.into_iter().chain(open).collect()
}

fn named(settings: &Settings, error: &CertificateError) -> SettingsError {
    let key = if error.is_about_key() {
        KEY
    } else {
        CERTIFICATE
    };
    settings.error(key, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_it_is_refused_by_key_and_line() {
        for (wrong, right) in [
            ("TLS_CERT = 'c'", "line 1: TLS_CERT: takes TLS_KEY besides"),
            ("\nTLS_KEY = 'k'", "line 2: TLS_KEY: takes TLS_CERT besides"),
            (
                "HTTP_REDIRECT_ADDRESS = '127.0.0.1:80'",
                "line 1: HTTP_REDIRECT_ADDRESS: takes TLS_CERT and TLS_KEY",
            ),
            (
                "HTTP_REDIRECT_PORT = 443",
                "line 1: HTTP_REDIRECT_PORT: takes TLS_CERT and TLS_KEY",
            ),
            (
                "TLS_CERT = 'c'\nTLS_KEY = 'k'\nHTTP_REDIRECT_ADDRESS = '0.0.0.0:80'",
                "line 3: HTTP_REDIRECT_ADDRESS: takes ALLOWED_HOSTS",
            ),
            (
                "TLS_CERT = 'c'\nTLS_KEY = 'k'\nHTTP_REDIRECT_ADDRESS = 'http://a:80'",
                "line 3: HTTP_REDIRECT_ADDRESS: takes a host and a port",
            ),
            (
                "TLS_CERT = 'c'\nTLS_KEY = 'k'\nHTTP_REDIRECT_PORT = 0",
                "line 3: HTTP_REDIRECT_PORT: takes the port",
            ),
        ] {
            let settings = Settings::from_toml(wrong).unwrap();
            let error = Https::from_settings(&settings);
            let error = error.err().unwrap().to_string();
            assert!(error.contains(right), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_empty_redirect_address_is_none() {
        let text = "TLS_CERT = 'c'\nTLS_KEY = 'k'\nHTTP_REDIRECT_ADDRESS = ''";
        let settings = Settings::from_toml(text).unwrap();
        let https = Https::from_settings(&settings).unwrap().unwrap();
        assert_eq!(https.redirect, None);
    }
}
