//! What a session is to be after a request.

use duck::session::{IdChange, SessionData, SessionError, SessionId, Visitor};

use super::StoreEngine;
use crate::header::{Header, Login};
use crate::seal::random;
use crate::store::{OpenSession, Plain, SessionStore, Version};

/// How much of what a browser says of itself is kept.
const AGENT_CHARS: usize = 200;

/// What a request does to its session, besides the data.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    /// The id that the visitor came with.
    pub(super) id: SessionId,
    pub(super) change: IdChange,
    /// Whether the end moves even if it is not due.
    pub(super) forced: bool,
    pub(super) visitor: Option<&'a Visitor>,
}

/// What the next version of a session changes for its visitor.
#[derive(Clone, Copy)]
pub(super) struct Next {
    /// The id that the visitor has from then on, where it is another one.
    pub(super) new_id: Option<SessionId>,
    /// Whether the cookie has to follow.
    pub(super) send_cookie: bool,
    /// Whether it changes who may use the session: then it has to survive a power cut.
    pub(super) secures: bool,
}

impl<S: SessionStore> StoreEngine<S> {
    /// The next version of a session.
    pub(super) fn next(
        &self,
        write: Write<'_>,
        session: &OpenSession,
        data: SessionData,
        now: u64,
    ) -> Result<(OpenSession, Next), SessionError> {
        let mut next = session.next(data);
        let plain = next.change();
        if self.sealer.has_fallbacks() {
            // What is sealed with the new key is found by it too, when the old one is given up.
            self.name_user_again(plain);
        }
        let asks_for_id = write.change != IdChange::Keep;
        if write.change == IdChange::Login {
            self.log_in(plain, write.visitor, now);
        }
        let (new_id, secures) = if asks_for_id {
            let new = write.id.with_verifier(random());
            let digest = self.sealer.digest(&new);
            plain.header.verifiers.replace(digest, now);
            (Some(new), true)
        } else {
            self.renew_in_time(write.id, plain, now)?
        };
        let forced = write.forced || asks_for_id;
        let follows = self.lifetimes.extend(plain, now, forced);
        let send_cookie = follows || new_id.is_some();
        Ok((
            next,
            Next {
                new_id,
                send_cookie,
                secures,
            },
        ))
    }

    /// The first version of a session, under an id of its own.
    pub(super) fn first(
        &self,
        data: SessionData,
        visitor: &Visitor,
        now: u64,
    ) -> (SessionId, OpenSession) {
        let id = SessionId::from_bytes(random());
        let mut session = OpenSession::new(Plain {
            key: self.sealer.key(&id),
            version: Version::first(),
            expires: 0,
            header: Header::new(self.sealer.digest(&id), now),
            data,
        });
        let plain = session.change();
        self.log_in(plain, Some(visitor), now);
        self.lifetimes.extend(plain, now, true);
        (id, session)
    }

    /// Names the user as the current key does.
    pub(super) fn name_user_again(&self, plain: &mut Plain) {
        let user = plain.data.user();
        if let Some(login) = &mut plain.header.login {
            login.user = user.map(|user| self.sealer.user_key(&user));
        }
    }

    /// Notes who is logged in from now on.
    fn log_in(&self, plain: &mut Plain, visitor: Option<&Visitor>, now: u64) {
        plain.header.login = plain.data.user().map(|user| {
            let agent = visitor.and_then(Visitor::agent);
            Box::new(Login {
                user: Some(self.sealer.user_key(&user)),
                at: now,
                agent: agent.map(|agent| cut(agent).into()),
            })
        });
    }

    /// Gives a session another verifier where it has had this one for long enough, or lets the grace of the one
    /// before begin. Only whoever came with the current one can do either.
    fn renew_in_time(
        &self,
        id: SessionId,
        plain: &mut Plain,
        now: u64,
    ) -> Result<(Option<SessionId>, bool), SessionError> {
        let is_due = self.lifetimes.is_renewal_due(&plain.header, now);
        let verifiers = &mut plain.header.verifiers;
        if !(is_due || verifiers.has_given_up()) {
            return Ok((None, false));
        }
        verifiers.forget_outdated(now);
        if !verifiers.is_current(&self.sealer.digest(&id)) {
            return Ok((None, false));
        }
        if verifiers.is_renewal_pending() {
            verifiers.start_grace(now.saturating_add(self.lifetimes.grace));
            return Ok((None, false));
        }
        // The grace of the one before comes to its end first.
        if !is_due || verifiers.has_previous() {
            return Ok((None, false));
        }
        let new = id.with_verifier(random());
        let sealed = self.sealer.wrap(&id, new.verifier())?;
        verifiers.renew(self.sealer.digest(&new), sealed, now);
        Ok((Some(new), true))
    }

    /// Whether a visit that changed nothing has to be noted, and if so, whether it moves the end.
    pub(super) fn visit_due(&self, id: SessionId, session: &OpenSession) -> Option<bool> {
        let header = session.header();
        if self.lifetimes.is_touch_due(header, &self.clock) {
            return Some(true);
        }
        let verifiers = &header.verifiers;
        // A full store gives up first those whose cookie never came back: this one's has.
        if S::TRACKS_RETURN && session.version().count == 0 {
            return Some(false);
        }
        // Most sessions need not ask what time it is.
        if header.login.is_none() && !verifiers.has_given_up() {
            return None;
        }
        let now = self.clock.now();
        let starts_grace =
            || verifiers.is_renewal_pending() && verifiers.is_current(&self.sealer.digest(&id));
        let is_renewed = self.lifetimes.is_renewal_due(header, now) && !verifiers.has_previous();
        (is_renewed || verifiers.has_outdated(now) || starts_grace()).then_some(false)
    }
}

fn cut(agent: &str) -> &str {
    let end = agent
        .char_indices()
        .nth(AGENT_CHARS)
        .map_or(agent.len(), |(end, _)| end);
    &agent[..end]
}
