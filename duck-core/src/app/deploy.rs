//! What is wrong with a site on the internet that is no mistake elsewhere: `check --deploy`.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::app::serving::Serving;
use crate::app::site::Site;
use crate::http::authority::{Authority, ipv6};
use crate::middleware::security_headers;
use crate::settings::Settings;

/// As few different bytes have keys that somebody typed. A random one has 15 or more.
const FEW_BYTES: usize = 9;

/// Bytes of a body, from which on a few visitors at once fill the memory of a small machine.
const LARGE_BODY: u64 = 100 * 1024 * 1024;

/// How far a clock may be behind the time at which the program was made.
const CLOCK_SLACK: Duration = Duration::from_hours(1);

/// What a site of visitors from everywhere should not be.
pub(crate) fn findings(site: &Site) -> Vec<String> {
    let settings = site.settings();
    let mut findings = Vec::new();
    if site.0.context.debug {
        let text = "is on; a site on the internet sets it to false";
        findings.push(settings.error("DEBUG", text).to_string());
    }
    let context = &site.0.context;
    findings.extend(context.hosts.warning(settings));
    if context.hosts.takes_every_host() {
        let text = "has \"*\", so whatever a client writes into `Host` is believed: name the hosts that this site is reached at";
        findings.push(settings.error("ALLOWED_HOSTS", text).to_string());
    }
    findings.extend(unreachable_hosts(site));
    // A site that speaks HTTPS itself knows who came by it.
    let is_https = settings
        .get::<String>("TLS_CERT")
        .is_ok_and(|file| file.is_some());
    if context.proxies.are_none() && !is_https {
        let text = "is empty, so nobody's word is taken that a visitor came by HTTPS: cookies travel without `Secure`, \
                    and every visitor has the proxy's address. Name the proxy that HTTPS ends at, such as [\"127.0.0.1\"]";
        findings.push(settings.error("TRUSTED_PROXIES", text).to_string());
    }
    findings.extend(security_headers::deploy_findings(settings));
    findings.extend(proxies_that_fit_nothing(site));
    findings.extend(context.cross_site.plain_origins().map(|origin| {
        let text = format!("{origin:?} is not encrypted: whoever is between a visitor and it can write its pages; https://…");
        settings.error("CSRF_TRUSTED_ORIGINS", text).to_string()
    }));
    if context.limits.max_body_bytes > LARGE_BODY {
        let text = "is what every view may be sent, and most hold it in memory: give the views that take so much `.max_body(…)`";
        findings.push(settings.error("MAX_BODY_BYTES", text).to_string());
    }
    findings.extend(keys_in_the_file(settings));
    findings.extend(weak_keys(settings));
    findings.extend(readable_files(settings));
    findings.extend(open_places(settings));
    findings.extend(late_clock(SystemTime::now(), made()));
    findings.extend(site.0.hooks.deploy_findings.iter().cloned());
    findings
}

/// What is no fault of the site, but good to know of the program that was asked. It may run elsewhere, or as another user.
pub(crate) fn notes() -> Vec<String> {
    let is_root = rustix::process::geteuid().is_root();
    let root = "this program runs as root: a mistake in it is one in the whole machine; run the site as a user of its own";
    let debug = "this program was built for development, and is slow: `cargo build --release`";
    [(is_root, root), (cfg!(debug_assertions), debug)]
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, note)| note.to_owned())
        .collect()
}

