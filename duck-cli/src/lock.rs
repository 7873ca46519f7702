//! The lock file of a new site: the versions that the framework is tested with. `.ci/lock` writes the
//! templates of it, so that `cargo build --locked` works in a site from the first second.

use crate::embedded;

/// What it is called in a folder of `template/`.
const TEMPLATE: &str = "Cargo.lock.template";

/// Is a site built with a crate of that name? Then it cannot have the name itself: its lock file would
/// hold two packages of one name.
pub(crate) fn names(package: &str) -> bool {
    let line = format!("name = \"{package}\"");
    let files = embedded::files(&embedded::TEMPLATES).into_iter();
    let mut locks = files.filter(|file| file.path().ends_with(TEMPLATE));
    locks.any(|lock| {
        let lock = lock.contents_utf8().unwrap_or_default();
        lock.lines().any(|other| other == line)
    })
}

/// Puts the packages in order, as cargo does: only the site's name decides where the site belongs.
pub(crate) fn in_order(lock: &str) -> String {
    let mut parts: Vec<&str> = lock.trim_end().split("\n\n").collect();
    if let Some((_head, packages)) = parts.split_first_mut() {
        packages.sort_by_key(|package| name_line(package)); // stable: versions of one package stay in order
    }
    parts.join("\n\n") + "\n"
}

fn name_line(package: &str) -> Option<&str> {
    package.lines().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages_and_not_parts_of_them() {
        assert!(names("hyper") && names("rusqlite"));
        assert!(!names("hype") && !names("mysite") && !names(""));
    }
}
