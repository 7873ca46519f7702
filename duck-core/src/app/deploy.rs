//! What is wrong with a site on the internet that is no mistake elsewhere: `check --deploy`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::app::site::Site;
use crate::middleware::security_headers;
use crate::settings::Settings;

/// As few different bytes have keys that somebody typed. A random one has 15 or more.
const FEW_BYTES: usize = 9;

/// What a site of visitors from everywhere should not be.
pub(crate) fn findings(site: &Site) -> Vec<String> {
    let settings = site.settings();
    let mut findings = Vec::new();
    if site.0.context.debug {
        let text = "is on; a site on the internet sets it to false";
        findings.push(settings.error("DEBUG", text).to_string());
    }
    findings.extend(site.0.context.hosts.warning(settings));
    if site.0.context.proxies.are_none() {
        let text = "is empty, so nobody's word is taken that a visitor came by HTTPS: cookies travel without `Secure`, \
                    and every visitor has the proxy's address. Name the proxy that HTTPS ends at, such as [\"127.0.0.1\"]";
        findings.push(settings.error("TRUSTED_PROXIES", text).to_string());
    }
    findings.extend(security_headers::deploy_findings(settings));
    findings.extend(weak_keys(settings));
    findings.extend(readable_files(settings));
    findings.extend(site.0.hooks.deploy_findings.iter().cloned());
    findings
}

/// Keys that can be guessed. A site without sessions needs none.
fn weak_keys(settings: &Settings) -> Vec<String> {
    let key: Option<String> = settings.get("SECRET_KEY").ok().flatten();
    let older: Option<Vec<String>> = settings.get("SECRET_KEY_FALLBACKS").ok().flatten();
    let older = older.into_iter().flatten();
    let keys = key.into_iter().map(|key| ("SECRET_KEY", key));
    keys.chain(older.map(|key| ("SECRET_KEY_FALLBACKS", key)))
        .filter(|(_, key)| is_weak(key.as_bytes()))
        .map(|(name, _)| {
            let text = "can be guessed: it has few different characters, or repeats itself; `duck secret` prints a good one";
            settings.error(name, text).to_string()
        })
        .collect()
}

fn is_weak(key: &[u8]) -> bool {
    let mut different = key.to_vec();
    different.sort_unstable();
    different.dedup();
    let repeats = |period: usize| key.iter().zip(&key[period..]).all(|(a, b)| a == b);
    !key.is_empty() && (different.len() <= FEW_BYTES || (1..=key.len() / 2).any(repeats))
}

/// Files with a key in them that every user of the machine can read.
fn readable_files(settings: &Settings) -> Vec<String> {
    let files = settings.files().into_iter();
    files
        .filter(|file| holds_key(file) && fs::metadata(file).is_ok_and(|file| file.mode() & 0o004 != 0))
        .map(|file| {
            let file = file.display();
            format!("{file} holds a SECRET_KEY, and every user of this machine can read it: `chmod o= {file}`")
        })
        .collect()
}

fn holds_key(file: &Path) -> bool {
    let is_key = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix("DUCK_")
            .unwrap_or(line)
            .starts_with("SECRET_KEY")
    };
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(is_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SecretKey;

    #[test]
    fn a_key_that_somebody_typed_is_weak_and_one_of_the_systems_is_not() {
        for weak in [
            "a".repeat(36),
            "ab".repeat(20),
            "12345678901234567890123456789012".to_owned(),
            "a secret key!a secret key!a secret key!".to_owned(),
            "0".repeat(100),
        ] {
            assert!(is_weak(weak.as_bytes()), "{weak}");
        }
        for _ in 0..1000 {
            assert!(!is_weak(SecretKey::generate().unwrap().as_bytes()));
        }
        assert!(!is_weak(
            b"d1e8a70b5ccab1dc2f56bbf7e99f064a660c08e361a35751b9c483c88943d082"
        ));
        assert!(!is_weak(b""));
    }
}