/// Hosts of URL patterns that `ALLOWED_HOSTS` does not let in.
fn unreachable_hosts(site: &Site) -> Vec<String> {
    let mut hosts: Vec<_> = site.routes().iter().map(|route| &*route.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.retain(|host| !host.is_empty());
    let example = |host: &str| {
        let labels = host
            .split('.')
            .map(|label| if label.starts_with('<') { "x" } else { label });
        labels.collect::<Vec<_>>().join(".")
    };
    hosts.retain(|host| !site.0.context.hosts.lets_in(&example(host)));
    let finding = |host| {
        let text =
            format!("does not name {host:?}, which URL patterns are for: nobody comes to them");
        site.settings().error("ALLOWED_HOSTS", text).to_string()
    };
    hosts.into_iter().map(finding).collect()
}

/// Proxies that are everybody, and proxies on this machine of a site that other machines reach.
fn proxies_that_fit_nothing(site: &Site) -> Vec<String> {
    let (settings, proxies) = (site.settings(), &site.0.context.proxies);
    let mut findings = Vec::new();
    for network in proxies.wide_networks() {
        let text = format!(
            "{network} is wider than any private network: who is in it may say what address they have, and that they came by \
             HTTPS. Name the proxies, such as [\"127.0.0.1\"]"
        );
        findings.push(settings.error("TRUSTED_PROXIES", text).to_string());
    }
    let address = Serving::from_settings(settings).map(|serving| serving.address);
    if address.is_ok_and(|address| !is_of_this_machine(&address)) && proxies.are_of_this_machine() {
        let text = "is reached by other machines, but TRUSTED_PROXIES names this one only: either visitors can go around the \
                    proxy and come without HTTPS, or the proxy is another one. Listen at 127.0.0.1, or name that proxy";
        findings.push(settings.error("ADDRESS", text).to_string());
    }
    findings
}

fn is_of_this_machine(address: &str) -> bool {
    // What has no port is no socket of a network.
    Authority::parse(address).is_none_or(|Authority { host, .. }| {
        let address = ipv6(host).map(IpAddr::V6).or_else(|| host.parse().ok());
        host == "localhost" || address.is_some_and(|address| address.is_loopback())
    })
}

/// Keys in the settings file: it goes into the repository, and into images.
fn keys_in_the_file(settings: &Settings) -> Vec<String> {
    let keys = ["SECRET_KEY", "SECRET_KEY_FALLBACKS"].into_iter();
    let text = "stands in a file that goes into the repository and into images; set it in the environment or in `.env`";
    keys.filter(|key| settings.is_in_settings_file(key))
        .map(|key| settings.error(key, text).to_string())
        .collect()
}

/// Files and folders that are nobody else's business, and that every user of the machine can read.
fn open_places(settings: &Settings) -> Vec<String> {
    let places = settings.private_places().into_iter();
    places
        .filter(|(_, place)| is_open_to_all(place))
        .map(|(key, place)| {
            let place = place.display();
            let text =
                format!("every user of this machine can read {place}: `chmod -R o= {place}`");
            settings.error(key, text).to_string()
        })
        .collect()
}

/// Whether everybody may read it, and comes to where it is. It is not yet there where a site has never run.
fn is_open_to_all(place: &Path) -> bool {
    let may = |path: &Path, right| fs::metadata(path).is_ok_and(|path| path.mode() & right != 0);
    may(place, 0o004) && place.ancestors().skip(1).all(|folder| may(folder, 0o001))
}

/// A clock behind the time at which the program was made: certificates, cookies and sessions end at the wrong time.
fn late_clock(now: SystemTime, made: Option<SystemTime>) -> Option<String> {
    let behind = made?.duration_since(now).ok()?;
    (behind > CLOCK_SLACK).then(|| {
        let hours = behind.as_secs() / 3600;
        format!("the clock of this machine is {hours} hours behind the time at which the program was made: cookies and sessions end at the wrong time")
    })
}

/// When the file of this program was written.
fn made() -> Option<SystemTime> {
    fs::metadata(std::env::current_exe().ok()?)
        .ok()?
        .modified()
        .ok()
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

/// Files with a key or a password in them that every user of the machine can read.
fn readable_files(settings: &Settings) -> Vec<String> {
    let files = settings.files().into_iter();
    files
        .filter(|file| holds_key(file) && fs::metadata(file).is_ok_and(|file| file.mode() & 0o004 != 0))
        .map(|file| {
            let file = file.display();
            format!("{file} holds a key or a password, and every user of this machine can read it: `chmod o= {file}`")
        })
        .collect()
}

fn holds_key(file: &Path) -> bool {
    let is_key = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let line = line.strip_prefix("DUCK_").unwrap_or(line);
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        key.starts_with("SECRET_KEY") || key.trim_end().ends_with("_URL") && has_password(value)
    };
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(is_key))
}

