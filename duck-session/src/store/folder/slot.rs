//! The three slots of a record's file. Each holds one state of the session, or nothing.
//!
//! | bytes | |
//! |---|---|
//! | 0–3 | magic and format |
//! | 4–7 | CRC-32 of bytes 16 to the end of the record |
//! | 8–15 | the number again, once the slot is known to be on the disk |
//! | 16–23 | number: the file's writes, counted |
//! | 24–39 | version: count and random bits |
//! | 40–47 | when the session ends, milliseconds since 1970, UTC |
//! | 48–63 | whose it is |
//! | 64–67 | length of the bytes |
//! | 68–71 | flags: 1 has a user, 2 has to survive a power cut |
//! | 72– | the bytes |
//!
//! Numbers are little-endian. The checksum tells a whole slot from one that was half written, by a
//! process that was killed or by a disk that lost its power. It protects nothing: the engine seals what
//! it stores, and what stands beside it.

use std::io::{self, ErrorKind};

use bytes::{Buf, BufMut, Bytes};

use crate::store::{SessionKey, StoredSession, UserKey, Version};

pub(super) const SLOTS: usize = 3;

const MAGIC: [u8; 4] = *b"DKF\x02";

/// What a slot begins with that holds nothing.
pub(super) const EMPTY: [u8; MAGIC.len()] = [0; MAGIC.len()];

const CHECKED: usize = 16;
const HEADER: usize = 72;

const HAS_USER: u32 = 1;
const DURABLE: u32 = 2;

/// Slots begin and end with a sector, so that no two share one.
const SECTOR: usize = 512;
const SMALLEST: usize = 1024;

/// Far above what a session may hold: what is larger was not written by us.
const MAX_BYTES: usize = 16 << 20;

/// A slot that is whole.
#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    durable: bool,
    on_disk: bool,
    version: Version,
    expires: u64,
    user: Option<UserKey>,
    len: usize,
}

/// The slots of a file, and what of them is whole.
#[derive(Debug)]
pub(super) struct Slots {
    file: Vec<u8>,
    slots: [Option<Slot>; SLOTS],
}

impl Slots {
    /// Whether a file of this length can be one of ours.
    pub(super) fn is_possible(file_len: u64) -> bool {
        let most = SLOTS * size_for(MAX_BYTES);
        usize::try_from(file_len).is_ok_and(|len| {
            len <= most && len >= SLOTS * SMALLEST && len.is_multiple_of(SLOTS * SECTOR)
        })
    }

    /// Reads the whole file; its length [is possible](Self::is_possible).
    pub(super) fn read(file: Vec<u8>) -> Self {
        let size = file.len() / SLOTS;
        let slots = std::array::from_fn(|index| Slot::read(&file[index * size..][..size]));
        Self { file, slots }
    }

    /// How long each slot is.
    pub(super) fn size(&self) -> usize {
        self.file.len() / SLOTS
    }

    /// Whether a slot was written once and is not whole: somebody may be writing it.
    pub(super) fn has_torn(&self) -> bool {
        let begun = |index| self.file[index * self.size()..].starts_with(&MAGIC);
        (0..SLOTS).any(|index| self.slots[index].is_none() && begun(index))
    }

    /// The version of the session.
    pub(super) fn version(&self) -> Option<Version> {
        self.newest().map(|(_, slot)| slot.version)
    }

    /// Whose the session is.
    pub(super) fn user(&self) -> Option<UserKey> {
        self.newest().and_then(|(_, slot)| slot.user)
    }

    /// The session, with a copy of its bytes.
    pub(super) fn session(&self, key: SessionKey) -> Option<StoredSession> {
        let (index, slot) = self.newest()?;
        let start = index * self.size() + HEADER;
        let bytes = Bytes::copy_from_slice(&self.file[start..start + slot.len]);
        let Slot {
            version,
            user,
            expires,
            ..
        } = *slot;
        Some(StoredSession::new(key, version, user, expires, bytes))
    }

    /// The number of the next write.
    pub(super) fn next_number(&self) -> u64 {
        self.newest().map_or(1, |(_, slot)| slot.number + 1)
    }

    /// Whether any state of the session has to survive a power cut.
    pub(super) fn any_durable(&self) -> bool {
        self.newest_that(|slot| slot.durable).is_some()
    }

    /// Whether the file, and with it the way to it, was brought to the disk once.
    pub(super) fn any_on_disk(&self) -> bool {
        self.newest_that(|slot| slot.on_disk).is_some()
    }

