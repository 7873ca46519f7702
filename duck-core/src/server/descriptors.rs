//! Open files: how many the process may have, and how many connections that leaves room for.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// The least that is kept back for what is not a connection: storages, the log, static files and
/// uploads that are on their way. It is a quarter of the limit where that is more.
const RESERVE: u64 = 64;

/// Raises the limit on open files as far as the process may: from the soft limit, which is low for
/// programs that know no better, to the hard one.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Some systems have a limit of their own below the hard one. Then the soft one has to do.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// How many of so many connections fit into the limit. At least one.
pub(crate) fn fit(connections: usize) -> usize {
    limit().map_or(connections, |limit| fit_into(limit, connections))
}

/// What to say where not all connections fit into the limit.
pub(crate) fn shortage(settings: &Settings, connections: usize) -> Option<String> {
    let limit = limit()?;
    let (fit, needed) = (fit_into(limit, connections), needed(connections));
    let message = format!(
        "{connections} connections do not fit into the limit of {limit} open files; {fit} do, and others wait. \
         Raise the limit to {needed} (`LimitNOFILE={needed}` in a systemd unit, `ulimit -n {needed}` in a shell), \
         or set it to {fit}"
    );
    (fit < connections).then(|| settings.error("MAX_CONNECTIONS", message).to_string())
}

/// How many threads may do blocking work at once, such as writing sessions or reading files. Each has four
/// files open at most, and together they have what static files that are being sent leave of the reserve.
pub(crate) fn blocking_threads() -> usize {
    limit().map_or(MOST_THREADS, threads_within)
}

/// As many as tokio has by itself.
const MOST_THREADS: usize = 512;

fn threads_within(limit: u64) -> usize {
    usize::try_from(limit / 8 / 4).map_or(MOST_THREADS, |threads| threads.clamp(4, MOST_THREADS))
}

/// How many static files are being sent that take more than one piece.
static FILES: AtomicU64 = AtomicU64::new(0);

/// The right to keep a static file open while it is sent.
#[derive(Debug)]
pub(crate) struct FileBeingSent(());

impl FileBeingSent {
    /// There may be an eighth of the limit, which is half of the reserve: the other half is left to
    /// the storages. `None` where that many are being sent.
    pub(crate) fn new() -> Option<Self> {
        let most = limit().map_or(u64::MAX, |limit| limit / 8);
        let file = Self(());
        let others = FILES.fetch_add(1, Ordering::Relaxed);
        // One that is too many is given back here.
        (others < most).then_some(file)
    }
}

impl Drop for FileBeingSent {
    fn drop(&mut self) {
        FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The limit as it is now; `None` where there is none.
fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The least limit into which so many connections fit.
fn needed(connections: usize) -> u64 {
    let connections = connections as u64;
    connections
        .saturating_mul(4)
        .div_ceil(3)
        .max(connections.saturating_add(RESERVE))
}

fn fit_into(limit: u64, connections: usize) -> usize {
    let fit = limit.saturating_sub(RESERVE.max(limit.div_ceil(4))).max(1);
    usize::try_from(fit).map_or(connections, |fit| fit.min(connections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_back_from_connections() {
        for (limit, fit) in [
            (20_000, 10_000),
            (13_334, 10_000),
            (13_333, 9_999),
            (1024, 768),
            (256, 192),
            (128, 64),
            (65, 1),
            (3, 1),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(fit_into(limit, 10_000), fit, "{limit}");
        }
    }

    #[test]
    fn blocking_work_has_the_other_half_of_the_reserve() {
        for (limit, threads) in [
            (64, 4),
            (256, 8),
            (1024, 32),
            (20_000, 512),
            (u64::MAX, 512),
        ] {
            assert_eq!(threads_within(limit), threads, "{limit}");
        }
    }

    #[test]
    fn the_limit_that_is_asked_for_is_the_least_that_does() {
        for connections in [1, 2, 3, 100, 191, 192, 193, 194, 10_000, 1_000_001] {
            let needed = needed(connections);
            assert_eq!(fit_into(needed, connections), connections, "{connections}");
            let fewer = fit_into(needed - 1, connections);
            assert!(fewer < connections || connections == 1, "{connections}");
        }
        assert!(needed(usize::MAX) > usize::MAX as u64 / 4);
    }
}
