//! The half of an id that proves that a visitor may use a session, and those that were given up.

use std::fmt;

use crate::reader::{Reader, RecordBytes};

/// How long it is remembered that a login or `cycle_id` replaced a verifier: whoever was under way with it
/// is not to begin another session in its place.
const REMEMBERED: u64 = 10_000;

/// How many verifiers given up are remembered, of either kind.
const MOST: usize = 8;

/// What is stored of a verifier: 128 bits that it cannot be found from, or in memory the verifier itself.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; 16]);

impl Digest {
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Enough of it to know it again.
    fn short(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|index| self.0[index]))
    }
}

/// In constant time: how long it takes tells nothing of where two differ.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let differs = u128::from_ne_bytes(self.0) ^ u128::from_ne_bytes(other.0);
        std::hint::black_box(differs) == 0
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The verifier of a session, and those before it that visitors may still come with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verifiers {
    current: Digest,
    /// Counts the verifiers that were asked for: by a login or `cycle_id`.
    generation: u32,
    /// Since when there is the current one.
    issued: u64,
    /// Mostly there is none.
    given_up: Option<Box<GivenUp>>,
}

/// The verifiers that a session has given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct GivenUp {
    previous: Option<Previous>,
    /// In time, since the last login: each with the end of its grace.
    in_time: Vec<(u64, u64)>,
    /// By a login or `cycle_id`, a moment ago: each with when it was.
    replaced: Vec<(u64, u64)>,
}

/// The verifier before the current one, after a renewal in time.
#[derive(Clone, PartialEq, Eq)]
struct Previous {
    digest: Digest,
    /// The current verifier, sealed with this one: it is sent again to whoever comes with this one.
    current: Vec<u8>,
    /// When its grace is over. `None` while nobody has come with the current one.
    until: Option<u64>,
}

/// Not the current verifier: in memory it is as it is.
impl fmt::Debug for Previous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Previous")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// What a verifier is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the session's.
    Current,
    /// It was, and still is good.
    Previous,
    /// A login or `cycle_id` has just replaced it.
    Replaced,
    /// It was given up in time, and its grace was over when it came.
    Replayed,
    /// It never was the session's, or nobody remembers.
    Unknown,
}

impl Verifiers {
    pub(crate) const fn new(current: Digest, now: u64) -> Self {
        Self {
            current,
            generation: 0,
            issued: now,
            given_up: None,
        }
    }

    /// Two requests with the same number know the same session: since the first of them, nobody has asked
    /// for a new id.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Since when the session has its verifier.
    pub(crate) fn issued(&self) -> u64 {
        self.issued
    }

    /// Whether the session ever gave a verifier up that is remembered. Else whoever was let in came with the
    /// current one.
    pub(crate) fn has_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// The memory they take besides themselves.
    pub(crate) fn heap_size(&self) -> usize {
        self.given_up.as_ref().map_or(0, |given_up| {
            let lists = given_up.in_time.capacity() + given_up.replaced.capacity();
            let sealed = self.previous().map_or(0, |it| it.current.capacity());
            size_of::<GivenUp>() + lists * size_of::<(u64, u64)>() + sealed
        })
    }

    /// Whether this is the current verifier.
    pub(crate) fn is_current(&self, presented: &Digest) -> bool {
        self.current == *presented
    }

    /// What a verifier is worth that came with a request whose head arrived then.
    pub(crate) fn standing(
        &self,
        presented: &Digest,
        arrived: u64,
        now: impl FnOnce() -> u64,
    ) -> Standing {
        if self.is_current(presented) {
            return Standing::Current;
        }
        let Some(given_up) = &self.given_up else {
            return Standing::Unknown;
        };
        let is_good = |previous: &Previous| {
            previous.digest == *presented && previous.until.is_none_or(|until| arrived < until)
        };
        if given_up.previous.as_ref().is_some_and(is_good) {
            return Standing::Previous;
        }
        let short = presented.short();
        let find = |list: &[(u64, u64)]| list.iter().find(|(known, _)| *known == short).copied();
        match (find(&given_up.in_time), find(&given_up.replaced)) {
            (Some((_, until)), _) if arrived >= until => Standing::Replayed,
            // It arrived in its grace, which has ended for others since. (Or the clock was set back.)
            (Some((_, until)), _) if now() >= until => Standing::Previous,
            (Some(_), _) => Standing::Replaced,
            (None, Some((_, at))) if arrived < at.saturating_add(REMEMBERED) => Standing::Replaced,
            _ => Standing::Unknown,
        }
    }