    /// Whether the newest state that has to survive a power cut is not known to be on the disk: its writer died
    /// before it heard, or the power cut took the note.
    pub(super) fn any_unsure(&self) -> bool {
        let newest = self.newest_that(|slot| slot.durable);
        newest.is_some_and(|(_, slot)| !slot.on_disk)
    }

    /// A slot that holds neither the newest state, nor the newest that has to survive a power cut, nor the
    /// newest of which it is known that it does: one that is empty or torn, else the oldest.
    ///
    /// These are three different ones, and `None` is the answer, only if a writer died before it heard
    /// from the disk.
    pub(super) fn free(&self) -> Option<usize> {
        let kept = [
            self.newest(),
            self.newest_that(|slot| slot.durable),
            self.newest_that(|slot| slot.on_disk),
        ];
        let is_kept = |index: &usize| kept.iter().flatten().any(|(kept, _)| kept == index);
        let age = |index: &usize| self.slots[*index].map_or(0, |slot| slot.number);
        (0..SLOTS).filter(|index| !is_kept(index)).min_by_key(age)
    }

    /// Notes that all of the file is on the disk, and gives what to write where to say so: that the
    /// newest state that has to survive a power cut does.
    pub(super) fn confirm(&mut self) -> Option<(u64, [u8; 8])> {
        let (index, number) = self
            .newest_that(|slot| slot.durable)
            .map(|(index, slot)| (index, slot.number))?;
        if let Some(slot) = &mut self.slots[index] {
            slot.on_disk = true;
        }
        Some(confirmation(index, self.size(), number))
    }

    fn newest(&self) -> Option<(usize, &Slot)> {
        self.newest_that(|_| true)
    }

    fn newest_that(&self, is: impl Fn(&Slot) -> bool) -> Option<(usize, &Slot)> {
        let whole = self.slots.iter().enumerate();
        whole
            .filter_map(|(index, slot)| slot.as_ref().map(|slot| (index, slot)))
            .filter(|(_, slot)| is(slot))
            .max_by_key(|(_, slot)| slot.number)
    }
}

impl Slot {
    fn read(slot: &[u8]) -> Option<Self> {
        let mut header = slot.get(..HEADER)?;
        if header.get_u32_le() != u32::from_le_bytes(MAGIC) {
            return None;
        }
        let checksum = header.get_u32_le();
        let on_disk = header.get_u64_le();
        let number = header.get_u64_le();
        let version = Version {
            count: header.get_u64_le(),
            random: header.get_u64_le(),
        };
        let expires = header.get_u64_le();
        let mut user = [0; 16];
        header.copy_to_slice(&mut user);
        let len = header.get_u32_le() as usize;
        let flags = header.get_u32_le();
        let checked = slot.get(CHECKED..HEADER.checked_add(len)?)?;
        (crc32fast::hash(checked) == checksum).then(|| Self {
            number,
            durable: flags & DURABLE != 0,
            on_disk: on_disk == number,
            version,
            expires,
            user: (flags & HAS_USER != 0).then(|| UserKey::from_bytes(user)),
            len,
        })
    }
}

/// A slot with this session.
pub(super) fn slot(session: &StoredSession, number: u64, durable: bool) -> Vec<u8> {
    let (bytes, user) = (session.bytes(), session.user());
    let mut slot = Vec::with_capacity(HEADER + bytes.len());
    slot.put_slice(&MAGIC);
    slot.put_bytes(0, CHECKED - MAGIC.len());
    slot.put_u64_le(number);
    slot.put_u64_le(session.version().count);
    slot.put_u64_le(session.version().random);
    slot.put_u64_le(session.expires());
    slot.put_slice(user.map_or(&[0; 16][..], |user| user.as_bytes()));
    #[expect(clippy::cast_possible_truncation, reason = "`needed` is asked first")]
    slot.put_u32_le(bytes.len() as u32);
    slot.put_u32_le(u32::from(user.is_some()) * HAS_USER + u32::from(durable) * DURABLE);
    slot.put_slice(bytes);
    let checksum = crc32fast::hash(&slot[CHECKED..]);
    slot[4..8].copy_from_slice(&checksum.to_le_bytes());
    slot
}

/// A whole file with this session in its first slot, and two empty ones: what is written later needs no
/// more space.
pub(super) fn file(session: &StoredSession, durable: bool) -> io::Result<Vec<u8>> {
    let size = size_for(needed(session)?);
    let mut file = slot(session, 1, durable);
    file.resize(SLOTS * size, 0);
    Ok(file)
}

