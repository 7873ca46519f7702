//! When a session ends: after its last save, after its last visit, or whatever happens.

use duck::session::{Expiry, SessionData, SessionPolicy};

use crate::clock::{self, Clock, millis};
use crate::header::Header;
use crate::settings::SessionSettings;
use crate::store::Plain;

/// The limits of the settings. Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Lifetimes {
    pub(crate) policy: SessionPolicy,
    /// Without a visit.
    idle: Option<u64>,
    /// From the first visit or the last login on, whatever happens.
    absolute: Option<u64>,
    /// How long a session keeps one id.
    renewal: Option<u64>,
    /// How long the one before is good beside it.
    pub(crate) grace: u64,
    /// How long a session may go without its end being moved.
    pub(crate) touch: u64,
    /// Whether every visit counts as a save.
    save_every_request: bool,
}

impl Lifetimes {
    pub(crate) fn new(own: &SessionSettings) -> Self {
        let limit = |setting: Option<crate::Seconds>| setting.map(|limit| millis(limit.0));
        Self {
            policy: own.policy(),
            idle: limit(own.session_idle_timeout),
            absolute: limit(own.session_absolute_timeout),
            renewal: limit(own.session_renewal_interval),
            grace: millis(own.session_renewal_grace.0),
            touch: millis(own.touch_interval()),
            save_every_request: own.session_save_every_request,
        }
    }

    /// When a session ends whose record says `expires`. Limits count though the record was written before
    /// they were set.
    pub(crate) fn end(&self, header: &Header, expires: u64) -> u64 {
        let since = header
            .login
            .as_ref()
            .map_or(header.created, |login| login.at);
        let after = |start: u64, limit: Option<u64>| {
            limit.map_or(u64::MAX, |limit| start.saturating_add(limit))
        };
        expires
            .min(after(header.touched, self.idle))
            .min(after(since, self.absolute))
    }

    /// Whether a session has had its id for long enough. Only those of users get another one in time.
    pub(crate) fn is_renewal_due(&self, header: &Header, now: u64) -> bool {
        let is_over = |interval| now.saturating_sub(header.verifiers.issued()) >= interval;
        header.login.is_some() && self.renewal.is_some_and(is_over)
    }

    /// Whether a session was given an end that has come.
    pub(crate) fn is_over(&self, data: &SessionData, clock: &Clock) -> bool {
        // Most sessions have no end of their own, and need not ask what time it is.
        let expiry = data.expiry();
        expiry != Expiry::Default
            && expiry
                .lifetime(&self.policy, clock::time(clock.now()))
                .age
                .is_zero()
    }

    /// Whether a visit alone moves the end of a session: rule 18.
    pub(crate) fn is_touch_due(&self, header: &Header, clock: &Clock) -> bool {
        self.save_every_request || (self.idle.is_some() && self.is_stale(header, clock.now()))
    }

    /// Whether the end of a session has not been moved for a while: for less long where the session's
    /// own age is short. A clock that was set back does not make a session last longer: rule 66.
    fn is_stale(&self, header: &Header, now: u64) -> bool {
        let tenth = if header.age == 0 {
            u64::MAX
        } else {
            header.age / 10
        };
        now.abs_diff(header.touched) >= self.touch.min(tenth)
    }

    /// Moves the end of a session, where that is due, and returns whether the cookie has to follow.
    pub(crate) fn extend(&self, plain: &mut Plain, now: u64, forced: bool) -> bool {
        let expiry = plain.data.expiry();
        let lifetime = expiry.lifetime(&self.policy, clock::time(now));
        let fixed = matches!(expiry, Expiry::At(_));
        let header = &mut plain.header;
        let age = if fixed { 0 } else { millis(lifetime.age) };
        let changed = (header.age, header.persistent) != (age, lifetime.persistent);
        let is_stale = self.is_stale(header, now);
        let touched = std::mem::replace(&mut header.touched, now);
        let expires = self.end(header, now.saturating_add(millis(lifetime.age)));
        let changed = changed || (fixed && plain.expires != expires);
        if !(changed || forced || is_stale) {
            header.touched = touched;
            return false;
        }
        (header.age, header.persistent) = (age, lifetime.persistent);
        let follows = changed || (lifetime.persistent && plain.expires != expires);
        plain.expires = expires;
        follows
    }
}