/// Whether a URL has a password in it: RFC 3986, 3.2.1.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':')
        .is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::app::App;
    use crate::app::setup::{Purpose, Setup};
    use crate::routing::urls::{host, path};
    use crate::settings::SecretKey;

    const GOOD: &str = "ALLOWED_HOSTS = ['example.org']\nTRUSTED_PROXIES = ['127.0.0.1']\n";

    async fn found(app: App) -> Vec<String> {
        findings(&app.start_for(Purpose::Command).await.unwrap())
    }

    fn app(settings: &str) -> App {
        App::new(Settings::from_toml(settings).unwrap())
    }

    #[tokio::test]
    async fn a_good_site_is_clean_and_each_setting_is_found_when_it_is_unsafe() {
        for good in [
            GOOD,
            "ALLOWED_HOSTS = ['.example.org', '[::1]']\nTRUSTED_PROXIES = ['10.0.0.0/8', 'fc00::/7', '2001:db8::/32']\nADDRESS = '0.0.0.0:80'",
            "ALLOWED_HOSTS = ['example.org']\nTRUSTED_PROXIES = ['::1', '127.0.0.0/8']\nADDRESS = '[::1]:80'",
            "ALLOWED_HOSTS = ['example.org']\nTRUSTED_PROXIES = ['::1']\nADDRESS = 'localhost:80'\nCSRF_TRUSTED_ORIGINS = ['https://a.example']",
        ] {
            assert_eq!(found(app(good)).await, Vec::<String>::new(), "{good}");
        }
        for (key, value, says) in [
            ("DEBUG", "true", "DEBUG: is on"),
            ("ALLOWED_HOSTS", "[]", "ALLOWED_HOSTS: is empty"),
            (
                "ALLOWED_HOSTS",
                "['example.org', '*']",
                "ALLOWED_HOSTS: has \"*\"",
            ),
            ("TRUSTED_PROXIES", "[]", "TRUSTED_PROXIES: is empty"),
            ("TRUSTED_PROXIES", "['0.0.0.0/0']", "0.0.0.0/0 is wider"),
            ("TRUSTED_PROXIES", "['10.0.0.1', '::/0']", "::/0 is wider"),
            ("TRUSTED_PROXIES", "['::ffff:0:0/96']", "0.0.0.0/0 is wider"),
            ("TRUSTED_PROXIES", "['96.0.0.0/4']", "96.0.0.0/4 is wider"),
            (
                "ADDRESS",
                "'0.0.0.0:80'",
                "ADDRESS: is reached by other machines",
            ),
            (
                "ADDRESS",
                "'[::]:80'",
                "ADDRESS: is reached by other machines",
            ),
            (
                "ADDRESS",
                "'192.0.2.1:80'",
                "ADDRESS: is reached by other machines",
            ),
            (
                "CSRF_TRUSTED_ORIGINS",
                "['http://a.example']",
                "\"http://a.example\" is not encrypted",
            ),
            (
                "CSRF_TRUSTED_ORIGINS",
                "['http://*.a.example:81']",
                "\"http://*.a.example:81\" is not",
            ),
            (
                "MAX_BODY_BYTES",
                "1_000_000_000",
                "MAX_BODY_BYTES: is what every view",
            ),
        ] {
            let lines = GOOD.lines().filter(|line| !line.starts_with(key));
            let text = lines.fold(format!("{key} = {value}"), |text, line| {
                format!("{text}\n{line}")
            });
            let found = found(app(&text)).await;
            assert!(
                found.len() == 1 && found[0].contains(says),
                "{text}: {found:?}"
            );
            assert!(
                found[0].contains(key) && found[0].contains("line 1"),
                "{found:?}"
            );
        }
    }

    #[tokio::test]
    async fn hosts_of_url_patterns_that_nobody_may_name_are_found() {
        async fn home(_request: crate::Request) -> &'static str {
            "home"
        }
        let app = |hosts: &str| {
            let settings = format!("TRUSTED_PROXIES = ['127.0.0.1']\nALLOWED_HOSTS = {hosts}");
            app(&settings)
                .urls(host("<tenant>.example.org", [path("/", home)]))
                .urls(host("api.example.org", [path("/", home), path("/x", home)]))
        };
        assert_eq!(found(app("['.example.org']")).await, Vec::<String>::new());
        let one = found(app("['example.org', 'api.example.org']")).await;
        assert!(
            one.len() == 1 && one[0].contains("\"<tenant>.example.org\""),
            "{one:?}"
        );
        assert_eq!(found(app("['example.org']")).await.len(), 2);
    }

    #[tokio::test]
    async fn a_key_in_the_settings_file_is_found_and_in_env_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        let key = SecretKey::generate().unwrap();
        let found = async |toml: String, env: String| {
            std::fs::write(&file, GOOD.to_owned() + &toml).unwrap();
            std::fs::write(folder.path().join(".env"), env).unwrap();
            for name in ["settings.toml", ".env"] {
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(folder.path().join(name), mode).unwrap();
            }
            found(App::new(Settings::load(&file).unwrap())).await
        };
        let in_env = found(String::new(), format!("DUCK_SECRET_KEY={key}")).await;
        assert_eq!(in_env, Vec::<String>::new());
        for toml in [
            format!("SECRET_KEY = '{key}'"),
            format!("SECRET_KEY_FALLBACKS = ['{key}']"),
        ] {
            let found = found(toml, String::new()).await;
            assert!(found.len() == 1 && found[0].contains("line 3"), "{found:?}");
            assert!(found[0].contains("goes into the repository"), "{found:?}");
            assert!(!found[0].contains(&*key), "{found:?}");
        }
    }

    #[tokio::test]
    async fn a_folder_of_secrets_that_every_user_can_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let found = async || {
            let place = secrets.clone();
            let keep = async move |setup: &mut Setup<'_>| {
                Ok(setup.settings().keep_private("PLACE", place)?)
            };
            found(app(GOOD).with(keep)).await
        };
        open(folder.path(), 0o755);
        open(&secrets, 0o750);
        assert_eq!(found().await, Vec::<String>::new());
        open(&secrets, 0o754);
        let open_one = found().await;
        assert!(
            open_one.len() == 1 && open_one[0].contains("PLACE"),
            "{open_one:?}"
        );
        // Nobody else comes to it.
        open(folder.path(), 0o700);
        assert_eq!(found().await, Vec::<String>::new());
    }

    #[test]
    fn a_clock_behind_the_program_is_found() {
        let made = SystemTime::now();
        assert_eq!(late_clock(made, Some(made)), None);
        assert_eq!(late_clock(made - Duration::from_mins(30), Some(made)), None);
        assert_eq!(
            late_clock(made + Duration::from_hours(9000), Some(made)),
            None
        );
        assert_eq!(late_clock(made, None), None);
        let late = late_clock(made - Duration::from_hours(30), Some(made)).unwrap();
        assert!(late.contains("30 hours behind"), "{late}");
    }

    #[test]
    fn a_file_with_a_password_in_it_holds_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        for (text, holds) in [
            ("SECRET_KEY = 'x'", true),
            ("export DUCK_SECRET_KEY=x", true),
            ("DATABASE_URL = 'postgres://me:hush@db/site'", true),
            ("DUCK_SESSION_REDIS_URL=redis://:hush@cache:6379/0", true),
            ("DATABASE_URL = 'postgres://me@db/site'", false),
            ("DATABASE_URL = 'sqlite:site.db'", false),
            ("STATIC_URL = 'https://cdn.example:8443/@me'", false),
            ("# SECRET_KEY", false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(holds_key(&file), holds, "{text}");
        }
    }

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
