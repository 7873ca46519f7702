//! Which line of the site's code something comes from.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::env;
use std::fmt;
use std::panic::Location;
use std::path::Path;

/// The folder of this crate's sources, as the compiler names it in a [`Location`].
const HERE: &str = file!();

/// A line of the site's code: `src/views.rs:12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    file: Cow<'static, str>,
    line: u32,
}

impl Place {
    /// The file, as the compiler or a backtrace names it: mostly from the folder the program was built in.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// A line of the site's own; `None` for one of Rust's library, a dependency or Duck.
    pub(crate) fn of_site(location: &'static Location<'static>) -> Option<Self> {
        is_of_site(location.file()).then(|| Self {
            file: Cow::Borrowed(location.file()),
            line: location.line(),
        })
    }

    /// The line of the site's that panicked: what it called may have, and then that is not its own.
    /// Where there is none, the line that did panic.
    pub(crate) fn of_panic(location: &Location<'_>) -> Self {
        let of_site = is_of_site(location.file());
        let caller = if of_site { None } else { Self::running() };
        caller.unwrap_or_else(|| Self {
            file: Cow::Owned(location.file().to_owned()),
            line: location.line(),
        })
    }

    /// The innermost line of the site's code that is running on this thread. It is `None` where the
    /// program was built without line numbers, or was called by Duck and not by the site.
    ///
    /// Looking takes milliseconds: it is for what went wrong, and for that only.
    pub(crate) fn running() -> Option<Self> {
        let folder = env::current_dir().unwrap_or_default();
        innermost(&Backtrace::force_capture().to_string(), &folder)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Whether a line that the compiler names is of Rust's library: what is called through a function's
/// name, as in `map_err(Error::internal)`, seems to be called from there.
pub(crate) fn is_of_rust(file: &str) -> bool {
    file.starts_with("/rustc/") || file.contains("/lib/rustlib/src/")
}

fn is_of_site(file: &str) -> bool {
    let of_dependency = ["/registry/src/", "/git/checkouts/"]
        .iter()
        .any(|folder| file.contains(folder));
    !is_of_rust(file) && !of_dependency && !is_vendored(file) && !is_of_duck(file)
}

/// Whether a file lies in a folder of vendored crates: `vendor/serde/src/lib.rs`.
fn is_vendored(file: &str) -> bool {
    let behind = match file.strip_prefix("vendor/") {
        Some(behind) => Some(behind),
        None => file.split_once("/vendor/").map(|(_, behind)| behind),
    };
    behind.is_some_and(|behind| behind.contains("/src/"))
}

/// Whether a file is of this crate or of duck-session beside it. The compiler names both from the
/// folder it was started in or from the root.
fn is_of_duck(file: &str) -> bool {
    let named = HERE.trim_end_matches("error/place.rs");
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    [named, whole].into_iter().any(|core| {
        file.starts_with(core) || file.starts_with(&core.replace("duck-core", "duck-session"))
    })
}

/// The first line of the site's in a backtrace: below the frames of the panic, where there was one,
/// and above the frame that called the site's code.
fn innermost(backtrace: &str, folder: &Path) -> Option<Place> {
    let panicking = ["panic_with_hook", "rust_begin_unwind", "begin_panic"];
    let is_panic = |line: &str| panicking.iter().any(|name| line.contains(name));
    let begin = backtrace.lines().position(is_panic).unwrap_or_default();
    for line in backtrace.lines().skip(begin) {
        let line = line.trim_start();
        let Some(place) = line.strip_prefix("at ") else {
            if line.contains("duck::middleware::caught") {
                return None;
            }
            continue;
        };
        // `FILE:LINE:COLUMN`, and `./FILE` for one below the current folder.
        let mut parts = place.rsplitn(3, ':');
        let (line, file) = (parts.nth(1)?, parts.next()?);
        let (file, whole) = match file.strip_prefix("./") {
            Some(below) => (below, folder.join(below).to_string_lossy().into_owned()),
            None => (file, file.to_owned()),
        };
        if is_of_site(file) && !is_of_duck(&whole) {
            return Some(Place {
                file: Cow::Owned(file.to_owned()),
                line: line.parse().ok()?,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_rust_of_dependencies_and_of_duck_are_not_the_sites() {
        let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/src/response.rs");
        for (file, expected) in [
            ("src/views.rs", true),
            ("example-site/src/views.rs", true),
            ("src/vendor/mod.rs", true),
            ("/home/ada/site/src/views.rs", true),
            ("/rustc/59807616e/library/core/src/ops/function.rs", false),
            (
                "/root/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/vec.rs",
                false,
            ),
            (
                "/opt/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde-1.0.1/src/lib.rs",
                false,
            ),
            (
                "/opt/cargo/git/checkouts/serde-1949cf8c/1234567/src/lib.rs",
                false,
            ),
            ("vendor/serde/src/lib.rs", false),
            ("/home/ada/site/vendor/duck/duck-session/src/lib.rs", false),
            (file!(), false),
            (whole, false),
            (&whole.replace("duck-core", "duck-session"), false),
            (
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/routing.rs"),
                true,
            ),
        ] {
            assert_eq!(is_of_site(file), expected, "{file}");
        }
    }

    #[test]
    fn a_backtrace_is_read_between_the_panic_and_the_call_of_the_view() {
        let frames = |from: &str| {
            format!(
                "   0: site::hook::{{{{closure}}}}\n             at ./src/main.rs:3:9\n   \
                    1: std::panicking::panic_with_hook\n             at /rustc/1/library/std/src/panicking.rs:8:1\n   \
                    2: alloc::collections::vec_deque::VecDeque<T>::drain\n   \
                    3: site::views::home::{{{{closure}}}}\n             at {from}:12:5\n   \
                    4: duck::middleware::caught::{{{{closure}}}}\n             at /x/duck-core/src/middleware/mod.rs:1:1\n   \
                    5: site::main\n             at ./src/main.rs:20:1\n"
            )
        };
        let folder = Path::new("/srv");
        let found = |from: &str| innermost(&frames(from), folder).map(|place| place.to_string());
        assert_eq!(found("./src/views.rs").as_deref(), Some("src/views.rs:12"));
        assert_eq!(
            found("/srv/a:b/views.rs").as_deref(),
            Some("/srv/a:b/views.rs:12")
        );
        assert_eq!(found("/rustc/1/library/core/src/lib.rs"), None);
        assert_eq!(innermost("disabled backtrace", folder), None);
    }
}
