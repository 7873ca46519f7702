use std::path::PathBuf;
use std::time::Duration;

use duck::session::SessionPolicy;
use duck::settings::SettingsError;
use duck::{Result, Settings};
use serde::Deserialize;

pub use self::choices::{
    Bind, Conflict, Fsync, OnLimit, OnReplay, OnStoreError, Prefix, SameSite, Secure,
};
pub use self::database_url::DatabaseUrl;
pub use duck::settings::Seconds;

mod choices;
mod cookie_text;
mod database_url;

/// The settings of sessions, as `settings.toml` has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting that is on or off"
)]
pub struct SessionSettings {
    /// Which storage: `KeyAsFolderCache`, `DynamicFileCache`, `DatabaseCache`, `InMemoryCache`, or a registered name.
    pub session_storage: String,
    /// Which engine: `cache` (over the storage), `cookie`, or a registered name.
    pub session_engine: String,
    /// The folder of the file storages, counted from the folder of the settings.
    pub session_dir: PathBuf,
    /// The database of `DatabaseCache`.
    pub session_database_url: Option<DatabaseUrl>,
    /// How many connections each process has to it.
    pub session_database_pool: usize,
    /// The cookie's name.
    pub session_cookie_name: String,
    /// How long a session lives after its last save.
    pub session_cookie_age: Seconds,
    /// How long a session lives without a visit; unset, `SESSION_COOKIE_AGE` after the last save is all.
    pub session_idle_timeout: Option<Seconds>,
    /// How long a session lives in all, from its first visit or its last login on.
    pub session_absolute_timeout: Option<Seconds>,
    /// After how long a session gets a new id by itself.
    pub session_renewal_interval: Option<Seconds>,
    /// How long the id before still leads to it, for requests that were on their way.
    pub session_renewal_grace: Seconds,
    /// What happens when an id comes that was given up in time.
    pub session_on_replay: OnReplay,
    /// How often a visit moves the end of a session.
    pub session_touch_interval: Option<Seconds>,
    /// Whether every visit counts as a save.
    pub session_save_every_request: bool,
    /// The cookie's path.
    pub session_cookie_path: String,
    /// The cookie's domain; without one it is for this host alone.
    pub session_cookie_domain: Option<String>,
    /// Whether the cookie travels over HTTPS only.
    pub session_cookie_secure: Secure,
    /// Whether scripts cannot see the cookie.
    pub session_cookie_httponly: bool,
    /// Which requests of other sites carry the cookie.
    pub session_cookie_samesite: SameSite,
    /// The prefix that tells browsers to guard the name.
    pub session_cookie_prefix: Prefix,
    /// Whether the cookie is kept apart for each site that embeds this one.
    pub session_cookie_partitioned: bool,
    /// Whether sessions end with the browser.
    pub session_expire_at_browser_close: bool,
    /// What happens when requests change a session side by side.
    pub session_conflict: Conflict,
    /// What a session is bound to besides its cookie.
    pub session_bind: Bind,
    /// Whether a logout has the browser forget what else it keeps of the site.
    pub session_clear_site_data: bool,
    /// Whether data is saved although the page failed.
    pub session_save_on_error: bool,
    /// Bytes of JSON in a session.
    pub session_max_bytes: usize,
    /// Keys in a session.
    pub session_max_keys: usize,
    /// How many sessions the storage keeps.
    pub session_max_sessions: usize,
    /// How much of the disk is left to others, in percent.
    pub session_min_free: u8,
    /// How many sessions a user may have; 0 for any number.
    pub session_max_sessions_per_user: usize,
    /// What a login beyond that does.
    pub session_on_limit: OnLimit,
    /// How many bytes `InMemoryCache` keeps.
    pub session_memory_bytes: usize,
    /// How large a file of `DynamicFileCache` grows before it is split into two.
    pub session_shard_bytes: u64,
    /// How long the storage may take to answer.
    pub session_store_timeout: Seconds,
    /// What happens when it does not.
    pub session_on_store_error: OnStoreError,
    /// Which writes wait for the disk.
    pub session_fsync: Fsync,
    /// Whether what leaves the process is encrypted, and not only proven to be unchanged.
    pub session_encrypt: bool,
    /// How often expired sessions are removed; 0 for never.
    pub session_sweep_interval: Seconds,
    /// How many at once.
    pub session_sweep_batch: usize,
    /// The `Cache-Control` of responses that set the cookie.
    pub session_cache_control: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            session_storage: "KeyAsFolderCache".into(),
            session_engine: "cache".into(),
            session_dir: "sessions".into(),
            session_database_url: None,
            session_database_pool: 4,
            session_cookie_name: "session_id".into(),
            session_cookie_age: Seconds(Duration::from_hours(7 * 24)),
            session_idle_timeout: None,
            session_absolute_timeout: None,
            session_renewal_interval: None,
            session_renewal_grace: Seconds(Duration::from_secs(30)),
            session_on_replay: OnReplay::Ignore,
            session_touch_interval: None,
            session_save_every_request: false,
            session_cookie_path: "/".into(),
            session_cookie_domain: None,
            session_cookie_secure: Secure::Auto,
            session_cookie_httponly: true,
            session_cookie_samesite: SameSite::Lax,
            session_cookie_prefix: Prefix::Auto,
            session_cookie_partitioned: false,
            session_expire_at_browser_close: false,
            session_conflict: Conflict::Merge,
            session_bind: Bind::None,
            session_clear_site_data: false,
            session_save_on_error: false,
            session_max_bytes: 65_536,
            session_max_keys: 256,
            session_max_sessions: 1_000_000,
            session_min_free: 5,
            session_max_sessions_per_user: 100,
            session_on_limit: OnLimit::EvictOldest,
            session_memory_bytes: 256 * 1024 * 1024,
            session_shard_bytes: 64 * 1024 * 1024,
            session_store_timeout: Seconds(Duration::from_secs(2)),
            session_on_store_error: OnStoreError::Closed,
            session_fsync: Fsync::Security,
            session_encrypt: true,
            session_sweep_interval: Seconds(Duration::from_mins(1)),
            session_sweep_batch: 1000,
            session_cache_control: "no-store".into(),
        }
    }
}