    /// Gives the session another verifier because the site asked for it: those before are worth nothing.
    pub(crate) fn replace(&mut self, new: Digest, now: u64) {
        let given_up = self.given_up.take().unwrap_or_default();
        let mut replaced = given_up.replaced;
        replaced.retain(|(_, at)| now < at.saturating_add(REMEMBERED));
        let previous = given_up.previous.map(|previous| previous.digest);
        for digest in previous.iter().chain([&self.current]) {
            replaced.push((digest.short(), now));
        }
        keep_last(&mut replaced);
        self.given_up = Some(Box::new(GivenUp {
            replaced,
            ..GivenUp::default()
        }));
        self.current = new;
        self.issued = now;
        self.generation = self.generation.wrapping_add(1);
    }

    /// Gives the session another verifier because it has had this one for long enough. `sealed` is the new
    /// one, sealed with the old one.
    pub(crate) fn renew(&mut self, new: Digest, sealed: Vec<u8>, now: u64) {
        let given_up = self.given_up.get_or_insert_default();
        given_up.previous = Some(Previous {
            digest: self.current,
            current: sealed,
            until: None,
        });
        self.current = new;
        self.issued = now;
    }

    /// Whether nobody has come yet with the verifier of the last renewal.
    pub(crate) fn is_renewal_pending(&self) -> bool {
        self.previous().is_some_and(|it| it.until.is_none())
    }

    /// Somebody has come with it: the one before is good until then.
    pub(crate) fn start_grace(&mut self, until: u64) {
        let Some(given_up) = &mut self.given_up else {
            return;
        };
        if let Some(previous) = &mut given_up.previous
            && previous.until.is_none()
        {
            previous.until = Some(until);
            given_up.in_time.push((previous.digest.short(), until));
            keep_last(&mut given_up.in_time);
        }
    }

    /// Whether something is remembered that is better forgotten: the current verifier, sealed with one whose
    /// grace is over.
    pub(crate) fn has_outdated(&self, now: u64) -> bool {
        let until = self.previous().and_then(|it| it.until);
        until.is_some_and(|until| until <= now)
    }

    /// Forgets what is of no use any more.
    pub(crate) fn forget_outdated(&mut self, now: u64) {
        let is_outdated = self.has_outdated(now);
        let Some(given_up) = &mut self.given_up else {
            return;
        };
        if is_outdated {
            given_up.previous = None;
        }
        given_up
            .replaced
            .retain(|(_, at)| now < at.saturating_add(REMEMBERED));
        if **given_up == GivenUp::default() {
            self.given_up = None;
        }
    }

    /// Whether the verifier before is still good, and how many others are known to be given up.
    #[cfg(feature = "commands")]
    pub(crate) fn old(&self, now: u64) -> (bool, usize) {
        let Some(given_up) = &self.given_up else {
            return (false, 0);
        };
        let until = self.previous().map(|it| it.until.unwrap_or(u64::MAX));
        let in_time = given_up.in_time.iter().filter(|(_, until)| *until <= now);
        let replaced = given_up.replaced.iter();
        let replaced = replaced.filter(|(_, at)| now < at.saturating_add(REMEMBERED));
        (
            until.is_some_and(|until| now < until),
            in_time.count() + replaced.count(),
        )
    }

