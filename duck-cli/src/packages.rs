//! How many packages a site is built from, for the length of the progress bar.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// Asks cargo. `None` when it does not say: then the bar has no length, which is no reason to stop.
pub(crate) fn count(root: &Path) -> Option<usize> {
    let tree = Command::new(cargo())
        .args(["tree", "--edges=no-dev", "--prefix=none"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let count = count_in(&String::from_utf8_lossy(&tree.stdout));
    (count > 0).then_some(count)
}

/// A package stands below each that needs it, the second time with a star.
fn count_in(tree: &str) -> usize {
    let packages = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    let packages: HashSet<_> = packages.filter(|package| !package.is_empty()).collect();
    packages.len()
}

/// The cargo to call: the one that called us, if one did.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_several_need_counts_once() {
        let tree = "site v0.1.0 (/site)\nduck-core v0.1.0 (/site/vendor)\nserde v1.0.0\n\
                    serde_derive v1.0.0 (proc-macro)\nduck-session v0.1.0 (/site/vendor)\n\
                    duck-core v0.1.0 (/site/vendor) (*)\nserde_derive v1.0.0 (proc-macro) (*)\n\n";
        assert_eq!(count_in(tree), 5);
        assert_eq!(count_in(""), 0);
    }
}