/// Settings that were there once, and what to do instead.
const REMOVED: [(&str, &str); 4] = [
    (
        "SESSION_LOCK_TIMEOUT",
        "is no setting any more: requests do not wait for each other; `update` counts exactly",
    ),
    (
        "SESSION_CREATE_RATE",
        "is no setting any more: SESSION_MAX_SESSIONS and SESSION_MIN_FREE bound what visitors can store",
    ),
    (
        "SESSION_MAX_DEPTH",
        "is no setting any more: a value may be nested 127 deep, and SESSION_MAX_BYTES bounds it",
    ),
    (
        "SESSION_CLOCK_SKEW",
        "is no setting any more: a clock that leaps by more than five minutes is doubted for as long",
    ),
];

/// Asked for without becoming a known key: nothing is to be taken for a misspelling of one that is gone.
fn refuse_removed(settings: &Settings) -> Result<(), SettingsError> {
    let set = settings.unknown_keys();
    if let Some((key, instead)) = REMOVED.iter().find(|(key, _)| set.contains(key)) {
        return Err(settings.error(key, instead));
    }
    let conflict = settings.get::<String>("SESSION_CONFLICT");
    if conflict.is_ok_and(|conflict| conflict.as_deref() == Some("lock")) {
        let instead = "\"lock\" is no choice any more: with \"merge\" both changes count, and `update` counts exactly";
        return Err(settings.error("SESSION_CONFLICT", instead));
    }
    Ok(())
}

/// Browsers keep no cookie for longer.
pub(crate) const LONGEST_AGE: Duration = Duration::from_hours(400 * 24);

