//! Counts requests: a middleware around those added after it. `Cors` and `Compression` stand outside.

use std::time::Instant;

use ::metrics::Gauge;

use crate::error::Result;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::{Middleware, Next};

pub(super) struct Count {
    in_flight: Gauge,
}

impl Count {
    pub(super) fn new() -> Self {
        Self {
            in_flight: ::metrics::gauge!("duck_requests_in_flight"),
        }
    }
}

impl Middleware for Count {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let start = Instant::now();
        let mut under_way = UnderWay {
            in_flight: &self.in_flight,
            request: &request,
            is_answered: false,
        };
        self.in_flight.increment(1);
        let response = next.run(request.clone()).await;
        under_way.is_answered = true;
        drop(under_way);
        let route = request.route();
        route.meter.answered(
            route.path.as_deref(),
            request.method(),
            response.status(),
            start.elapsed(),
        );
        Ok(response)
    }
}

/// A request, until it is answered or dropped: its client has left then.
struct UnderWay<'a> {
    in_flight: &'a Gauge,
    request: &'a Request,
    is_answered: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.in_flight.decrement(1);
        if !self.is_answered {
            let route = self.request.route();
            let meter = &route.meter;
            meter.left(route.path.as_deref(), self.request.method());
        }
    }
}
