//! Connections that have asked for nothing yet. One address may hold some of them, and not all there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::network_of;

/// How many connections each address has that did not send a whole request head yet.
pub(super) struct Newcomers {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Newcomers {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let counts = Mutex::default();
        Arc::new(Self { most, counts })
    }

    /// Counts one more, until what is returned is dropped. `None` when there are too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Newcomer> {
        let network = network_of(address);
        let mut counts = self.counts();
        let count = counts.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Newcomer {
            network,
            among: self.clone(),
        })
    }

    fn leave(&self, network: IpAddr) {
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&network);
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection that has asked for nothing yet.
pub(super) struct Newcomer {
    network: IpAddr,
    among: Arc<Newcomers>,
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.among.leave(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(newcomers: &Arc<Newcomers>, address: &str) -> Option<Newcomer> {
        newcomers.enter(address.parse().unwrap())
    }

    #[test]
    fn one_address_holds_so_many_and_others_are_let_in() {
        let newcomers = Newcomers::new(2);
        let held = [(); 2].map(|()| enter(&newcomers, "192.0.2.1").unwrap());
        assert!(enter(&newcomers, "192.0.2.1").is_none());
        assert!(enter(&newcomers, "::ffff:192.0.2.1").is_none());
        let other = enter(&newcomers, "192.0.2.2");
        assert!(other.is_some());
        drop(held);
        assert!(enter(&newcomers, "192.0.2.1").is_some());
        drop(other);
        assert!(newcomers.counts().is_empty(), "nothing is kept");
    }

    #[test]
    fn an_ipv6_client_is_a_network_of_64_bits() {
        let newcomers = Newcomers::new(1);
        let _held = enter(&newcomers, "2001:db8:1:2::1").unwrap();
        assert!(enter(&newcomers, "2001:db8:1:2:ffff::7").is_none());
        assert!(enter(&newcomers, "2001:db8:1:3::1").is_some());
    }
}
