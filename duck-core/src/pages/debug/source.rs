//! The lines of a source file around one of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::error::printable::printable;

/// Lines before and after the one that is meant.
pub(super) const AROUND: usize = 5;

/// Characters of a line that are shown.
const WIDEST: usize = 300;

/// Bytes of a file that are read: the line is in a source file, or is not shown.
const MOST: u64 = 4 << 20;

/// A line of a file, where one of several is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) is_meant: bool,
}

/// Reads the lines around a line of a file, as the compiler names it: from the folder that it ran in,
/// which is the current one or one above it. `None` where the file is not there, as on a server.
pub(super) fn of_file(file: &str, line: usize) -> Option<Vec<Line>> {
    let file = File::open(find(Path::new(file))?).ok()?;
    let lines = BufReader::new(std::io::Read::take(file, MOST)).lines();
    let first = line.saturating_sub(AROUND).max(1);
    let numbered = (1..).zip(lines.map_while(Result::ok));
    let around = numbered.skip(first - 1).take(line + AROUND + 1 - first);
    of_lines(around, line)
}

/// Lines with their numbers, and which of them is meant.
pub(super) fn of_lines<T: AsRef<str>>(
    lines: impl Iterator<Item = (usize, T)>,
    line: usize,
) -> Option<Vec<Line>> {
    let shown = |(number, text): (usize, T)| Line {
        number,
        text: printable(text.as_ref().trim_end(), WIDEST),
        is_meant: number == line,
    };
    let lines: Vec<Line> = lines.map(shown).collect();
    lines.iter().any(|line| line.is_meant).then_some(lines)
}

fn find(file: &Path) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let candidates = here.ancestors().map(|folder| folder.join(file));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_one_are_found() {
        let lines = of_file(file!(), line!() as usize).unwrap();
        let meant: Vec<_> = lines.iter().filter(|line| line.is_meant).collect();
        assert!(
            meant.len() == 1 && meant[0].text.contains("line!()"),
            "{meant:?}"
        );
        assert_eq!(lines.len(), 11);
        assert_eq!(of_file(file!(), 1).unwrap().len(), 6);
        assert_eq!(of_file(file!(), 1_000_000), None);
        assert_eq!(of_file(file!(), 0), None);
        assert_eq!(of_file("src/no_such_file.rs", 1), None);
    }
}
