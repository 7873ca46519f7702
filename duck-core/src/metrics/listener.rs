//! Answers at `METRICS_ADDRESS`. A few clients at a time, one request each, within a deadline: whoever does not read is
//! closed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use super::process;
use crate::app::context::Context;
use crate::app::ready_state::ReadyState;
use crate::middleware::allowed_hosts::AllowedHosts;
use crate::server::traffic::Traffic;

/// Clients at a time. More have to wait.
const MOST_CLIENTS: usize = 16;

/// From a connection to its end.
const DEADLINE: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const HEAD: usize = 16 * 1024;

/// How often what the histograms were told is summed up: nobody may ask for it.
const UPKEEP: Duration = Duration::from_secs(5);

pub(super) struct Listener {
    socket: TcpListener,
    inner: Arc<Inner>,
}

struct Inner {
    handle: PrometheusHandle,
    context: Arc<Context>,
    /// Which hosts a request may name, where the pages of a browser on this machine reach the socket.
    hosts: Option<AllowedHosts>,
}

impl Listener {
    pub(super) fn new(
        socket: TcpListener,
        handle: PrometheusHandle,
        context: Arc<Context>,
    ) -> Self {
        let is_loopback = socket.local_addr().is_ok_and(|it| it.ip().is_loopback());
        let hosts = is_loopback.then(AllowedHosts::addresses);
        let inner = Arc::new(Inner {
            handle,
            context,
            hosts,
        });
        Self { socket, inner }
    }

    /// Answers without end.
    pub(super) async fn serve(self) {
        let mut upkeep = interval(UPKEEP);
        let look_after = async {
            loop {
                upkeep.tick().await;
                self.inner.handle.run_upkeep();
            }
        };
        tokio::select! {
            () = self.accept() => {}
            () = look_after => {}
        }
    }

    async fn accept(&self) {
        let room = Arc::new(Semaphore::new(MOST_CLIENTS));
        let mut clients = JoinSet::new();
        // Nobody closes this semaphore.
        while let Ok(permit) = room.clone().acquire_owned().await {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let inner = self.inner.clone();
                    clients.spawn(async move {
                        let _ = timeout(DEADLINE, inner.answer_one(stream)).await;
                        drop(permit);
                    });
                }
                // The process has no descriptors left, say.
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
            while clients.try_join_next().is_some() {}
        }
    }
}

impl Inner {
    /// What goes wrong with a connection is the client's affair: it asks again.
    async fn answer_one(&self, stream: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(request).await));
        let mut server = http1::Builder::new();
        server.keep_alive(false).max_buf_size(HEAD);
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_for_here(&request) {
            return plain(StatusCode::BAD_REQUEST, "400 Bad Request\n".to_owned());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "405 Method Not Allowed\n".to_owned(),
            );
        }
        match request.uri().path() {
            "/metrics" => plain(StatusCode::OK, self.metrics()),
            "/-/live" => json(StatusCode::OK, &serde_json::json!({"live": true})),
            "/-/ready" => {
                let state = ReadyState::of(&self.context).await;
                json(state.status(), &state.json())
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                "404 Not Found: here are /metrics, /-/live and /-/ready\n".to_owned(),
            ),
        }
    }

    fn is_for_here(&self, request: &Request<Incoming>) -> bool {
        let (uri, headers) = (request.uri(), request.headers());
        self.hosts.as_ref().is_none_or(|hosts| {
            hosts
                .check(request.version(), uri, headers, || None)
                .is_ok()
        })
    }

    fn metrics(&self) -> String {
        let traffic = Traffic::now();
        ::metrics::counter!("duck_received_bytes_total").absolute(traffic.received);
        ::metrics::counter!("duck_sent_bytes_total").absolute(traffic.sent);
        ::metrics::gauge!("duck_connections").set(process::float(traffic.open));
        process::look();
        self.handle.render()
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; version=0.0.4; charset=utf-8", text)
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    answer(status, "application/json", format!("{value}\n"))
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
