//! Reads anew what can be read without a restart, and says what cannot.

use crate::BoxFuture;
use crate::app::setup::Reload;
use crate::app::signals::StopSignals;
use crate::app::site::Site;

/// Reloads whenever a signal asks for it: what components have, and what the server has.
pub(crate) fn when_asked(
    site: Site,
    servers: Vec<Reload>,
    signals: StopSignals,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        loop {
            signals.reload().await;
            reload(&site, &servers).await;
        }
    })
}

async fn reload(site: &Site, servers: &[Reload]) {
    let hooks = &site.0.hooks.reload;
    for Reload { what, task } in hooks.iter().chain(servers) {
        match task().await {
            Ok(()) => tracing::info!(target: "duck", "reloaded: {what}"),
            Err(error) => {
                let cause = error.chain();
                tracing::error!(target: "duck", cause, "could not be reloaded, and stays as it was: {what}");
            }
        }
    }
    if hooks.is_empty() && servers.is_empty() {
        tracing::info!(target: "duck", "SIGHUP: nothing of this site can be reloaded without a restart");
    }
    match site.settings().changed() {
        Ok(changed) => {
            for key in changed {
                tracing::warn!(target: "duck", "{key}");
            }
        }
        Err(error) => {
            tracing::error!(target: "duck", %error, "with these settings the site would not start again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::app::{App, Setup};
    use crate::error::Error;
    use crate::settings::Settings;

    #[tokio::test]
    async fn what_cannot_be_reloaded_keeps_nothing_else_from_it() {
        let calls = Arc::new(AtomicU32::new(0));
        let counts = calls.clone();
        let app = App::new(Settings::default()).with(async move |setup: &mut Setup<'_>| {
            setup.on_reload("a file that is gone", || async {
                Err(Error::internal("it is gone"))
            });
            setup.on_reload("a counter", move || {
                counts.fetch_add(1, Ordering::Relaxed);
                async { Ok(()) }
            });
            Ok(())
        });
        let site = app.start().await.unwrap();
        for times in 1..4 {
            reload(&site, &[]).await;
            assert_eq!(calls.load(Ordering::Relaxed), times);
        }
    }
}
