//! Where a site listens while it serves.

use std::fmt::Display;
use std::io::ErrorKind;

#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "tls")]
use futures_util::FutureExt;
use listenfd::ListenFd;

#[cfg(feature = "tls")]
use crate::BoxFuture;
#[cfg(feature = "tls")]
use crate::app::https::{Https, REDIRECT, check_hosts};
#[cfg(feature = "tls")]
use crate::app::https_redirect;
use crate::app::serving::Serving;
use crate::app::setup::Reload;
use crate::app::site::Site;
use crate::error::Result;
use crate::server;
use crate::server::socket::{Socket, unix_path};
use crate::server::threads::Threads;
#[cfg(feature = "tls")]
use crate::server::{Certificate, Tls};
use crate::settings::{Settings, SettingsError};

/// The open sockets of a site.
pub(crate) struct Listening {
    socket: Socket,
    #[cfg(feature = "tls")]
    https: Option<Encrypted>,
}

/// What a site has that speaks HTTPS itself.
#[cfg(feature = "tls")]
struct Encrypted {
    certificate: Certificate,
    redirect: Option<Socket>,
    /// Where the redirect leads.
    port: u16,
}

impl Listening {
    /// The sockets handed over by systemd or `duck run`, else ones of our own. Of those handed over the first is
    /// the site's, and a second one is that of the redirect to HTTPS.
    pub(crate) async fn open(settings: &Settings, serving: &Serving) -> Result<Self> {
        let mut handed_over = ListenFd::from_env();
        let socket = match Socket::inherited(&mut handed_over, 0)? {
            Some(socket) => socket,
            None => open(settings, serving).await?,
        };
        #[cfg(feature = "tls")]
        let https = match &serving.https {
            Some(https) => Some(Encrypted::new(https, settings, &socket, &mut handed_over).await?),
            None => None,
        };
        Ok(Self {
            socket,
            #[cfg(feature = "tls")]
            https,
        })
    }

    /// What the banner says of it: names and texts, in order.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let address = self.socket.address();
        #[cfg(feature = "tls")]
        if let Some(https) = &self.https {
            let redirect = https.redirect.iter();
            let redirect = redirect.map(|from| ("redirect", format!("http://{from} to HTTPS")));
            let site = ("Serving", format!("https://{}", self.socket));
            return redirect.chain([site]).collect();
        }
        let scheme = address.map_or("", |_| "http://");
        vec![("Serving", format!("{scheme}{}", self.socket))]
    }

    /// What can be read anew while it serves.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_self, reason = "only a certificate is read anew")
    )]
    pub(crate) fn reloads(&self) -> Vec<Reload> {
        #[cfg(feature = "tls")]
        if let Some(https) = &self.https {
            let certificate = https.certificate.clone();
            let what = "TLS_CERT and TLS_KEY".to_owned();
            let task = Arc::new(move || -> BoxFuture<'static, Result<()>> {
                let certificate = certificate.clone();
                Box::pin(async move { Ok(certificate.reload()?) })
            });
            return vec![Reload { what, task }];
        }
        Vec::new()
    }

    /// Serves until `stop` is done.
    pub(crate) async fn serve(
        self,
        threads: &Threads,
        site: Site,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        #[cfg(feature = "tls")]
        if let Some(https) = self.https {
            return https.serve(self.socket, threads, site, stop).await;
        }
        server::serve_on(threads, self.socket, site, stop).await;
        Ok(())
    }
}

#[cfg(feature = "tls")]
impl Encrypted {
    async fn new(
        https: &Https,
        settings: &Settings,
        socket: &Socket,
        handed_over: &mut ListenFd,
    ) -> Result<Self> {
        let certificate = https.certificate(settings)?;
        let redirect = match (&https.redirect, Socket::inherited(handed_over, 1)?) {
            (_, Some(socket)) => {
                check_hosts(settings)?;
                Some(socket)
            }
            (Some(address), None) => Some(tcp(settings, REDIRECT, address).await?),
            (None, None) => None,
        };
        let own = || Some(socket.address()?.port());
        Ok(Self {
            certificate,
            redirect,
            port: https.port.or_else(own).unwrap_or(443),
        })
    }

    async fn serve(
        self,
        socket: Socket,
        threads: &Threads,
        site: Site,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let redirect = match self.redirect {
            Some(socket) => Some((socket, https_redirect::site(&site, self.port)?)),
            None => None,
        };
        // It ends with the runtime.
        tokio::spawn(self.certificate.clone().follow());
        let stop = stop.shared();
        let encrypted = Tls::new(socket, &self.certificate);
        let serve = server::serve_on(threads, encrypted, site, stop.clone());
        match redirect {
            Some((socket, site)) => {
                let redirect = server::serve_on(threads, socket, site, stop);
                tokio::join!(serve, redirect);
            }
            None => serve.await,
        }
        Ok(())
    }
}

async fn open(settings: &Settings, serving: &Serving) -> Result<Socket, SettingsError> {
    let Some(path) = unix_path(&serving.address) else {
        return tcp(settings, "ADDRESS", &serving.address).await;
    };
    let path = settings.resolve(path);
    let mode = serving.mode(settings)?;
    Socket::unix(&path, mode).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there",
            ErrorKind::NotFound => "make its folder first",
            _ => "choose a path that this user may write to",
        };
        cannot_listen(settings, "ADDRESS", path.display(), &error, hint)
    })
}

async fn tcp(
    settings: &Settings,
    key: &'static str,
    address: &str,
) -> Result<Socket, SettingsError> {
    Socket::tcp(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program uses it; choose another port",
            ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one",
            _ => "write it as \"127.0.0.1:8000\"",
        };
        cannot_listen(settings, key, format_args!("{address:?}"), &error, hint)
    })
}

fn cannot_listen(
    settings: &Settings,
    key: &'static str,
    place: impl Display,
    error: &std::io::Error,
    hint: &str,
) -> SettingsError {
    settings.error(
        key,
        format_args!("cannot listen on {place}: {error}; {hint}"),
    )
}
