//! Which edits call for what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{
    DebounceEventResult, DebouncedEvent, Debouncer, RecommendedCache, new_debouncer,
};

use crate::failure::{Context, Result};

/// Editors write a file in several steps; these are taken as one.
const QUIET: Duration = Duration::from_millis(60);

/// The folders that are watched, with all that is in them. Of the site's own folder, only the files.
pub(crate) const FOLDERS: [&str; 5] = ["src", "templates", "static", "migrations", "vendor"];

/// What an edit asks for. The greater stands over the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Nothing: the site reads the file at each request.
    Nothing,
    /// The site reads it when it starts.
    Restart,
    /// It is compiled in.
    Build,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The file, as the site's folder leads to it.
    pub(crate) path: PathBuf,
    pub(crate) need: Need,
}

/// Keeps watching until it is dropped.
pub(crate) type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

/// Watches the site in `root` that has these settings, and tells of edits on another thread.
pub(crate) fn watch(
    root: &Path,
    settings: &Path,
    tell: impl Fn(Edit) + Send + 'static,
) -> Result<Watcher> {
    let cannot = || {
        format!(
            "cannot watch {} (`duck run --no-reload` does without)",
            root.display()
        )
    };
    let (inside, file) = (root.to_owned(), settings.to_owned());
    let on_events = move |events: DebounceEventResult| {
        if let Some(edit) = greatest(&inside, &file, &events.unwrap_or_default()) {
            tell(edit);
        }
    };
    let mut watcher = new_debouncer(QUIET, None, on_events).context(cannot)?;
    let elsewhere = settings
        .parent()
        .filter(|folder| *folder != root && folder.is_dir());
    for folder in [root].into_iter().chain(elsewhere) {
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .context(cannot)?;
    }
    for folder in FOLDERS
        .map(|name| root.join(name))
        .iter()
        .filter(|folder| folder.is_dir())
    {
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .context(cannot)?;
    }
    Ok(watcher)
}

fn greatest(root: &Path, settings: &Path, events: &[DebouncedEvent]) -> Option<Edit> {
    if events.iter().any(|event| event.need_rescan()) {
        // The system had no room for more of them: any file may have been edited.
        let (path, need) = (PathBuf::from("."), Need::Build);
        return Some(Edit { path, need });
    }
    let writes = events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::Access(_)));
    let paths = writes.flat_map(|event| &event.paths);
    let edits = paths.filter_map(|path| edit(root, settings, path));
    edits.max_by_key(|edit| edit.need)
}

fn edit(root: &Path, settings: &Path, path: &Path) -> Option<Edit> {
    let inside = path.strip_prefix(root).ok();
    let need = if path == settings || path == settings.with_file_name(".env") {
        Need::Restart
    } else {
        need_of(inside?)?
    };
    let path = inside.unwrap_or(path).to_owned();
    Some(Edit { path, need })
}

/// What a file of the site's own folder asks for.
fn need_of(path: &Path) -> Option<Need> {
    let name = path.file_name()?.to_str()?;
    let first = path.components().next()?.as_os_str().to_str()?;
    match (first, name) {
        // What editors leave beside a file while they write it.
        _ if name.starts_with(['.', '#']) || name.ends_with('~') || name == "4913" => None,
        ("src" | "migrations" | "vendor" | "Cargo.toml" | "build.rs", _) => Some(Need::Build),
        ("templates" | "static", _) => Some(Need::Nothing),
        // Cargo.lock among them: cargo writes it while it builds.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "/site";
    const SETTINGS: &str = "/site/settings.toml";

    fn need(settings: &str, path: &str) -> Option<Need> {
        let root = Path::new(SITE);
        edit(root, Path::new(settings), &root.join(path)).map(|edit| edit.need)
    }

    fn greatest(events: &[DebouncedEvent]) -> Option<Edit> {
        super::greatest(Path::new(SITE), Path::new(SETTINGS), events)
    }

    #[test]
    fn settings_that_are_elsewhere_are_followed_too() {
        for (settings, variables) in [
            ("/settings.toml", "/.env"),
            ("/site/conf/test.toml", "conf/.env"),
        ] {
            assert_eq!(need(settings, settings), Some(Need::Restart));
            assert_eq!(need(settings, variables), Some(Need::Restart));
            assert_eq!(need(settings, "settings.toml"), None, "it is not read");
        }
        assert_eq!(need("/settings.toml", "/other.toml"), None);
    }

    #[test]
    fn each_file_has_its_need() {
        let need = |path: &str| need(SETTINGS, path);
        for path in [
            "src/main.rs",
            "src/shop/mod.rs",
            "src/page.html",
            "Cargo.toml",
            "build.rs",
            "migrations/0003_tags.sql",
            "vendor/duck/duck-core/src/lib.rs",
        ] {
            assert_eq!(need(path), Some(Need::Build), "{path}");
        }
        for path in ["settings.toml", ".env"] {
            assert_eq!(need(path), Some(Need::Restart), "{path}");
        }
        for path in ["static/css/site.css", "templates/home.html"] {
            assert_eq!(need(path), Some(Need::Nothing), "{path}");
        }
        for path in [
            "",
            "target",
            "Cargo.lock",
            "sessions",
            "README.md",
            "src/.views.rs.swp",
            "src/views.rs~",
            "src/#views.rs#",
            "src/4913",
        ] {
            assert_eq!(need(path), None, "{path}");
        }
    }

    #[test]
    fn edits_that_the_system_has_dropped_call_for_a_build() {
        let overflow = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let overflow = DebouncedEvent::new(overflow, std::time::Instant::now());
        let edit = greatest(&[overflow]).unwrap();
        assert_eq!((edit.need, &*edit.path), (Need::Build, Path::new(".")));
    }

    #[test]
    fn of_several_edits_the_greatest_counts() {
        let event = |path: &str, kind| {
            DebouncedEvent::new(
                notify::Event::new(kind).add_path(Path::new(SITE).join(path)),
                std::time::Instant::now(),
            )
        };
        let modified = EventKind::Modify(notify::event::ModifyKind::Any);
        let read = EventKind::Access(notify::event::AccessKind::Any);
        let events = [
            event("static/a.css", modified),
            event("src/a.rs", modified),
            event("settings.toml", modified),
        ];
        assert_eq!(greatest(&events).unwrap().path, Path::new("src/a.rs"));
        assert_eq!(greatest(&[event("src/a.rs", read)]), None);
    }
}
