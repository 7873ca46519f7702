//! `SESSION_DATABASE_URL`, as far as tokio-postgres does not read it itself.

use std::time::Duration;

use deadpool_postgres::tokio_postgres::Config;
use deadpool_postgres::tokio_postgres::config::{Host, SslMode};
use percent_encoding::percent_decode_str;

use super::tls::Check;

/// A server of PostgreSQL, and how it is spoken to.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) check: Check,
}

/// What is told of a URL that cannot be read. Nothing of the URL itself: a password is in it.
pub(super) const UNREADABLE: &str = "is no URL of PostgreSQL: it takes \"postgres://user:password@host/database\", with @ : / ? # and % in a password written as %40 %3A %2F %3F %23 and %25";

/// When a connection that is not used is asked whether the other side is still there; two hours, unless it is said.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_UNSAID: Duration = Duration::from_hours(2);

/// How long sent bytes may wait to be confirmed, so that a machine that is gone does not keep a connection for ever.
const UNCONFIRMED: Duration = Duration::from_secs(30);

impl Address {
    /// Reads a URL. The error says what would be right.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(UNREADABLE.to_owned());
        }
        // The user and the password end at the first `@`, as tokio-postgres has it.
        let after_user = url.find('@').unwrap_or_default();
        let query = url[after_user..].find('?').map(|at| after_user + at);
        let (server, query) = match query {
            Some(at) => (&url[..at], &url[at + 1..]),
            None => (url, ""),
        };
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(decoded(value)?),
                _ => others.push(pair),
            }
        }
        let (ssl_mode, check) = tls(mode, roots)?;
        let rest = format!("{server}?{}", others.join("&"));
        let mut config: Config = rest.parse().map_err(|error| unreadable(&error))?;
        config.ssl_mode(ssl_mode);
        // What goes over a Unix socket never leaves the machine.
        let hosts = config.get_hosts();
        let is_unix = |host: &Host| matches!(host, Host::Unix(_));
        if !hosts.is_empty() && config.get_hostaddrs().is_empty() && hosts.iter().all(is_unix) {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_keepalives_idle() == IDLE_UNSAID {
            config.keepalives_idle(IDLE);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNCONFIRMED);
        }
        if config.get_application_name().is_none() {
            config.application_name("duck-session");
        }
        Ok(Self { config, check })
    }
}

/// What `sslmode` and `sslrootcert` ask for. The names are those of PostgreSQL's own library; `require` checks the
/// certificate here too, which there it does only with a `sslrootcert`.
fn tls(mode: Option<&str>, roots: Option<String>) -> Result<(SslMode, Check), String> {
    if roots.is_some() && matches!(mode, Some("disable" | "allow" | "prefer")) {
        return Err(
            "has an sslrootcert that nothing is checked with: sslmode=verify-full".to_owned(),
        );
    }
    let mode = mode.or(roots.is_some().then_some("verify-full"));
    let checked = roots.map_or(Check::SystemRoots, |file| match &*file {
        "system" => Check::SystemRoots,
        _ => Check::RootsOf(file.into()),
    });
    match mode {
        Some("disable") => Ok((SslMode::Disable, Check::Nothing)),
        None | Some("allow" | "prefer") => Ok((SslMode::Prefer, Check::Nothing)),
        Some("require" | "verify-ca" | "verify-full") => Ok((SslMode::Require, checked)),
        Some(_) => Err(
            "has an sslmode that is none: \"disable\", \"prefer\" (TLS where the server has it, whoever the server is) or \"verify-full\" (TLS, and the server proves who it is)"
                .to_owned(),
        ),
    }
}

fn decoded(value: &str) -> Result<String, String> {
    let text = percent_decode_str(value).decode_utf8();
    Ok(text.map_err(|_| UNREADABLE)?.into_owned())
}

/// Of what tokio-postgres says, only what names one of its own options: another name may be a piece of a password.
fn unreadable(error: &deadpool_postgres::tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match cause.filter(|cause| cause.starts_with("invalid value for option")) {
        Some(cause) => format!("{UNREADABLE}; {cause}"),
        None => UNREADABLE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> (SslMode, Check) {
        let address = Address::parse(url).unwrap();
        (address.config.get_ssl_mode(), address.check)
    }

    #[test]
    fn sslmode_says_whether_the_server_is_checked() {
        use Check::{Nothing, RootsOf, SystemRoots};
        for (query, expected) in [
            ("", (SslMode::Prefer, Nothing)),
            ("?sslmode=disable", (SslMode::Disable, Nothing)),
            ("?sslmode=prefer", (SslMode::Prefer, Nothing)),
            ("?sslmode=require", (SslMode::Require, SystemRoots)),
            ("?sslmode=verify-full", (SslMode::Require, SystemRoots)),
            (
                "?sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-ca",
                (SslMode::Require, RootsOf("/etc/ca.pem".into())),
            ),
            (
                "?sslrootcert=/etc/ca.pem",
                (SslMode::Require, RootsOf("/etc/ca.pem".into())),
            ),
            (
                "?sslmode=require&sslrootcert=system&connect_timeout=3",
                (SslMode::Require, SystemRoots),
            ),
        ] {
            assert_eq!(
                mode(&format!("postgres://me:pw@db.example/site{query}")),
                expected,
                "{query}"
            );
        }
        let (mode, _) = mode("postgres://me@/site?host=/run/postgresql&sslmode=require");
        assert_eq!(mode, SslMode::Disable, "over a Unix socket");
        for address in ["?hostaddr=10.0.0.5", "?host=/run/x&hostaddr=10.0.0.5"] {
            let url = format!("postgres:///site{address}&sslmode=verify-full");
            let config = Address::parse(&url).unwrap().config;
            assert_eq!(config.get_ssl_mode(), SslMode::Require, "{address}");
        }
        for mode in ["disable", "prefer"] {
            let url = format!("postgres://db/site?sslrootcert=/etc/ca.pem&sslmode={mode}");
            assert!(Address::parse(&url).is_err(), "nothing would be checked");
        }
    }

    #[test]
    fn the_rest_of_a_url_is_read_as_tokio_postgres_reads_it() {
        let url = "postgresql://me:p%40ss@one.example:1,two.example:2/site?target_session_attrs=read-write&keepalives_idle=7&application_name=shop";
        let config = Address::parse(url).unwrap().config;
        assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(config.get_hosts().len(), 2);
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(7));
        assert_eq!(config.get_application_name(), Some("shop"));
        let config = Address::parse("postgres://db.example").unwrap().config;
        assert_eq!(config.get_keepalives_idle(), IDLE);
        assert_eq!(config.get_application_name(), Some("duck-session"));
    }

    #[test]
    fn nothing_of_a_password_is_in_an_error() {
        for url in [
            "postgres://me:tops?ecret=x@host/site",
            "postgres://me:tops@ecret@host:port/site",
            "postgres://me:topsecret@host/site?topsecret=1",
            "postgres://me:topsecret@host/site?port=topsecret",
            "postgres://me:topsecret@host/site?sslmode=topsecret",
            "postgres://me:%ff@host/site?sslrootcert=%ff",
            "mysql://me:topsecret@host/site",
            "me:topsecret",
        ] {
            if let Err(text) = Address::parse(url) {
                assert!(
                    !text.contains("tops") && !text.contains("ecret"),
                    "{url}: {text}"
                );
            }
        }
        let port = Address::parse("postgres://me:topsecret@host/site?port=topsecret");
        let said = port.err().unwrap();
        assert!(said.ends_with("invalid value for option `port`"), "{said}");
    }
}
