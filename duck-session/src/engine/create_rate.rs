//! Keeps one address from filling the storage with sessions: rule 60.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use duck::http::network_of;
use tokio::time::Instant;

/// What is counted together.
const MINUTE: Duration = Duration::from_mins(1);

/// Beyond so many addresses in a minute the counting begins anew: memory stays bounded.
const MOST_ADDRESSES: usize = 100_000;

/// How many new anonymous sessions each address began in this minute.
#[derive(Debug)]
pub(crate) struct CreateRate {
    most: Option<u32>,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    since: Instant,
    by_address: HashMap<IpAddr, u32>,
}

impl CreateRate {
    /// At most so many a minute; without a number any.
    pub(crate) fn new(most: Option<u32>) -> Self {
        Self {
            most,
            counts: Mutex::new(Counts {
                since: Instant::now(),
                by_address: HashMap::new(),
            }),
        }
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.most.is_some()
    }

    /// Whether one more may begin. Visitors without an address (in tests) always may.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        let (Some(most), Some(address)) = (self.most, address) else {
            return true;
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.since.elapsed() >= MINUTE || counts.by_address.len() >= MOST_ADDRESSES {
            counts.since = Instant::now();
            counts.by_address.clear();
        }
        let count = counts.by_address.entry(network_of(address)).or_default();
        *count = count.saturating_add(1);
        *count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rate: &CreateRate, address: &str) -> bool {
        rate.allows(Some(address.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_address_has_its_own_count_for_a_minute() {
        let rate = CreateRate::new(Some(2));
        assert!(allows(&rate, "10.0.0.1") && allows(&rate, "10.0.0.1"));
        assert!(!allows(&rate, "10.0.0.1"));
        assert!(allows(&rate, "10.0.0.2"), "another address");
        tokio::time::advance(MINUTE).await;
        assert!(allows(&rate, "10.0.0.1"), "another minute");
    }

    #[test]
    fn an_ipv6_network_is_one_visitor() {
        let rate = CreateRate::new(Some(1));
        assert!(allows(&rate, "2001:db8:1:2::1"));
        assert!(!allows(&rate, "2001:db8:1:2:ffff::2"));
        assert!(allows(&rate, "2001:db8:1:3::1"));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let rate = CreateRate::new(None);
        assert!((0..1000).all(|_| allows(&rate, "10.0.0.1")));
        assert!(rate.counts.lock().unwrap().by_address.is_empty());
    }
}
