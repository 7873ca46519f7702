//! What a server says of itself when it is connected to.

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

/// The first with `SET … PXAT`, and so with everything that is used here.
const LEAST_VERSION: (u32, u32) = (6, 2);

/// Sentences about a server that works, but not as sessions need it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) findings: Vec<String>,
}

impl Health {
    /// Writes what is new to the log.
    pub(super) fn warn_unless_known(&self, before: &Self) {
        let new = |finding: &&String| !before.findings.contains(finding);
        for finding in self.findings.iter().filter(new) {
            tracing::warn!(target: "duck_session", "Redis: {finding}");
        }
    }
}

/// What the servers say of themselves: their answers to `INFO`. An error where no session could be kept there.
pub(super) fn of(infos: &[String], is_cluster: bool) -> RedisResult<Health> {
    let mut health = Health::default();
    for info in infos {
        for finding in look_at(&Info(info), is_cluster)? {
            if !health.findings.contains(&finding) {
                health.findings.push(finding);
            }
        }
    }
    Ok(health)
}

/// The answer to `INFO`: lines of `name:value`.
struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
        self.0.lines().find_map(value).map(str::trim)
    }

    /// Major and minor.
    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.get("redis_version")?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// An error where no session could be kept there.
fn look_at(info: &Info<'_>, is_cluster: bool) -> RedisResult<Vec<String>> {
    if info
        .version()
        .is_some_and(|version| version < LEAST_VERSION)
    {
        return Err(unfit("is older than Redis 6.2"));
    }
    if info.get("role") == Some("slave") {
        return Err(unfit(
            "is a replica, which can be read only: name the primary, or let Sentinels name it (SESSION_REDIS_SENTINEL)",
        ));
    }
    if info.get("cluster_enabled") == Some("1") && !is_cluster {
        return Err(unfit(
            "is a node of a Cluster: write a list, [\"redis://…\", \"redis://…\"]",
        ));
    }
    let mut findings = Vec::new();
    let policy = info.get("maxmemory_policy").unwrap_or("noeviction");
    let is_bounded = info.get("maxmemory").is_some_and(|bytes| bytes != "0");
    if is_bounded && policy != "noeviction" {
        findings.push(format!(
            "maxmemory-policy is {policy}: when its memory is full, visitors who are logged in lose their sessions; noeviction"
        ));
    }
    Ok(findings)
}

fn unfit(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, why))
}

/// Whether nobody has answered, or only to say that it takes a while. Anything else is a mistake in the settings.
pub(super) fn is_away(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(info: &str) -> RedisResult<Vec<String>> {
        look_at(&Info(info), false)
    }

    #[test]
    fn a_server_that_evicts_sessions_is_found() {
        for policy in [
            "allkeys-lru",
            "volatile-ttl",
            "volatile-lfu",
            "allkeys-random",
        ] {
            let info =
                format!("redis_version:7.0.15\r\nmaxmemory:1\r\nmaxmemory_policy:{policy}\r\n");
            let found = findings(&info).unwrap();
            assert!(found[0].contains(policy), "{found:?}");
        }
        let unbounded = "maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert!(findings(unbounded).unwrap().is_empty());
        let full = "maxmemory:1\r\nmaxmemory_policy:noeviction\r\n";
        assert!(findings(full).unwrap().is_empty());
    }

    #[test]
    fn a_server_that_cannot_keep_sessions_is_refused() {
        for info in [
            "redis_version:6.0.16\r\n",
            "redis_version:5.0.14\r\n",
            "role:slave\r\n",
            "cluster_enabled:1\r\n",
        ] {
            assert!(findings(info).is_err(), "{info}");
        }
        assert!(findings("redis_version:6.2.0\r\nrole:master\r\ncluster_enabled:0\r\n").is_ok());
    }
}
