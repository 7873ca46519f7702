//! The command `ssl-gen`: a certificate for HTTPS while a site is developed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use crate::app::https;
use crate::error::{Error, Result};
use crate::http::authority::is_name;
use crate::server::tls::Files;
use crate::settings::Settings;

/// Where the two are put if the settings name no files.
const CERTIFICATE: &str = ".duck/cert.pem";
const KEY: &str = ".duck/key.pem";

/// For whom it is if nobody else is named.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Browsers take none that is good for much longer than a year.
const LIFE: Duration = DAY.saturating_mul(365);

/// Makes a certificate with its key for these names, and says where they are. It is signed by itself, so browsers
/// ask before they take it.
pub(crate) fn run(settings: &Settings, names: Vec<String>, force: bool) -> Result<String> {
    let set = https::files(settings)?;
    let is_set = set.is_some();
    let files = set.unwrap_or_else(|| Files {
        certificate: settings.resolve(CERTIFICATE),
        key: settings.resolve(KEY),
    });
    let names = if names.is_empty() {
        HERE.map(str::to_owned).to_vec()
    } else {
        names
    };
    if let Some(wrong) = names.iter().find(|name| !can_be_certified(name)) {
        return Err(Error::internal(format!(
            "{wrong:?} is no host: write \"example.org\", \"*.example.org\", \"127.0.0.1\" or \"::1\""
        )));
    }
    if let Some(there) = [&files.certificate, &files.key]
        .into_iter()
        .find(|file| !force && file.symlink_metadata().is_ok())
    {
        let there = there.display();
        return Err(Error::internal(format!(
            "{there} is there already, and was left as it is: with `--force` it is replaced"
        )));
    }
    let ends = SystemTime::now() + LIFE;
    let (certificate, key) = make(&names, ends)
        .map_err(|error| Error::internal(format!("cannot make a certificate: {error}")))?;
    write(&files.key, key.as_bytes(), 0o600)?;
    write(&files.certificate, certificate.as_bytes(), 0o644)?;
    Ok(told(&files, &names, ends, is_set))
}

fn can_be_certified(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || is_name(name.strip_prefix("*.").unwrap_or(name))
}

/// A certificate and its key (ECDSA, P-256), in PEM.
fn make(names: &[String], ends: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    // Clocks of other machines may be a little late.
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = ends.into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "made by `ssl-gen`");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner could read before it was whole.
fn write(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let cannot = |error| Error::internal(format!("cannot write {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // One that an earlier try left. Its mode would stay.
    let _ = fs::remove_file(beside);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(beside);
    let written = file.and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(beside, path))
        .map_err(cannot)
}

fn told(files: &Files, names: &[String], ends: SystemTime, is_set: bool) -> String {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let mut text = format!(
        "Made {certificate} and {key} for {}, until {}.\n",
        names.join(", "),
        httpdate::fmt_http_date(ends)
    );
    if !is_set {
        text += &format!(
            "To serve HTTPS with them, set TLS_CERT = \"{CERTIFICATE}\" and TLS_KEY = \"{KEY}\", or use `duck run --https`.\n"
        );
    }
    text
}