/// What says of the slot `index` that it is on the disk, and where to write it.
pub(super) fn confirmation(index: usize, size: usize, number: u64) -> (u64, [u8; 8]) {
    ((index * size + 8) as u64, number.to_le_bytes())
}

/// How long a slot has to be for this session.
pub(super) fn needed(session: &StoredSession) -> io::Result<usize> {
    if session.bytes().len() > MAX_BYTES {
        let text = format!("a session holds at most {MAX_BYTES} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(HEADER + session.bytes().len())
}

/// The slots of a session that outgrew the smallest have a quarter to spare, so that one that grows
/// slowly is not copied at each save.
fn size_for(needed: usize) -> usize {
    if needed <= SMALLEST {
        return SMALLEST;
    }
    (needed + needed / 4).next_multiple_of(SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey::from_bytes([1; 16]);

    fn session(count: u64, len: usize) -> StoredSession {
        let version = Version {
            count,
            random: count ^ 0xabc,
        };
        let user = count
            .is_multiple_of(2)
            .then(|| UserKey::from_bytes([9; 16]));
        StoredSession::new(KEY, version, user, u64::MAX - count, vec![7; len])
    }

    fn written(file: &mut [u8], session: &StoredSession, durable: bool) -> usize {
        let slots = Slots::read(file.to_vec());
        let (index, number) = (slots.free().unwrap(), slots.next_number());
        let slot = slot(session, number, durable);
        file[index * slots.size()..][..slot.len()].copy_from_slice(&slot);
        index
    }

    fn confirm(file: &mut [u8]) {
        let (at, bytes) = Slots::read(file.to_vec()).confirm().unwrap();
        file[usize::try_from(at).unwrap()..][..8].copy_from_slice(&bytes);
    }

    fn count(file: &[u8]) -> Option<u64> {
        let newest = Slots::read(file.to_vec()).session(KEY)?;
        Some(newest.version().count)
    }

    #[test]
    fn a_session_comes_back_to_the_bit() {
        for (count, len) in [(1, 0), (2, 5), (4, 952), (5, 953), (6, 100_000)] {
            let stored = session(count, len);
            let file = file(&stored, false).unwrap();
            assert!(Slots::is_possible(file.len() as u64));
            let found = Slots::read(file).session(KEY).unwrap();
            assert_eq!(found.version(), stored.version());
            assert_eq!(found.user(), stored.user());
            assert_eq!(found.expires(), stored.expires());
            assert_eq!(found.bytes(), stored.bytes());
        }
        assert_eq!(file(&session(1, 952), false).unwrap().len(), 3 * 1024);
    }

    #[test]
    fn a_state_on_the_disk_is_not_written_over_until_a_newer_one_is_there() {
        let mut file = file(&session(0, 30), true).unwrap();
        confirm(&mut file);
        for number in 1..20 {
            assert_ne!(written(&mut file, &session(number, 30), false), 0);
        }
        // The next is to be on the disk, and its writer dies before it is.
        let unsure = written(&mut file, &session(20, 30), true);
        let third = written(&mut file, &session(21, 30), false);
        assert!(unsure != 0 && third != 0 && third != unsure);
        let slots = Slots::read(file.clone());
        assert_eq!(slots.free(), None, "both may be the last on the disk");
        confirm(&mut file);
        assert_eq!(Slots::read(file.clone()).free(), Some(0));
        assert_eq!(count(&file), Some(21));
    }

    #[test]
    fn a_state_whose_writer_did_not_hear_from_the_disk_is_unsure_until_it_is_confirmed() {
        let mut file = file(&session(0, 30), false).unwrap();
        assert!(!Slots::read(file.clone()).any_unsure());
        written(&mut file, &session(1, 30), true);
        written(&mut file, &session(2, 30), false);
        assert!(Slots::read(file.clone()).any_unsure());
        confirm(&mut file);
        assert!(!Slots::read(file).any_unsure());
    }

    #[test]
    fn what_says_that_a_slot_is_on_the_disk_does_not_say_it_of_the_next_one_there() {
        let mut file = file(&session(0, 30), true).unwrap();
        confirm(&mut file);
        assert!(Slots::read(file.clone()).any_on_disk());
        assert_eq!(written(&mut file, &session(1, 30), true), 1);
        confirm(&mut file);
        assert_eq!(Slots::read(file.clone()).free(), Some(2));
        assert_eq!(written(&mut file, &session(2, 30), false), 2);
        assert_eq!(written(&mut file, &session(3, 30), true), 0);
        let slots = Slots::read(file);
        assert!(slots.slots[0].is_some_and(|slot| slot.durable && !slot.on_disk));
    }
}