    /// Whether the verifier before the last renewal is remembered as one that may still be good.
    pub(crate) fn has_previous(&self) -> bool {
        self.previous().is_some()
    }

    /// The current verifier, sealed with the one before.
    pub(crate) fn sealed(&self) -> Option<&[u8]> {
        self.previous().map(|it| &*it.current)
    }

    fn previous(&self) -> Option<&Previous> {
        self.given_up.as_ref()?.previous.as_ref()
    }
}

fn keep_last(list: &mut Vec<(u64, u64)>) {
    let over = list.len().saturating_sub(MOST);
    list.drain(..over);
}

/// Stands for the end of a grace that has not begun.
const PENDING: u64 = 0;

impl Verifiers {
    pub(crate) fn write(&self, bytes: &mut RecordBytes) {
        bytes.extend_from_slice(self.current.as_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.issued.to_le_bytes());
        bytes.push(u8::from(self.given_up.is_some()));
        if let Some(given_up) = &self.given_up {
            given_up.write(bytes);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut verifiers = Self {
            current: Digest::new(reader.take()?),
            generation: u32::from_le_bytes(reader.take()?),
            issued: reader.number()?,
            given_up: None,
        };
        if reader.take()? == [1] {
            verifiers.given_up = Some(Box::new(GivenUp::read(reader)?));
        }
        Some(verifiers)
    }
}

impl GivenUp {
    fn write(&self, bytes: &mut RecordBytes) {
        let length = |length: usize| u8::try_from(length).expect("each list is bounded");
        bytes.push(u8::from(self.previous.is_some()));
        if let Some(previous) = &self.previous {
            bytes.extend_from_slice(previous.digest.as_bytes());
            bytes.extend_from_slice(&previous.until.unwrap_or(PENDING).to_le_bytes());
            bytes.push(length(previous.current.len()));
            bytes.extend_from_slice(&previous.current);
        }
        for list in [&self.in_time, &self.replaced] {
            bytes.push(length(list.len()));
            for (short, time) in list {
                bytes.extend_from_slice(&short.to_le_bytes());
                bytes.extend_from_slice(&time.to_le_bytes());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut given_up = Self::default();
        if reader.take()? == [1] {
            let digest = Digest::new(reader.take()?);
            let until = Some(reader.number()?).filter(|until| *until != PENDING);
            let [length] = reader.take()?;
            let current = reader.slice(length.into())?.to_vec();
            given_up.previous = Some(Previous {
                digest,
                current,
                until,
            });
        }
        for list in [&mut given_up.in_time, &mut given_up.replaced] {
            let [length] = reader.take()?;
            for _ in 0..length {
                list.push((reader.number()?, reader.number()?));
            }
        }
        Some(given_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::new([byte; 16])
    }

    #[test]
    fn what_was_given_up_in_time_is_known_again_as_long_as_nobody_logs_in() {
        let mut verifiers = Verifiers::new(digest(0), 0);
        for renewal in 1..=9 {
            verifiers.renew(digest(renewal), vec![0], 100);
            verifiers.start_grace(200);
        }
        verifiers.forget_outdated(1000);
        assert_eq!(verifiers.sealed(), None);
        assert_eq!(
            verifiers.standing(&digest(0), 1000, || 1_000_000),
            Standing::Unknown,
            "eight are kept"
        );
        for old in 1..9 {
            assert_eq!(
                verifiers.standing(&digest(old), 1000, || 1_000_000),
                Standing::Replayed
            );
            assert_eq!(
                verifiers.standing(&digest(old), 10, || 1_000_000),
                Standing::Previous,
                "it came in time"
            );
        }
        assert_eq!(
            verifiers.standing(&digest(5), 10, || 10),
            Standing::Replaced,
            "the clock was set back"
        );
        verifiers.replace(digest(20), 1000);
        assert_eq!(
            verifiers.standing(&digest(5), 2000, || 1_000_000),
            Standing::Unknown
        );
        assert_eq!(verifiers.generation, 1);
    }
}
