//! A connection that is to become a WebSocket, on its way from the view to the server.

use std::sync::{Arc, Mutex, PoisonError};

use super::socket::WebSocket;
use super::socket_limits::SocketLimits;
use crate::BoxFuture;
use crate::error::Result;
use crate::http::request::Request;

/// Runs a view.
pub(super) type Start =
    Box<dyn FnOnce(Request, WebSocket) -> BoxFuture<'static, Result<()>> + Send>;

/// A request for a WebSocket that was answered with 101.
pub(crate) struct Accepted {
    pub(super) request: Request,
    pub(super) limits: SocketLimits,
    pub(super) protocol: Option<&'static str>,
    pub(super) start: Start,
}

/// It rides along in the response, through the middleware. One that is not sent is dropped with it.
#[derive(Clone)]
pub(crate) struct Upgrade(Arc<Mutex<Option<Box<Accepted>>>>);

impl Upgrade {
    pub(super) fn new(accepted: Accepted) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(accepted)))))
    }

    /// What it is to become, once.
    pub(crate) fn take(&self) -> Option<Box<Accepted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
