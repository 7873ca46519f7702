//! From `main` to a running server: runtime, socket, signals.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use listenfd::ListenFd;
use tokio::net::TcpListener;

use crate::app::App;
use crate::app::reload;
use crate::app::serving::Serving;
use crate::app::signals::StopSignals;
use crate::app::site::Site;
use crate::app::stderr;
use crate::error::{Error, Result};
use crate::server;
use crate::server::descriptors;
use crate::settings::Settings;

/// How long blocking calls that outlive their requests may still take when the site has stopped.
const LAST_CALLS: Duration = Duration::from_secs(1);

#[cfg(not(feature = "cli"))]
impl App {
    /// Serves the site until it is asked to stop. With the feature `cli` there is a command line.
    pub fn run(self) -> std::process::ExitCode {
        match serve(self) {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(error) => {
                stderr::write(format!("error: {}\n", error.chain()).as_bytes());
                std::process::ExitCode::FAILURE
            }
        }
    }
}

/// Starts the site and serves it until a signal stops it.
pub(crate) fn serve(app: App) -> Result<()> {
    let _log = stderr::in_background();
    let signals = StopSignals::receive()?;
    descriptors::raise_limit();
    let serving = Serving::from_settings(app.settings()?)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(descriptors::blocking_threads());
    if let Some(workers) = serving.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    let served = runtime.block_on(async {
        let site = app.start().await?;
        let connections = site.0.context.limits.max_connections;
        let shortage = descriptors::shortage(site.settings(), connections);
        let hosts = site.0.context.hosts.warning(site.settings());
        let warnings = site.settings().warnings().into_iter();
        for warning in warnings.chain(shortage).chain(hosts) {
            tracing::warn!(target: "duck", "{warning}");
        }
        let listener = listen(site.settings(), &serving.address).await?;
        tokio::spawn(reload::when_asked(site.clone(), signals.clone()));
        let stop = signals.serving();
        stderr::write(banner(&site, listener.local_addr()?).as_bytes());
        server::serve(listener, site, stop).await;
        Ok(())
    });
    // Dropping the runtime would wait for blocking calls of views, however long they take.
    runtime.shutdown_timeout(LAST_CALLS);
    served
}

/// The socket handed over by systemd or `duck run`, else one of our own.
async fn listen(settings: &Settings, address: &str) -> Result<TcpListener> {
    if let Some(inherited) = ListenFd::from_env().take_tcp_listener(0)? {
        inherited.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(inherited)?);
    }
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program uses it; choose another port",
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; choose a higher one"
            }
            _ => "write it as \"127.0.0.1:8000\"",
        };
        Error::from(settings.error(
            "ADDRESS",
            format_args!("cannot listen on {address:?}: {error}; {hint}"),
        ))
    })
}

fn banner(site: &Site, address: SocketAddr) -> String {
    let mut banner = String::new();
    let mut line = |name: &str, text: &str| {
        writeln!(banner, "  {name:<10} {text}").expect("a String takes every write");
    };
    line("Duck", env!("CARGO_PKG_VERSION"));
    if site.0.context.debug {
        line(
            "settings",
            "DEBUG is on: errors show their cause to visitors",
        );
    }
    for (name, text) in &site.0.hooks.banner {
        line(name, text);
    }
    line("Serving", &format!("http://{address}    Ctrl-C stops"));
    banner
}
