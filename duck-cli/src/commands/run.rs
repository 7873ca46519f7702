//! `duck run`

use std::path::Path;
use std::sync::mpsc::Sender;

use crate::args::Run;
use crate::banner;
use crate::failure::Result;
use crate::https::Https;
use crate::reload::{Event, Options, Reload};
use crate::report;
use crate::settings::Settings;
use crate::signals;
use crate::site::Site;
use crate::socket;
use crate::watch::{self, FOLDERS, Watcher};

/// Builds and serves the site here until it is stopped.
pub(crate) fn run(args: &Run) -> Result {
    let site = Site::here()?;
    let settings = Settings::load(&site.root)?;
    let (host, port) = settings.address()?;
    let host = args.host.as_deref().unwrap_or(&host);
    let listener = socket::listen(host, args.port.unwrap_or(port))?;
    let options = Options {
        release: args.release,
        wait_for_edits: !args.no_reload,
        https: Https::of(&settings, args.https),
    };

    banner::show(&site, &settings);
    let root = site.root.clone();
    let mut reload = Reload::new(site, listener, options);
    signals::stop(reload.sender())?;
    let _watcher = options
        .wait_for_edits
        .then(|| follow_edits(&root, reload.sender()))
        .transpose()?;
    reload.run()
}

fn follow_edits(root: &Path, sender: Sender<Event>) -> Result<Watcher> {
    let settings = Settings::path(root);
    // Nobody listens once `duck run` is over.
    let tell = move |edit| drop(sender.send(Event::Edited(edit)));
    let watcher = watch::watch(root, &settings, tell)?;
    let folders: Vec<&str> = FOLDERS
        .into_iter()
        .filter(|name| root.join(name).is_dir())
        .collect();
    report::note(
        "Watching",
        format_args!(
            "{} Cargo.toml {} .env",
            folders.join(" "),
            settings.strip_prefix(root).unwrap_or(&settings).display()
        ),
    );
    Ok(watcher)
}
