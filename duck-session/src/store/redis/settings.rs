//! The settings of `RedisCache`.

use std::fmt;

use duck::Settings;
use duck::settings::SettingsError;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::sentinel::SentinelNodeConnectionInfo;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsMode,
};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::address::Address;
use super::connection::Server;
use super::sentinels::Sentinels;

/// A connection whose other end has vanished without a word is given up after this time.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

const FORM: &str =
    "takes an URL as \"redis://user:password@host:6379/0\", \"rediss://…\" or \"unix:///path\"";

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub(crate) struct RedisSettings {
    session_redis_url: Option<Urls>,
    session_redis_prefix: Option<String>,
    session_redis_sentinel: Option<String>,
    session_redis_sentinel_password: Option<String>,
}

/// One server, or the nodes of a Cluster or the Sentinels.
enum Urls {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenUrls)
    }
}

struct WrittenUrls;

impl<'de> Visitor<'de> for WrittenUrls {
    type Value = Urls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an URL or a list of URLs")
    }

    fn visit_str<E>(self, url: &str) -> Result<Urls, E> {
        Ok(Urls::One(url.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Urls, A::Error> {
        let mut urls = Vec::new();
        while let Some(url) = list.next_element()? {
            urls.push(url);
        }
        Ok(Urls::Several(urls))
    }
}

impl RedisSettings {
    /// Reads the settings, which are known from then on. They may be in a file whose site keeps its sessions elsewhere.
    pub(crate) fn read(settings: &Settings) -> Result<Self, SettingsError> {
        settings.part()
    }

    /// What the names of all keys begin with: by default the name of the program, so that two sites can use one server.
    pub(super) fn prefix(&self, settings: &Settings) -> Result<String, SettingsError> {
        let Some(prefix) = &self.session_redis_prefix else {
            return Ok(format!("duck:{}:", program()));
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._-/".contains(&byte);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(is_plain) {
            let right = "takes up to 64 letters, digits and \":\", \".\", \"_\", \"-\", \"/\": \"duck:mysite:\"";
            return Err(settings.error("SESSION_REDIS_PREFIX", right));
        }
        Ok(prefix.clone())
    }

    /// Where the server is. Nothing is connected yet.
    pub(super) fn server(&self, settings: &Settings) -> Result<Server, SettingsError> {
        let wrong = |why: String| settings.error("SESSION_REDIS_URL", why);
        let urls = match &self.session_redis_url {
            None => return Err(wrong(format!("{FORM}; SESSION_STORAGE is \"RedisCache\""))),
            Some(Urls::One(url)) => std::slice::from_ref(url),
            Some(Urls::Several(urls)) => urls,
        };
        let places = urls.iter().map(|url| parse(url));
        let places = places.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let Some(first) = places.first() else {
            return Err(wrong("is an empty list".to_owned()));
        };
        let login = |place: &ConnectionInfo| {
            let redis = place.redis_settings();
            let (user, password) = (redis.username(), redis.password());
            (
                user.map(str::to_owned),
                password.map(str::to_owned),
                redis.db(),
                matches!(place.addr(), ConnectionAddr::TcpTls { .. }),
            )
        };
        if places.iter().any(|place| login(place) != login(first)) {
            return Err(wrong(
                "all URLs have the same scheme, user, password and database".to_owned(),
            ));
        }
        if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
            // Where another part of the site has chosen how TLS is done, that stands.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let server = match (&self.session_redis_sentinel, &self.session_redis_url) {
            (Some(name), _) => self.sentinels(name, &places),
            (None, Some(Urls::Several(_))) => {
                if places.iter().any(|place| Address::of(place).is_none()) {
                    return Err(wrong(
                        "the nodes of a Cluster have addresses: \"redis://host:6379\"".to_owned(),
                    ));
                }
                Ok(Server::Cluster(places.clone()))
            }
            (None, _) => Client::open(first.clone()).map(Server::One),
        };
        server.map_err(|error| wrong(format!("{FORM}: {error}")))
    }

    fn sentinels(&self, name: &str, places: &[ConnectionInfo]) -> RedisResult<Server> {
        let mut of_sentinels = RedisConnectionInfo::default();
        if let Some(password) = &self.session_redis_sentinel_password {
            of_sentinels = of_sentinels.set_password(password);
        }
        let mut login = SentinelNodeConnectionInfo::default().set_tcp_settings(tcp());
        if let Some(first) = places.first() {
            login = login.set_redis_connection_info(first.redis_settings().clone());
            if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
                login = login.set_tls_mode(TlsMode::Secure);
            }
        }
        let place = |place: &ConnectionInfo| place.clone().set_redis_settings(of_sentinels.clone());
        let sentinels = Sentinels {
            places: places.iter().map(place).collect(),
            name: name.to_owned(),
            login,
        };
        sentinels.client()?;
        Ok(Server::Sentinels(sentinels))
    }
}

/// Reads an URL; the error does not repeat it.
fn parse(url: &str) -> Result<ConnectionInfo, String> {
    let place = url.into_connection_info();
    let place = place.map_err(|error| {
        format!("{FORM}; special characters in a password are written as %XX ({error})")
    })?;
    Ok(place.set_tcp_settings(tcp()))
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(SILENCE);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let settings = settings.set_user_timeout(SILENCE);
    settings
}

/// The name of the program that runs: `mysite`.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(|path| path.file_stem()?.to_str());
    let is_plain = |char: &char| char.is_ascii_alphanumeric() || ['_', '-', '.'].contains(char);
    name.unwrap_or("site")
        .chars()
        .filter(is_plain)
        .take(40)
        .collect()
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").finish_non_exhaustive()
    }
}
