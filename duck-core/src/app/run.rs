//! From `main` to a running server: runtime, socket, signals.

use std::fmt::Write as _;
use std::time::Duration;

use crate::app::App;
use crate::app::listening::Listening;
use crate::app::reload;
use crate::app::serving::Serving;
use crate::app::signals::StopSignals;
use crate::app::site::Site;
use crate::app::stderr;
use crate::error::Result;
use crate::server::descriptors;

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
    // What the site is started in, and does besides answering requests; with `WORK_STEALING = true` it answers too.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(descriptors::blocking_threads());
    if let Some(workers) = serving.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    let threads = serving.threads(runtime.handle())?;
    let served = runtime.block_on(async {
        let site = app.start().await?;
        let connections = site.0.context.limits.max_connections;
        let shortage = descriptors::shortage(site.settings(), connections);
        let hosts = site.0.context.hosts.warning(site.settings());
        let warnings = site.settings().warnings().into_iter();
        for warning in warnings.chain(shortage).chain(hosts) {
            tracing::warn!(target: "duck", "{warning}");
        }
        let listening = Listening::open(site.settings(), &serving).await?;
        tokio::spawn(reload::when_asked(
            site.clone(),
            listening.reloads(),
            signals.clone(),
        ));
        let stop = signals.serving();
        stderr::write(banner(&site, &listening).as_bytes());
        listening.serve(&threads, site, stop).await
    });
    // Dropping these would wait for views that block, however long they do.
    threads.end(LAST_CALLS);
    runtime.shutdown_timeout(LAST_CALLS);
    served
}

fn banner(site: &Site, listening: &Listening) -> String {
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
    for (name, text) in listening.lines() {
        let stops = if name == "Serving" {
            "    Ctrl-C stops"
        } else {
            ""
        };
        line(name, &format!("{text}{stops}"));
    }
    banner
}