impl SessionSettings {
    /// The settings of sessions, checked: see [`Settings::part`].
    ///
    /// # Errors
    ///
    /// When a value does not fit, or two do not fit together.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        refuse_removed(settings)?;
        let mut own: Self = settings.part()?;
        own.session_dir = settings.resolve(&own.session_dir);
        if let Some(url) = &mut own.session_database_url {
            url.resolve(|file| settings.resolve(file));
        }
        own.check_cookie()
            .map_err(|(key, message)| settings.error(key, message))?;
        if let Some((_, key, why)) = own.faults().into_iter().find(|(is_so, ..)| *is_so) {
            return Err(settings.error(key, why).into());
        }
        if own.session_cookie_age.0 > LONGEST_AGE {
            let what = "browsers keep no cookie for more than 400 days; taken as that";
            let warning = settings.error("SESSION_COOKIE_AGE", what);
            tracing::warn!(target: "duck_session", "{warning}");
            own.session_cookie_age = Seconds(LONGEST_AGE);
        }
        own.refuse_served_folder(settings)?;
        Ok(own)
    }

    /// Texts with which no browser keeps the cookie. The domain is brought into the form that browsers
    /// compare.
    fn check_cookie(&mut self) -> Result<(), (&'static str, String)> {
        let of = |key| move |message| (key, message);
        cookie_text::name(&self.session_cookie_name).map_err(of("SESSION_COOKIE_NAME"))?;
        cookie_text::path(&self.session_cookie_path).map_err(of("SESSION_COOKIE_PATH"))?;
        if let Some(domain) = &mut self.session_cookie_domain {
            *domain = cookie_text::domain(domain).map_err(of("SESSION_COOKIE_DOMAIN"))?;
        }
        cookie_text::cache_control(&self.session_cache_control).map_err(of("SESSION_CACHE_CONTROL"))
    }

    /// Values with which no session works, and cookies that browsers refuse though each of their settings is
    /// good: whether it is so, the key, and what is wrong.
    fn faults(&self) -> [(bool, &'static str, &'static str); 13] {
        const NO_LIMIT: &str = "a session lives for at least one second; leave it out for no limit";
        const NEEDS_SECURE: &str =
            "needs SESSION_COOKIE_SECURE = true: browsers refuse the cookie otherwise";
        let is_short = |limit: Seconds| limit.0 < Duration::from_secs(1);
        let (prefix, is_secure) = (self.session_cookie_prefix, self.is_always_secure());
        [
            (
                is_short(self.session_cookie_age),
                "SESSION_COOKIE_AGE",
                "a session lives for at least one second",
            ),
            (
                self.session_idle_timeout.is_some_and(is_short),
                "SESSION_IDLE_TIMEOUT",
                NO_LIMIT,
            ),
            (
                self.session_absolute_timeout.is_some_and(is_short),
                "SESSION_ABSOLUTE_TIMEOUT",
                NO_LIMIT,
            ),
            (
                self.session_store_timeout.0.is_zero(),
                "SESSION_STORE_TIMEOUT",
                "the storage needs some time to answer",
            ),
            (
                self.session_min_free > 90,
                "SESSION_MIN_FREE",
                "is a percentage of the disk that is left to others: 90 at most",
            ),
            (
                self.session_renewal_interval
                    .is_some_and(|interval| interval.0 <= self.session_renewal_grace.0),
                "SESSION_RENEWAL_INTERVAL",
                "must be longer than SESSION_RENEWAL_GRACE, or ids are renewed faster than they are given up",
            ),
            (
                self.session_max_bytes == 0,
                "SESSION_MAX_BYTES",
                "no session could hold anything",
            ),
            (
                self.session_sweep_batch == 0,
                "SESSION_SWEEP_BATCH",
                "no expired session would be removed; SESSION_SWEEP_INTERVAL = 0 turns that off",
            ),
            (
                self.session_database_pool == 0,
                "SESSION_DATABASE_POOL",
                "no session could be loaded without a connection",
            ),
            (
                self.session_cookie_samesite == SameSite::None && !is_secure,
                "SESSION_COOKIE_SAMESITE",
                NEEDS_SECURE,
            ),
            (
                self.session_cookie_partitioned && !is_secure,
                "SESSION_COOKIE_PARTITIONED",
                NEEDS_SECURE,
            ),
            (
                prefix == Prefix::Host && !self.is_for_own_host(),
                "SESSION_COOKIE_PREFIX",
                "\"host\" needs SESSION_COOKIE_PATH = \"/\" and no SESSION_COOKIE_DOMAIN; \"secure\" does not",
            ),
            (
                prefix.is_chosen() && self.session_cookie_secure == Secure::Never,
                "SESSION_COOKIE_PREFIX",
                "needs SESSION_COOKIE_SECURE to be true or \"auto\": browsers refuse the cookie otherwise",
            ),
        ]
    }

    /// Whether the cookie is `Secure` whatever the scheme. A chosen prefix is good with that only.
    pub(crate) fn is_always_secure(&self) -> bool {
        match self.session_cookie_secure {
            Secure::Always => true,
            Secure::Auto => self.session_cookie_prefix.is_chosen(),
            Secure::Never => false,
        }
    }

    /// Whether the cookie is one that `__Host-` may stand before.
    pub(crate) fn is_for_own_host(&self) -> bool {
        self.session_cookie_path == "/" && self.session_cookie_domain.is_none()
    }

    /// Session files must never be sent to a visitor: rule F15.
    pub(crate) fn refuse_served_folder(&self, settings: &Settings) -> Result<(), SettingsError> {
        let served = settings
            .get::<PathBuf>("STATIC_DIR")?
            .unwrap_or_else(|| "static".into());
        if self.session_dir.starts_with(settings.resolve(served)) {
            return Err(settings.error(
                "SESSION_DIR",
                "lies inside STATIC_DIR, whose files are served to everybody",
            ));
        }
        Ok(())
    }

    /// What lets others take a session on the internet.
    pub(crate) fn deploy_findings(&self, settings: &Settings) -> Vec<SettingsError> {
        let kept = self.session_engine == "cache";
        let in_memory = kept && self.session_storage == "InMemoryCache";
        let never_synced =
            self.session_fsync == Fsync::None && kept && !in_memory && self.is_in_files();
        let for_nobody = !self.is_domain_of_an_allowed_host(settings);
        let sent_in_clear = self.session_cookie_secure == Secure::Never;
        [
            (sent_in_clear, "SESSION_COOKIE_SECURE", "is false: whoever listens to a visitor's plain HTTP has the session; \"auto\" or true"),
            (!self.session_cookie_httponly, "SESSION_COOKIE_HTTPONLY", "is false: a script in any page can take the session; true"),
            (in_memory, "SESSION_STORAGE", "is \"InMemoryCache\": every restart logs all visitors out, and a second process knows nobody; \"KeyAsFolderCache\""),
            (never_synced, "SESSION_FSYNC", "is \"none\": after a power failure, who has logged out may be logged in again; \"security\""),
            (for_nobody, "SESSION_COOKIE_DOMAIN", "is the domain of no host in ALLOWED_HOSTS: browsers refuse the cookie"),
            (!self.session_encrypt, "SESSION_ENCRYPT", "is false: whoever reads the storage reads the sessions; true"),
        ]
        .into_iter()
        .filter(|(is_wrong, ..)| *is_wrong)
        .map(|(_, key, why)| settings.error(key, why))
        .collect()
    }

    /// Whether `SESSION_FSYNC` says anything about the storage.
    fn is_in_files(&self) -> bool {
        let url = self.session_database_url.as_ref();
        match self.session_storage.rsplit('.').next() {
            Some("KeyAsFolderCache" | "DynamicFileCache") => true,
            Some("DatabaseCache") => url.is_some_and(|url| url.sqlite_file().is_some()),
            _ => false,
        }
    }

    /// Whether a host that visitors come to may set a cookie for this domain: RFC 6265, 5.3. Where nobody says which
    /// hosts there are, it may.
    fn is_domain_of_an_allowed_host(&self, settings: &Settings) -> bool {
        let hosts: Option<Vec<String>> = settings.get("ALLOWED_HOSTS").ok().flatten();
        let (Some(domain), Some(hosts)) = (&self.session_cookie_domain, hosts) else {
            return true;
        };
        let is_below = |host: &String| {
            let host = host.to_ascii_lowercase();
            let name = host.strip_prefix('.').unwrap_or(&host);
            let above = name.strip_suffix(domain.as_str());
            host == "*" || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        hosts.is_empty() || hosts.iter().any(is_below)
    }

    /// The same for every folder of the site, and whatever the path looks like.
    pub(crate) fn keep_private(&self, settings: &Settings) -> Result<(), SettingsError> {
        if self.session_engine == "cookie" || self.session_storage == "InMemoryCache" {
            return Ok(());
        }
        let key = self.place_key();
        let file = self.session_database_url.as_ref();
        match file.and_then(DatabaseUrl::sqlite_file) {
            _ if key == "SESSION_DIR" => settings.keep_private(key, &self.session_dir),
            Some(file) => settings.keep_private(key, file),
            None => Ok(()),
        }
    }

    /// The setting that says where the storage keeps its sessions.
    pub(crate) fn place_key(&self) -> &'static str {
        match self.session_storage.rsplit('.').next() {
            Some("DatabaseCache") => "SESSION_DATABASE_URL",
            _ => "SESSION_DIR", // a storage of the site's own may use the folder too
        }
    }

    /// What `request.session` has to know of the settings.
    pub(crate) fn policy(&self) -> SessionPolicy {
        let mut policy = SessionPolicy::default();
        policy.cookie_age = self.session_cookie_age.0;
        policy.expire_at_browser_close = self.session_expire_at_browser_close;
        policy.touch_interval = self.touch_interval();
        policy.max_bytes = self.session_max_bytes;
        policy.max_keys = self.session_max_keys;
        policy
    }

    /// How long a session may go without its end being moved.
    pub(crate) fn touch_interval(&self) -> Duration {
        if let Some(interval) = self.session_touch_interval {
            return interval.0;
        }
        // A minute, or less where a limit is short.
        let limits = [self.session_idle_timeout, self.session_absolute_timeout];
        let limits = limits.into_iter().flatten().map(|limit| limit.0);
        let shortest = limits.fold(self.session_cookie_age.0, Duration::min);
        (shortest / 10).min(Duration::from_mins(1))
    }
}

#[cfg(test)]
mod tests;
