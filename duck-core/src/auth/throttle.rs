//! Slows down whoever guesses passwords.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::refused::Refused;
use crate::http::network_of;
use crate::middleware::limiter::Limiter;

/// Wrong tries of one name from one address: five, and one more every half a minute.
const NAME: (NonZeroU32, Duration) = (NonZeroU32::new(5).unwrap(), Duration::from_secs(30));

/// Wrong tries from one address, whatever the name: fifty, and ten more a minute. A whole office may be
/// behind it.
const ADDRESS: (NonZeroU32, Duration) = (NonZeroU32::new(50).unwrap(), Duration::from_secs(6));

/// Counts the wrong tries of a site, in this process.
pub(super) struct Throttle {
    /// Keys are numbers that nobody can foresee, so that what they stand for is not kept.
    keys: RandomState,
    names: Limiter,
    addresses: Limiter,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            keys: RandomState::new(),
            names: Limiter::new(NAME.0, NAME.1),
            addresses: Limiter::new(ADDRESS.0, ADDRESS.1),
        }
    }

    /// Counts a try as a wrong one, until [`Try::was_not_wrong`] says otherwise: of many that run side by
    /// side, no more are let through than of those that come one after the other.
    ///
    /// Nobody but this address has to wait for what it tried, so that nobody is locked out by others.
    pub(super) fn count(&self, name: &str, address: Option<IpAddr>) -> Result<Try<'_>, Refused> {
        let network = address.map(network_of);
        let address = self.keys.hash_one(network);
        let name = self.keys.hash_one((letters(name), network));
        self.addresses.count(address).map_err(Refused::Wait)?;
        self.names.count(name).map_err(Refused::Wait)?;
        Ok(Try {
            throttle: self,
            name,
            address,
        })
    }
}

/// One try, counted as wrong.
pub(super) struct Try<'a> {
    throttle: &'a Throttle,
    name: u64,
    address: u64,
}

impl Try<'_> {
    /// Takes it back: who knows a password has not used up a try, and has none more for other names.
    pub(super) fn was_not_wrong(self) {
        self.throttle.addresses.take_back(self.address);
        self.throttle.names.take_back(self.name);
    }
}

/// What all ways to write a name have in common: a site's query may pass over upper case, spaces, and
/// whatever else a visitor adds. Two users whose names differ in nothing else share their tries from one address.
fn letters(name: &str) -> String {
    let lower = name.chars().flat_map(char::to_lowercase);
    let letters: String = lower.filter(|letter| letter.is_alphanumeric()).collect();
    if letters.is_empty() {
        return name.to_owned();
    }
    letters
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn count<'a>(throttle: &'a Throttle, name: &str, address: &str) -> Result<Try<'a>, Refused> {
        throttle.count(name, Some(address.parse().unwrap()))
    }

    /// How many tries of this name are let through one after the other, of a hundred.
    fn let_through(throttle: &Throttle, name: &str, address: &str) -> usize {
        (0..100)
            .filter(|_| count(throttle, name, address).is_ok())
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn five_wrong_tries_of_a_name_and_one_more_every_half_a_minute() {
        let throttle = Throttle::new();
        assert_eq!(let_through(&throttle, "ada", "192.0.2.1"), 5);
        let throttle = Throttle::new();
        for _ in 0..5 {
            assert!(count(&throttle, "ada", "192.0.2.1").is_ok());
        }
        let wait = |name: &str, address: &str| count(&throttle, name, address).err();
        assert_eq!(wait("ada", "192.0.2.1"), Some(Refused::Wait(30)));
        assert_eq!(wait("ADA", "192.0.2.1"), Some(Refused::Wait(30)), "letters");
        assert_eq!(wait("ada", "::ffff:192.0.2.1"), Some(Refused::Wait(30)));
        assert_eq!(wait("ada", "192.0.2.2"), None, "the user, somewhere else");
        assert_eq!(wait("bob", "192.0.2.1"), None, "somebody else there");
        advance(Duration::from_millis(29_500)).await;
        assert_eq!(wait("ada", "192.0.2.1"), Some(Refused::Wait(1)));
        advance(Duration::from_millis(500)).await;
        assert_eq!(wait("ada", "192.0.2.1"), None);
        assert_eq!(wait("ada", "192.0.2.1"), Some(Refused::Wait(30)));
        advance(Duration::from_secs(5 * 30)).await;
        assert_eq!(let_through(&throttle, "ada", "192.0.2.1"), 5, "all again");
    }

    #[tokio::test(start_paused = true)]
    async fn other_ways_to_write_a_name_give_it_no_more_tries() {
        let throttle = Throttle::new();
        let names = [
            "ada",
            "ADA",
            "ada ",
            " ada",
            "\tada",
            "a\u{200b}da",
            "ada\u{a0}",
            "\u{feff}ada",
            "a.da",
            "ada\u{301}",
        ];
        let tries = names
            .iter()
            .filter(|name| count(&throttle, name, "192.0.2.1").is_ok());
        assert_eq!(tries.count(), 5);
        assert!(count(&throttle, "...", "192.0.2.1").is_ok());
        assert_eq!(let_through(&throttle, "!!!", "192.0.2.1"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_wrong_tries_from_an_address_whatever_the_names() {
        let throttle = Throttle::new();
        let tries = (0..1000).map(|n| count(&throttle, &format!("user{n}"), "192.0.2.1"));
        assert_eq!(tries.flatten().count(), 50);
        assert_eq!(
            count(&throttle, "bob", "192.0.2.1").err(),
            Some(Refused::Wait(6))
        );
        assert!(count(&throttle, "bob", "192.0.2.2").is_ok());
        advance(Duration::from_mins(1)).await;
        let tries = (0..1000).map(|n| count(&throttle, &format!("other{n}"), "192.0.2.1"));
        assert_eq!(tries.flatten().count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_address() {
        let throttle = Throttle::new();
        let tries = (0..100).filter(|n| {
            let address = format!("2001:db8:1:2:{n:x}::{n:x}");
            count(&throttle, "ada", &address).is_ok()
        });
        assert_eq!(tries.count(), 5);
        assert!(count(&throttle, "ada", "2001:db8:1:3::1").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_wrong_uses_no_tries_up() {
        let throttle = Throttle::new();
        for _ in 0..1000 {
            count(&throttle, "ada", "192.0.2.1")
                .unwrap()
                .was_not_wrong();
        }
        assert_eq!(let_through(&throttle, "ada", "192.0.2.1"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_of_ones_own_gives_no_tries_for_other_names() {
        let throttle = Throttle::new();
        let mut guesses = 0;
        for n in 0..1000 {
            if let Ok(own) = count(&throttle, "mallory", "192.0.2.1") {
                own.was_not_wrong();
            }
            guesses += usize::from(count(&throttle, &format!("user{n}"), "192.0.2.1").is_ok());
        }
        assert_eq!(guesses, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_stays_within_bounds_and_frees_nobody_who_waits() {
        let throttle = Throttle::new();
        assert_eq!(let_through(&throttle, "ada", "192.0.2.1"), 5);
        for n in 0..300_000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            assert!(throttle.count("ada", Some(address)).is_ok());
            assert!(throttle.names.len() <= 1 << 16);
            assert!(throttle.addresses.len() <= 1 << 16);
        }
        assert!(count(&throttle, "ada", "192.0.2.1").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn visitors_without_an_address_are_counted_together() {
        let throttle = Throttle::new();
        let tries = (0..100).filter(|_| throttle.count("ada", None).is_ok());
        assert_eq!(tries.count(), 5);
    }
}
