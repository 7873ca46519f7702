//! Sentinels: who knows which server is the primary.

use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{Client, ConnectionInfo, RedisResult};

/// They are asked for each new connection. A client of theirs keeps connections, which belong to the runtime that they
/// were made in: so each time has one of its own.
pub(super) struct Sentinels {
    /// Where they are, and what they ask for.
    pub(super) places: Vec<ConnectionInfo>,
    /// The name that they know the primary by.
    pub(super) name: String,
    /// What the servers ask for.
    pub(super) login: SentinelNodeConnectionInfo,
}

impl Sentinels {
    /// The server that they name.
    pub(super) async fn primary(&self) -> RedisResult<Client> {
        self.client()?.async_get_client().await
    }

    /// An error where a setting does not fit.
    pub(super) fn client(&self) -> RedisResult<SentinelClient> {
        let (places, login) = (self.places.clone(), self.login.clone());
        SentinelClient::build(places, &self.name, Some(login), SentinelServerType::Master)
    }
}
