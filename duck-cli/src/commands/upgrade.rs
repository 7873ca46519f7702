//! `duck upgrade`

use std::collections::HashSet;
use std::fs;

use semver::Version;

use crate::args::Upgrade;
use crate::checksums::Differences;
use crate::failure::{Context, Failure, Result};
use crate::report;
use crate::scaffold::{self, NewFile};
use crate::site::Site;
use crate::vendor::{self, CHANGELOG, FOLDER, VERSION};
use crate::vendored::Vendored;

/// How many edited files are named: more would hide the sentence above them.
const LISTED: usize = 20;

/// Puts the framework that this program carries in the place of the site's copy. Nothing else in the
/// site is written to.
pub(crate) fn run(args: &Upgrade) -> Result {
    let copy = Vendored::of(&Site::here()?)?;
    let version = copy.version();
    if let Ok(version) = &version {
        refuse_newer(version)?;
    }
    let carried = vendor::files();
    let changes = Differences::between(&copy.files, &vendor::checksums(&carried));
    if changes.is_empty() {
        let text = format_args!("{FOLDER} is version {VERSION}, as this `duck` carries it");
        report::done("Unchanged", text);
        return Ok(());
    }
    if !args.force {
        refuse_edited(&copy)?;
    }
    let changelog = fs::read_to_string(copy.folder.join(CHANGELOG)).ok(); // early versions had none

    let files: Vec<NewFile> = carried.into_iter().map(NewFile::from).collect();
    scaffold::replace(&copy.folder, &files)?;

    let was = version.map_or("of no version".into(), |version| version.to_string());
    tell(&was, &changes, changelog.as_deref());
    Ok(())
}

fn refuse_newer(version: &Version) -> Result {
    let carried = Version::parse(VERSION).context(|| format!("cannot read {VERSION:?}"))?;
    if *version <= carried {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{FOLDER} is version {version}, newer than the {carried} that this `duck` carries; install a newer `duck`"
    )))
}

fn refuse_edited(copy: &Vendored) -> Result {
    let force = "`duck upgrade --force` replaces it, whatever is in it";
    let edits = copy
        .edits()
        .map_err(|failure| Failure::new(format!("{failure}; {force}")))?;
    if edits.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{FOLDER} was edited, and the edits would be lost; {force}{}",
        list(&edits)
    )))
}

/// The first of the files that differ, a line for each.
fn list(edits: &Differences) -> String {
    let named = [
        ("changed", &edits.changed),
        ("added", &edits.added),
        ("removed", &edits.removed),
    ];
    let mut lines: Vec<String> = named
        .into_iter()
        .flat_map(|(what, paths)| paths.iter().map(move |path| (what, path)))
        .map(|(what, path)| format!("\n  {what:>8}  {FOLDER}/{}", path.escape_debug()))
        .collect();
    let more = lines.len().saturating_sub(LISTED);
    lines.truncate(LISTED);
    if more > 0 {
        lines.push(format!("\n  and {more} more"));
    }
    lines.concat()
}

fn tell(was: &str, changes: &Differences, changelog: Option<&str>) {
    report::done(
        "Upgraded",
        format_args!(
            "{FOLDER} from {was} to {VERSION}: files changed {}, added {}, removed {}",
            changes.changed.len(),
            changes.added.len(),
            changes.removed.len()
        ),
    );
    if let Some(before) = changelog {
        for line in news(before, vendor::changelog()) {
            report::line(line);
        }
    }
    report::note("Changes", format_args!("{FOLDER}/{CHANGELOG} has them all"));
    report::note(
        "Next",
        format_args!("cargo test; then commit {FOLDER} and Cargo.lock"),
    );
}

/// The lines of a changelog that an earlier one doesn't have, each below its headings.
fn news<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let known: HashSet<&str> = before.lines().chain([""]).collect();
    let mut news = Vec::new();
    let mut headings: Vec<&str> = Vec::new();
    for line in after.lines() {
        if line.starts_with('#') {
            headings.retain(|other| depth(other) < depth(line));
            headings.push(line);
        } else if !known.contains(line) {
            news.append(&mut headings);
            news.push(line);
        }
    }
    news
}

fn depth(heading: &str) -> usize {
    heading.len() - heading.trim_start_matches('#').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_news_are_the_new_lines_below_their_headings() {
        let before = "# Changes\n\n## 0.1.0\n\n### Added\n\n* Ducks.\n";
        let after =
            "# Changes\n\n## 0.2.0\n\n### Fixed\n\n* Geese.\n\n## 0.1.0\n\n### Added\n\n* Ducks.\n";
        let expected = ["# Changes", "## 0.2.0", "### Fixed", "* Geese."];
        assert_eq!(news(before, after), expected);
        assert_eq!(news(after, after), [""; 0]);
    }
}
