use super::super::key::SessionKey;

/// Where a session stands in the order of all sessions: a number made of its key.
///
/// It is the row's id in SQLite, so that a read searches one tree. Two keys may share a place, but among
/// ten million sessions that has a chance of 1 in 300,000; the second of them counts as taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64);

impl Place {
    pub(super) fn of(key: &SessionKey) -> Self {
        let bytes = u128::from_be_bytes(*key.as_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let (high, low) = ((bytes >> 64) as u64, bytes as u64);
        // Keys are hashes. The factors spread those that a test makes up, too.
        let low = low.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let mixed = high.wrapping_add(low ^ (low >> 32));
        Self(mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The id of its row. Rows stand in the order of places.
    pub(super) fn row(self) -> i64 {
        (self.0 ^ (1 << 63)).cast_signed()
    }
}

/// The places that begin with the same bits: what one shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix {
    /// The first of the places.
    start: u64,
    /// How many bits they share.
    bits: u32,
}

/// More than a million shards are no use to anybody.
const MOST_BITS: u32 = 20;

/// What the shard of all places is called.
const ALL: &str = "all";

impl Prefix {
    pub(super) const ALL: Self = Self { start: 0, bits: 0 };

    /// The first `bits` bits of a place.
    fn of(place: Place, bits: u32) -> Self {
        let rest = u64::MAX.checked_shr(bits).unwrap_or(0);
        Self {
            start: place.0 & !rest,
            bits,
        }
    }

    /// The longest one that `place` begins with and that `taken` is true of for nothing inside it.
    pub(super) fn free(place: Place, taken: impl Fn(Self) -> bool) -> Self {
        let free = (0..MOST_BITS).map(|bits| Self::of(place, bits));
        free.into_iter()
            .find(|prefix| !taken(*prefix))
            .unwrap_or_else(|| Self::of(place, MOST_BITS))
    }

    pub(super) fn first(self) -> Place {
        Place(self.start)
    }

    pub(super) fn last(self) -> Place {
        Place(self.start | u64::MAX.checked_shr(self.bits).unwrap_or(0))
    }

    /// The place after the last one; `None` at the end of all.
    pub(super) fn after(self) -> Option<Place> {
        self.last().0.checked_add(1).map(Place)
    }

    pub(super) fn contains(self, place: Place) -> bool {
        self.first() <= place && place <= self.last()
    }

    pub(super) fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.first())
    }

    /// Its two halves; `None` where it is as short as one may be.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        let bits = self.bits + 1;
        let upper = self.start | (1 << (64 - bits));
        (bits <= MOST_BITS).then_some([Self { bits, ..self }, Self { start: upper, bits }])
    }

    /// Its bits, as part of a file name.
    pub(super) fn name(self) -> String {
        if self.bits == 0 {
            return ALL.to_owned();
        }
        let bit = |at| {
            if self.start >> (63 - at) & 1 == 1 {
                '1'
            } else {
                '0'
            }
        };
        (0..self.bits).map(bit).collect()
    }

    /// Reads a [`name`](Self::name).
    pub(super) fn parse(name: &str) -> Option<Self> {
        if name == ALL {
            return Some(Self::ALL);
        }
        let bits = u32::try_from(name.len()).ok()?;
        if !(1..=MOST_BITS).contains(&bits) || !name.bytes().all(|byte| matches!(byte, b'0' | b'1'))
        {
            return None;
        }
        let start = u64::from_str_radix(name, 2).ok()? << (64 - bits);
        Some(Self { start, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are part of the format.
    #[test]
    fn places_are_what_they_always_were() {
        let place = |bytes| Place::of(&SessionKey::from_bytes(bytes)).0;
        assert_eq!(place([0; 16]), 0);
        assert_eq!(place([0x11; 16]), 0x0A0D_4A43_F4DB_1B06);
        assert_eq!(place(7_u128.to_be_bytes()), 0x9309_D075_E486_3D3B);
    }

    #[test]
    fn keys_that_differ_little_have_places_far_apart() {
        let mut places: Vec<_> = (0..128)
            .map(|bit| Place::of(&SessionKey::from_bytes((1_u128 << bit).to_be_bytes())).0 >> 40)
            .collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 64, "{} places", places.len());
    }

    #[test]
    fn rows_stand_in_the_order_of_places() {
        let places = [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX].map(Place);
        assert!(places.is_sorted_by(|one, other| one.row() < other.row()));
    }

    #[test]
    fn the_halves_of_a_prefix_are_all_of_it() {
        let mut prefix = Prefix::ALL;
        while let Some([lower, upper]) = prefix.halves() {
            assert_eq!(lower.first(), prefix.first());
            assert_eq!(lower.after(), Some(upper.first()));
            assert_eq!(upper.last(), prefix.last());
            assert!(prefix.covers(lower) && !lower.covers(upper) && !upper.covers(prefix));
            prefix = upper;
        }
        assert_eq!(prefix.bits, MOST_BITS);
        assert_eq!(prefix.after(), None);
    }

    #[test]
    fn names_are_read_as_they_were_written_and_nothing_else_is() {
        for name in ["all", "0", "1", "0110", "11111111111111111111"] {
            assert_eq!(Prefix::parse(name).unwrap().name(), name);
        }
        for bad in ["", "2", "0a", "+1", "ALL", "111111111111111111111"] {
            assert_eq!(Prefix::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_free_is_as_large_as_it_can_be() {
        let taken = [Prefix::parse("01").unwrap(), Prefix::parse("10").unwrap()];
        let free = |bits| {
            let place = Prefix::parse(bits).unwrap().first();
            Prefix::free(place, |prefix| taken.iter().any(|it| prefix.covers(*it)))
        };
        assert_eq!(free("001").name(), "00");
        assert_eq!(free("110").name(), "11");
        assert_eq!(Prefix::free(Place(7), |_| false), Prefix::ALL);
    }
}
