//! How many packages a site is built from, for the length of the progress bar.

use std::collections::{HashMap, HashSet};
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
    root: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Asks cargo. `None` when it does not say: then the bar has no length, which is no reason to stop.
pub(crate) fn count(root: &Path) -> Option<usize> {
    let answer = Command::new(cargo())
        .args([
            "metadata",
            "--format-version=1",
            "--filter-platform",
            env!("DUCK_TARGET"),
        ])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    count_in(&answer.stdout)
}

fn count_in(metadata: &[u8]) -> Option<usize> {
    let resolve = serde_json::from_slice::<Metadata>(metadata).ok()?.resolve;
    let root = resolve.root?;
    let nodes: HashMap<&str, &Node> = resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut seen = HashSet::new();
    let mut ahead = vec![root.as_str()];
    while let Some(id) = ahead.pop() {
        if seen.insert(id) {
            let built = nodes
                .get(id)?
                .deps
                .iter()
                .filter(|dependency| is_built(dependency));
            ahead.extend(built.map(|dependency| dependency.pkg.as_str()));
        }
    }
    Some(seen.len())
}

/// `cargo build` leaves out what only tests need.
fn is_built(dependency: &Dependency) -> bool {
    dependency
        .dep_kinds
        .iter()
        .any(|of| of.kind.as_deref() != Some("dev"))
}

/// The cargo to call: the one that called us, if one did.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_need_is_not_counted() {
        let metadata = br#"{"resolve": {"root": "site", "nodes": [
            {"id": "site", "deps": [
                {"pkg": "duck", "dep_kinds": [{"kind": null, "target": null}]},
                {"pkg": "cc", "dep_kinds": [{"kind": "dev"}, {"kind": "build"}]},
                {"pkg": "trybuild", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "duck", "deps": [{"pkg": "cc", "dep_kinds": [{"kind": "build"}]}]},
            {"id": "cc", "deps": []},
            {"id": "trybuild", "deps": []}]}}"#;
        assert_eq!(count_in(metadata), Some(3));
    }

    #[test]
    fn no_answer_is_no_number() {
        assert_eq!(count_in(b""), None);
        assert_eq!(
            count_in(br#"{"resolve": {"root": null, "nodes": []}}"#),
            None
        );
    }
}
