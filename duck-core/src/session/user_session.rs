use std::time::SystemTime;

/// One of the sessions of a user: a line of "where you are logged in".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserSession {
    /// What [`Session::revoke`](crate::Session::revoke) knows it by. It is not the id, and opens nothing.
    pub name: String,
    /// When it began.
    pub created: SystemTime,
    /// When the user logged in.
    pub logged_in: SystemTime,
    /// When it was last seen, to within `SESSION_TOUCH_INTERVAL`.
    pub last_seen: SystemTime,
    /// What the browser said it was when the user logged in, cut short.
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl UserSession {
    /// A session that began, logged in and was last seen at this time.
    pub fn new(name: String, at: SystemTime) -> Self {
        Self {
            name,
            created: at,
            logged_in: at,
            last_seen: at,
            agent: None,
            is_current: false,
        }
    }
}
